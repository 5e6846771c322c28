"""The doctor's report on a terminal: what is well in one line each, what is wrong at the end."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from agi_bridge.cli.output import count
from agi_bridge.doctor import Level

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from agi_bridge.doctor import CallStep, Finding, Report

_STYLES: Final = {
    Level.OK: "green",
    Level.NOTE: "yellow",
    Level.FAULT: "bold red",
    Level.NOT_LOOKED_AT: "cyan",
}
_WORDS: Final = {Level.NOT_LOOKED_AT: "unseen"}
_LEVEL_WIDTH: Final = 7
_ID_WIDTH: Final = 20
_LABEL_WIDTH: Final = 5
_LEAST_WIDTH: Final = 20
_ORDER: Final = (Level.OK, Level.NOT_LOOKED_AT, Level.NOTE, Level.FAULT)


@dataclass(frozen=True, slots=True)
class ReportAnswer:
    """The report as a command's answer."""

    report: Report

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return self.report.ok

    def json(self) -> object:
        """The document of docs/doctor.schema.json."""
        return self.report.document().model_dump(mode="json")

    def show(self, console: Console) -> None:
        """Print the report; faults come last, where the eye is."""
        for level in _ORDER:
            for finding in self.report.findings:
                if finding.level is level:
                    _show(finding, console)
        if self.report.call:
            console.print()
            for step in self.report.call:
                _show_step(step, console)
        console.print()
        console.print(", ".join(self._counts()), soft_wrap=True)

    def _counts(self) -> list[str]:
        report = self.report
        return [
            count(report.count(Level.FAULT), "fault"),
            count(report.count(Level.NOTE), "note"),
            f"{report.count(Level.NOT_LOOKED_AT) or 'nothing'} not looked at",
        ]


def _show(finding: Finding, console: Console) -> None:
    from rich.text import Text  # noqa: PLC0415 - keeps `--help` fast

    head = Text()
    word = _WORDS.get(finding.level, finding.level)
    head.append(f"{word:<{_LEVEL_WIDTH}}", _STYLES[finding.level])
    head.append(f"{finding.id:<{_ID_WIDTH}}", "bold")
    if finding.level is Level.OK:
        about = f"{finding.about}: " if finding.about else ""
        _print(head, about + finding.what, _LEVEL_WIDTH + _ID_WIDTH, console)
        return
    head.append(finding.about)
    head.rstrip()
    console.print(head, soft_wrap=True)
    indent = " " * _LEVEL_WIDTH
    for label, text in (("", finding.what), ("why", finding.why), ("fix", finding.fix)):
        if text:
            name = f"{label:<{_LABEL_WIDTH}}" if label else ""
            start = Text(indent).append(name, "dim")
            _print(start, text, _LEVEL_WIDTH + len(name), console)


def _show_step(step: CallStep, console: Console) -> None:
    from rich.text import Text  # noqa: PLC0415 - keeps `--help` fast

    word, style = ("ok", "green") if step.ok else ("fault", "bold red")
    time = "" if step.milliseconds is None else f"{step.milliseconds:,} ms"
    head = Text().append(f"{word:<{_LEVEL_WIDTH}}", style).append(f"call {step.name:<8}", "bold")
    head.append(f"{time:>9}  ")
    _print(head, step.what, len(head), console)


def _print(head: Text, text: str, indent: int, console: Console) -> None:
    """Print a text after its head; on a terminal its next lines are indented as far."""
    if not console.is_terminal:
        console.print(head.append(text), soft_wrap=True)
        return
    width = max(_LEAST_WIDTH, console.width - indent)
    first, *rest = wrap(text, width, break_on_hyphens=False) or [""]
    console.print(head.append(first), soft_wrap=True)
    for line in rest:
        console.print(" " * indent + line, soft_wrap=True)
