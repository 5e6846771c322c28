"""`agi-bridge status`: shows on one screen what the running service does, and its problems."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from agi_bridge.cli.common import FAILED, ConfigOption, JsonOption
from agi_bridge.cli.output import count, print_answer, printable
from agi_bridge.cli.service import ask_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

_STYLES = {"ready": "bold green", "degraded": "bold yellow", "not_ready": "bold red"}
_MEGABYTE = 1_000_000


def status(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show what the running service does, and its problems.

    Asks the service through its control socket, so it works without the status listener. The exit
    code is 0 if new calls are taken (ready or degraded), and 1 if not or if no service runs.
    """
    answer = StatusAnswer(ask_service(config, "status"))
    print_answer(answer, as_json=as_json)
    raise typer.Exit(0 if answer.ok else FAILED)


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """The service's answer; `document` is `Status.document`."""

    document: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether new calls are taken."""
        return bool(self.document["level"] != "not_ready")

    def json(self) -> object:
        """The document, unchanged."""
        return self.document

    def show(self, console: Console) -> None:
        """Print the level, a line for each part, and each problem with its cure."""
        from rich.text import Text

        service = self.document["service"]
        head = Text(f"agi-bridge {service['version']}  ")
        level = str(self.document["level"])
        head.append(level.replace("_", " "), _STYLES.get(level, "bold"))
        wrong = [f"{name} {word}" for name, word in self.document["checks"].items() if word != "ok"]
        head.append(f"  {', '.join(wrong)}".rstrip())
        console.print(head)
        for name, text in self._rows():
            console.print(Text(f"{name:<9}", "bold").append(printable(text)), soft_wrap=True)
        for call in self.document.get("in_progress", ()):
            console.print(f"  {printable(_call(call))}", soft_wrap=True)
        for problem in self.document["problems"]:
            style = "bold red" if problem["severity"] == "page" else "bold yellow"
            console.print()
            line = Text(f"{problem['kind']}  ", style).append(problem["notice"], "not bold")
            console.print(line, soft_wrap=True)
            console.print(f"  {problem['cure']}", soft_wrap=True)

    def _rows(self) -> Iterator[tuple[str, str]]:
        document = self.document
        now = datetime.fromisoformat(document["service"]["at"])
        service, calls, hook = document["service"], document["calls"], document["hook"]
        ledger, waiting, config = document["ledger"], document["waiting"], document["config"]
        yield "running", f"for {_ago(service['started_at'], now)}, process {service['pid']}"
        yield "calls", "; ".join(_calls(calls, now))
        yield "hook", ", ".join(_hook(hook, now))
        yield "ledger", ", ".join(_ledger(ledger, now))
        yield "waiting", ", ".join(_waiting(waiting))
        if document["push"]["pending"]:
            yield "push", ", ".join(_push(document["push"], now))
        if config["stale"] is None:
            yield "config", f"read {_ago(config['loaded_at'], now)} ago, as on disk"
        else:
            yield "config", f"the file on disk is not in force: {config['stale']}"
        if document["console"]["problem"] is not None:
            yield "console", f"down: {document['console']['problem']}"
        clock = "synchronised" if service["clock_synchronised"] else "not synchronised"
        lag = round(1000 * service["loop_lag_seconds"])
        yield "machine", f"clock {clock}, event loop lag {lag} ms"


def _calls(calls: Mapping[str, Any], now: datetime) -> Iterator[str]:
    last = calls["last_at"]
    yield f"{calls['active']} now, " + (
        "none yet" if last is None else f"last {_ago(last, now)} ago"
    )
    hour: Mapping[str, int] = calls["last_hour"]
    if hour:
        parts = ", ".join(f"{number} {result}" for result, number in sorted(hour.items()))
        yield f"in the last hour {parts}"
    yield f"{calls['since_start']:,} since the start"


def _call(call: Mapping[str, Any]) -> str:
    """A call in progress, on one line of 80 columns."""
    shown = call["caller"] or "no caller ID"
    return (
        f"{call['id']}  {call['line'] or 'no line'}, {shown}: {call['step'].replace('_', ' ')} "
        f"for {call['step_seconds']:.0f} s, {call['seconds']:.0f} s in all"
    )


def _hook(hook: Mapping[str, Any], now: datetime) -> Iterator[str]:
    yield "down, one caller at a time tries it" if hook["circuit_open"] else "ok"
    if hook["last_success_at"] is not None:
        yield f"last accepted {_ago(hook['last_success_at'], now)} ago"
    if hook["last_failure_at"] is not None:
        yield f"last failure {_ago(hook['last_failure_at'], now)} ago ({hook['last_failure']})"


def _ledger(ledger: Mapping[str, Any], now: datetime) -> Iterator[str]:
    yield "ok" if ledger["error"] is None else f"down: {ledger['error']}"
    if ledger["free_bytes"] is not None:
        yield f"{ledger['free_bytes'] // _MEGABYTE:,} MB free"
    last = ledger["last_checkpoint_at"]
    yield "no checkpoint yet" if last is None else f"anchored {_ago(last, now)} ago"


def _waiting(waiting: Mapping[str, Any]) -> Iterator[str]:
    kinds: Mapping[str, int] | None = waiting["for_person"]
    if kinds is None or waiting["unsent"] is None:
        yield "unknown: the ledger does not answer"
        return
    there = [f"{number} {kind}" for kind, number in kinds.items() if number]
    yield f"for a person: {', '.join(there)}" if there else "nothing for a person"
    yield f"{count(waiting['unsent'], 'consent')} to be sent again"


def _push(push: Mapping[str, Any], now: datetime) -> Iterator[str]:
    yield f"{count(push['pending'], 'message')} to other systems, {push['failing']} failing"
    yield f"the oldest {_ago(push['oldest_at'], now)} old (agi-bridge push list)"


def _ago(text: str, now: datetime) -> str:
    """The age of a time in its two largest units: `3 d 4 h`, `12 min 5 s`."""
    then = datetime.fromisoformat(text).astimezone(UTC)
    left = max(0, round((now - then).total_seconds()))
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])
