"""Finds an Asterisk, and installs Asterisk into a folder if there is none."""

import asyncio
import fcntl
import os
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agi_bridge.lab.errors import AsteriskError, AsteriskUnavailableError
from agi_bridge.shipped_files import share_path

__all__ = [
    "Installation",
    "default_tree",
    "find_asterisk",
    "provision_asterisk",
    "share_path",
]

_PACKAGE = Path(__file__).resolve().parents[2]
_SCRIPT = Path(__file__).with_name("provision-asterisk.sh")
_SYSTEM_PATH = ("/usr/sbin", "/usr/local/sbin")  # often not in a user's PATH
_UNAVAILABLE = 3  # exit status of the script: no mirror or no network


@dataclass(frozen=True, slots=True)
class Installation:
    """An Asterisk on this machine.

    Attributes:
        binary: the program.
        modules: its modules (astmoddir).
        data: its data, with the recordings (astdatadir).
    """

    binary: Path
    modules: Path
    data: Path

    @classmethod
    def of(cls, binary: Path) -> "Installation":
        """Find the modules and data of a program.

        Raises:
            AsteriskError: they are in none of the usual places.
        """
        tree = binary.resolve().parent.parent
        modules = (tree / "modules", *sorted(Path("/usr/lib").glob("*/asterisk/modules")))
        places = (*modules, Path("/usr/lib/asterisk/modules"), Path("/usr/lib64/asterisk/modules"))
        data = (tree / "usr/share/asterisk", Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))
        module_dir = next((place for place in places if (place / "res_agi.so").exists()), None)
        data_dir = next((place for place in data if (place / "sounds").exists()), None)
        if module_dir is None or data_dir is None:
            raise AsteriskError("no_modules", f"{binary} has no modules or no recordings")
        return cls(binary, module_dir, data_dir)


def default_tree(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of a provisioned Asterisk: in the checkout, else in the user's cache."""
    if (_PACKAGE.parent / "pyproject.toml").exists():
        return _PACKAGE.parent / ".asterisk" / "22"
    cache = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "agi-bridge" / "asterisk-22"


def find_asterisk(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the Asterisk to use; None when there is none yet.

    The first of: `AGI_BRIDGE_ASTERISK` (the program, or a provisioned tree), the tree of
    `provision_asterisk`, the machine's own.
    """
    if named := environ.get("AGI_BRIDGE_ASTERISK"):
        path = Path(named)
        return path / "bin" / "asterisk" if path.is_dir() else path
    tree = default_tree(environ)
    if (tree / ".provisioned").exists():
        return tree / "bin" / "asterisk"
    search = os.pathsep.join((environ.get("PATH", os.defpath), *_SYSTEM_PATH))
    own = shutil.which("asterisk", path=search)
    return Path(own) if own else None


async def provision_asterisk(
    target: Path | None = None,
    on_progress: Callable[[str], None] = lambda _line: None,
    *,
    script: Path = _SCRIPT,
) -> Path:
    """Install Asterisk 22 into a folder and return the program; do nothing if it is installed.

    If several processes call it at the same time, one installs and the others wait.

    Args:
        target: the folder; `default_tree()` when None.
        on_progress: called with a line of text for each step; it takes seconds to minutes.
        script: the script that installs.

    Raises:
        AsteriskUnavailableError: no Debian mirror can be reached.
        AsteriskError: any other failure; the text is the script's last line.
    """
    tree = default_tree() if target is None else target
    tree.parent.mkdir(parents=True, exist_ok=True)
    lock = tree.with_name(tree.name + ".lock")
    with lock.open("w") as file:
        await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
        process = await asyncio.create_subprocess_exec(
            "bash", str(script), str(tree), stdout=PIPE, stderr=PIPE, start_new_session=True
        )
        async with _ended(process) as complaint:
            assert process.stdout is not None  # noqa: S101  # a pipe was asked for
            async for line in process.stdout:
                on_progress(line.decode(errors="replace").strip())
            errors = (await complaint).decode(errors="replace").strip()
            status = await process.wait()
    if status:
        reason = errors.splitlines()[-1] if errors else f"{script.name} ended with status {status}"
        if status == _UNAVAILABLE:
            raise AsteriskUnavailableError("unavailable", reason)
        raise AsteriskError("provision_failed", reason)
    return tree / "bin" / "asterisk"


@asynccontextmanager
async def _ended(process: asyncio.subprocess.Process) -> AsyncIterator[asyncio.Task[bytes]]:
    """Yield the process's standard error; end it and its children if the block is left early."""
    assert process.stdout is not None  # noqa: S101  # a pipe was asked for
    assert process.stderr is not None  # noqa: S101 - for mypy: stderr is a pipe
    complaint = asyncio.create_task(process.stderr.read())
    try:
        yield complaint
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            await asyncio.gather(complaint, process.stdout.read(), process.wait())
