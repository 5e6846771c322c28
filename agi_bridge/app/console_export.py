"""Exports a record for the console: the command `consents export`, in another process."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Settings

EXPORT_SECONDS: Final = 300.0
"""How long an export may take."""
FOLDER: Final = "exports"
"""In the state directory: exports that can be fetched, each in a folder of its own."""
VERDICTS: Final = ("integrity", "anchored", "completeness", "time")


@dataclass(frozen=True, slots=True)
class ExportedRecord:
    """An export that was made, or why it was not (`console.Exported`)."""

    file: Path | None
    verdicts: tuple[tuple[str, str, str], ...] = ()
    problem: str = ""

    def delete(self) -> None:
        """Delete the file and its folder."""
        if self.file is not None:
            shutil.rmtree(self.file.parent, ignore_errors=True)


def clear_exports(state_dir: Path) -> None:
    """Delete every export: also those of a service that was killed. Blocks; never raises.

    Only the service that holds the state directory's lock makes any there.
    """
    shutil.rmtree(state_dir / FOLDER, ignore_errors=True)


async def export_record(settings: Settings, consent_id: str, name: str) -> ExportedRecord:
    """Export a record for a person; takes as long as its chain does.

    Cancelled, it ends the process and leaves no file.
    """
    exports = settings.state_dir / FOLDER
    try:
        await asyncio.to_thread(exports.mkdir, mode=0o700, exist_ok=True)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=exports))
    except OSError as error:
        return ExportedRecord(None, problem=f"{exports}: {error.strerror}")
    file = folder / "export.zip"
    command = [sys.executable, "-m", "agi_bridge", "consents", "export", "--json"]
    command += ["--consent", consent_id, "--for", name, "--out", str(file)]
    if settings.file is not None:
        command += ["--config", str(settings.file)]
    if (nice := shutil.which("nice")) is not None:
        command = [nice, "-n", "10", *command]  # calls come first
    try:
        answer, said = await _output_of(command)
        document = json.loads(answer)
    except TimeoutError:
        problem = f"it took longer than {EXPORT_SECONDS:g} s; run agi-bridge consents export"
    except OSError as error:
        problem = f"its process did not begin: {error.strerror}"
    except ValueError:
        problem = said.strip().rpartition("\n")[2][:500] or "the service's log says why"
    except asyncio.CancelledError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        return ExportedRecord(file, tuple(_verdicts(document["verdicts"])))
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return ExportedRecord(None, problem=problem)


async def _output_of(command: list[str]) -> tuple[str, str]:
    """The standard output and error of a command; it ends with this, whatever ends it.

    Raises:
        TimeoutError: it took too long.
        OSError: it did not begin.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(EXPORT_SECONDS):
            answer, said = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return answer.decode(errors="replace"), said.decode(errors="replace")


def _verdicts(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in VERDICTS:
        verdict = document[name]
        yield name, str(verdict["value"]), str(verdict["text"])
