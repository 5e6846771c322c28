"""The files that `agi-bridge init` writes: compared with those that are there, all or none."""

from __future__ import annotations

import difflib
import os
import pwd
import re
import signal
import stat
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ACCOUNT: Final = "agi-bridge"
"""The account of the service, if packaging/ was installed: it must read what root writes."""

_TOKEN: Final = re.compile(r"(AGI_BRIDGE_TOKEN\s*=>?\s*)[^\s),]+")
"""What lets calls in, where agi-bridge-site has it."""

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write.

    Attributes:
        path: where.
        text: what.
        mode: its permissions.
        secret: its text is not shown in a difference.
        owned: it belongs to the service's account, not to root with that account's group.
    """

    path: Path
    text: str
    mode: int
    secret: bool = False
    owned: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is there with another content."""

    file: NewFile
    diff: str
    there: str = field(repr=False)
    """The content that is there, which may hold a token."""


def mode_of(path: Path) -> int:
    """Return the permissions that a file has.

    Raises:
        OSError: it is not there any more.
    """
    return stat.S_IMODE(path.stat().st_mode)


def compare(files: Sequence[NewFile]) -> tuple[list[NewFile], list[Difference]]:
    """Return the files that are not there, and those that are there and differ.

    Raises:
        OSError: a file that is there cannot be read.
    """
    missing, different = [], []
    for file in files:
        try:
            there = file.path.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            missing.append(file)
            continue
        if there != file.text:
            different.append(Difference(file, _diff(file, there), there))
    return missing, different


def write(files: Sequence[NewFile]) -> None:
    """Write files that are not there: all of them, or none. Each appears with its whole content.

    Raises:
        OSError: one cannot be written; FileExistsError: one has come into being meanwhile.
    """
    account = _account() if os.geteuid() == 0 else None
    ready: list[tuple[Path, NewFile]] = []
    with _interrupts_later():
        try:
            for file in files:  # one by one: what is ready is removed if the next one fails
                ready.append((_prepared(file, account), file))  # noqa: PERF401 - kept if it fails
            _place(ready)
        finally:
            for temporary, _ in ready:
                temporary.unlink(missing_ok=True)


def _place(ready: Sequence[tuple[Path, NewFile]]) -> None:
    """Give the files their names: all of them, or none."""
    placed: list[Path] = []
    try:
        for temporary, file in ready:
            os.link(temporary, file.path)  # unlike a rename, it replaces nothing
            placed.append(file.path)
    except BaseException:
        for path in placed:
            path.unlink(missing_ok=True)
        raise


def _prepared(file: NewFile, account: pwd.struct_passwd | None) -> Path:
    """Write a file beside its place, on the disk and with its permissions."""
    file.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{file.path.name}.", dir=file.path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:  # 0600 until it is complete
            opened.write(file.text)
            opened.flush()
            if account is not None and file.mode != PUBLIC:
                os.fchown(handle, account.pw_uid if file.owned else 0, account.pw_gid)
            os.fchmod(handle, file.mode)
            os.fsync(handle)
    except OSError as error:  # a write says not where: the file that could not be written
        temporary.unlink()
        raise OSError(error.errno, error.strerror, str(file.path)) from error
    except BaseException:
        temporary.unlink()
        raise
    return temporary


PUBLIC: Final = 0o644
"""A file that Asterisk's account reads."""


def _account() -> pwd.struct_passwd | None:
    with suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    return None


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C wait for the moment in which the files are written."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: came.append(got)) for number in _INTERRUPTS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if came:
        signal.raise_signal(came[0])


def _diff(file: NewFile, there: str) -> str:
    if file.secret:
        return "(a secret: not shown)"
    lines = difflib.unified_diff(
        _TOKEN.sub(r"\1(a secret: not shown)", there).splitlines(),
        file.text.splitlines(),
        f"{file.path} (there)",
        f"{file.path} (by the answers)",
        lineterm="",
    )
    return "\n".join(lines)
