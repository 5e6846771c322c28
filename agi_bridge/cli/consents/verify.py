"""`consents verify`: prints four verdicts on the ledger, or on an export.

The checks are in `evidence.verify` and `evidence.export`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography.x509 import Certificate
    from rich.console import Console

    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.export import CaseSummary
    from agi_bridge.evidence.verify import Report, Resume
    from agi_bridge.settings import Settings

ExportArgument = Annotated[
    Path | None,
    typer.Argument(help="A folder or zip file. Default: the ledger.", metavar="EXPORT"),
]
CheckpointsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoints", help="Checkpoints that were kept elsewhere; repeatable.", metavar="FILE"
    ),
]
VERIFIED_FILE: Final = "verified.json"
"""In `state_dir`: where the last verification of the ledger got to."""
_SHOWN: Final = 20
"""How many faults of a verdict are printed."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The report of the verification, and the records to show."""

    report: Report
    records: tuple[CaseSummary, ...] = ()

    @property
    def ok(self) -> bool | None:
        """Whether all verdicts hold; None if nothing is wrong, and not all do."""
        from agi_bridge.evidence.verify import Value

        return {Value.HOLDS: True, Value.FAILS: False}.get(self.report.value)

    @property
    def exit_code(self) -> int | None:
        """The exit code of what is neither; None is the usual one."""
        from agi_bridge.cli.common import PENDING
        from agi_bridge.evidence.verify import Value

        return PENDING if self.report.value is Value.PENDING else None

    def json(self) -> dict[str, object]:
        """The report as plain values, and the records if any were asked for."""
        records = [summary.json() for summary in self.records]
        return {**self.report.json(), **({"records": records} if records else {})}

    def show(self, console: Console) -> None:
        """Print the verdicts and the faults of each, then the records."""
        from agi_bridge.cli.consents.show import print_summary

        print_report(console, self.report)
        for summary in self.records:
            console.print()
            print_summary(console, summary)


def command(
    export: ExportArgument = None,
    *,
    checkpoints: CheckpointsOption = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(
            help="The business's signing key, as a file (PEM or base64) or as its fingerprint; "
            "repeatable. Chains of any other key then fail.",
            metavar="KEY",
        ),
    ] = None,
    tsa_ca: Annotated[
        Path | None,
        typer.Option(
            help="Root certificates (PEM) of the time stamping authority, from itself.",
            metavar="FILE",
        ),
    ] = None,
    show: Annotated[
        str | None,
        typer.Option(help="Of an export: tell what happened to this record.", metavar="ID"),
    ] = None,
    since_last: Annotated[
        bool,
        typer.Option(
            "--since-last", help="Of the ledger: go on where the last verification got to."
        ),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify that the ledger, or an export, is as it was written.

    Four verdicts: integrity, anchored, completeness, time. Exit code 0 if all hold, 1 if one fails,
    3 if nothing is wrong but something has to be taken on trust: a key, or a clock; 4 if nothing is
    wrong but the newest events are not anchored yet. An export needs no configuration, database,
    key or network.
    """
    from agi_bridge.consent.signing import read_certificates, read_checkpoints
    from agi_bridge.evidence.export import trusted_chain

    async def work() -> Verified:
        from agi_bridge.cli.common import UsageError

        trusted = {trusted_chain(each) for each in public_key or ()} or None
        elsewhere = [each for path in checkpoints or () for each in read_checkpoints(path)]
        roots = None if tsa_ca is None else read_certificates(tsa_ca)
        if export is not None:
            return await asyncio.to_thread(_verify_export, export, elsewhere, trusted, roots, show)
        if show is not None:
            raise UsageError("--show needs an export; for the ledger use `consents show`")
        settings = load_settings(config)
        if roots is None and settings.ledger.checkpoints.timestamp_ca is not None:
            roots = read_certificates(settings.ledger.checkpoints.timestamp_ca)
        return await _verify_ledger(settings, elsewhere, trusted, roots, since_last=since_last)

    answer(work(), as_json=as_json)


def _verify_export(
    export: Path,
    elsewhere: Sequence[Checkpoint],
    trusted: set[str] | None,
    roots: Sequence[Certificate] | None,
    show: str | None,
) -> Verified:
    from agi_bridge.cli.common import UsageError
    from agi_bridge.evidence.export import summarise, verify_export

    with progress_line("verified") as progress:
        report, contents = verify_export(
            export, elsewhere, trusted, roots=roots, progress=lambda done: progress(done, None)
        )
    if show is None:
        return Verified(report)
    if contents.is_large:
        raise UsageError("--show: the export has too many records; use its check.py --show")
    found = [each for each in contents.rows if each.startswith(show)]
    records = [
        summarise(contents.case(each), reveal=True) for each in found if contents.is_record(each)
    ]
    if not records:
        raise UsageError(f"--show: no record of the export begins with {show}")
    return Verified(report, tuple(records))


async def _verify_ledger(
    settings: Settings,
    elsewhere: list[Checkpoint],
    trusted: set[str] | None,
    roots: Sequence[Certificate] | None,
    *,
    since_last: bool,
) -> Verified:
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.consent.signing import read_checkpoints
    from agi_bridge.evidence.verify import Value, verify_ledger

    if await asyncio.to_thread(settings.checkpoint_file.exists):
        elsewhere += await asyncio.to_thread(read_checkpoints, settings.checkpoint_file)
    path = settings.state_dir / VERIFIED_FILE
    since = _read_resume(path) if since_last else []
    async with await open_ledger(settings) as ledger:
        with progress_line("verified") as progress:
            report, resume = await verify_ledger(
                ledger, elsewhere, trusted=trusted, roots=roots, since=since, progress=progress
            )
    if report.value is not Value.FAILS:
        _write_resume(path, resume)
    return Verified(report)


def _read_resume(path: Path) -> list[Resume]:
    """Where the last verification got to; nothing if there was none, or the file is not one."""
    from agi_bridge.evidence.verify import Resume

    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    parsed = [Resume.parse(each) for each in noted] if isinstance(noted, list) else []
    found = [each for each in parsed if each is not None]
    return found if len(found) == len(parsed) else []


def _write_resume(path: Path, resume: Sequence[Resume]) -> None:
    """Note where this verification got to; an account that may not write there notes nothing."""
    text = json.dumps([asdict(each) for each in resume])
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError:
        return


class progress_line:  # noqa: N801 - used as a function
    """A line on standard error that says how far a long command is, if that is a terminal."""

    def __init__(self, word: str, noun: str = "events") -> None:
        self._words = f"{noun} {word}"
        self._shows = sys.stderr.isatty()

    def __enter__(self) -> Callable[[int, int | None], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._shows:
            sys.stderr.write("\r\x1b[K")

    def _tell(self, done: int, total: int | None) -> None:
        if self._shows:
            of = f" of {total:,}" if total else ""
            sys.stderr.write(f"\r{done:,}{of} {self._words}")
            sys.stderr.flush()


def print_report(console: Console, report: Report) -> None:
    """Print the verdicts of a report, and the first faults of each."""
    from agi_bridge.cli.output import printable
    from agi_bridge.evidence.verify import Value

    words = {
        Value.HOLDS: ("holds", "green"),
        Value.TRUSTING: ("trust", "yellow"),
        Value.PENDING: ("wait", "yellow"),
        Value.FAILS: ("FAILS", "bold red"),
    }
    console.print(printable(report.subject), soft_wrap=True)
    for name, verdict in report.verdicts:
        word, style = words[verdict.value]
        console.print(f"{name:<13}", end="")
        console.print(f"{word:<7}", style=style, end="")
        console.print(printable(verdict.text), soft_wrap=True)
        for fault in verdict.faults[:_SHOWN]:
            console.print(f"  {printable(str(fault))}", soft_wrap=True)
        if verdict.count > _SHOWN:
            console.print(f"  and {verdict.count - _SHOWN:,} more")
    keys = ", ".join(f"key {each}" for each in report.chains)
    console.print(f"signed by    {printable(keys) or 'nobody'}", soft_wrap=True)
    for note in report.notes[:_SHOWN]:
        console.print(f"note         {printable(note)}", soft_wrap=True)
