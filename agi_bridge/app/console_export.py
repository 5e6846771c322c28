"""Exports a record for the console: the command `consents export`, in another process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Settings

EXPORT_SECONDS: Final = 300.0
"""How long an export may take."""
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


def export_record(settings: Settings, consent_id: str, name: str) -> ExportedRecord:
    """Export a record for a person. Blocks, for as long as its chain takes."""
    folder = Path(tempfile.mkdtemp(prefix="agi-bridge-export-"))
    file = folder / "export.zip"
    command = [sys.executable, "-m", "agi_bridge", "consents", "export", "--json"]
    command += ["--consent", consent_id, "--for", name, "--out", str(file)]
    if settings.file is not None:
        command += ["--config", str(settings.file)]
    if (nice := shutil.which("nice")) is not None:
        command = [nice, "-n", "10", *command]  # calls come first
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, check=False, capture_output=True, text=True, timeout=EXPORT_SECONDS
        )
        document = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        problem = f"it took longer than {EXPORT_SECONDS:g} s; run agi-bridge consents export"
    except ValueError:
        problem = done.stderr.strip().rpartition("\n")[2][:500] or "the service's log says why"
    else:
        return ExportedRecord(file, tuple(_verdicts(document["verdicts"])))
    shutil.rmtree(folder, ignore_errors=True)
    return ExportedRecord(None, problem=problem)


def _verdicts(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in VERDICTS:
        verdict = document[name]
        yield name, str(verdict["value"]), str(verdict["text"])
