"""`agi-bridge reload`: has the running service reload its configuration, and prints the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from agi_bridge.cli.common import FAILED, MISUSED, OK, ConfigOption, JsonOption
from agi_bridge.cli.output import count, print_answer, printable
from agi_bridge.cli.service import ask_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

SECONDS = 120.0
"""How long a reload may take. New speech models are loaded first."""


def reload(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Have the running service reload its configuration.

    The service reads and checks its own file, with its own account and environment. New calls see
    the new configuration; calls in progress keep theirs. An invalid configuration changes nothing.
    Exit codes: 0 reloaded; 1 no service answers, or something that the configuration names cannot
    be used; 2 the configuration is wrong.
    """
    ask_service(config, "status")  # a service that hangs is told from a reload that takes long
    answer = ReloadAnswer(ask_service(config, "reload", seconds=SECONDS))
    print_answer(answer, as_json=as_json)
    raise typer.Exit(answer.exit_code)


@dataclass(frozen=True, slots=True)
class ReloadAnswer:
    """The service's answer; `document` is `app.reload.ReloadResult.document`."""

    document: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """0 reloaded, 1 not usable, 2 wrong."""
        if self.ok:
            return OK
        return MISUSED if self.document["invalid"] else FAILED

    @property
    def ok(self) -> bool:
        """Whether the configuration on disk is in force."""
        return bool(self.document["outcome"] != "refused")

    def json(self) -> object:
        """The document, unchanged."""
        return self.document

    def show(self, console: Console) -> None:
        """Print the result, and what needs a restart."""
        given = self.document
        if not self.ok:
            console.print("refused: the old configuration stays in force", soft_wrap=True)
            for fault in given["faults"]:
                console.print(printable(fault), soft_wrap=True)
            return
        changed = "reloaded" if given["outcome"] == "applied" else "reloaded, no changes"
        lines = count(given["lines"], "line")
        console.print(f"{changed}: {lines}, configuration {given['config'][:12]}", soft_wrap=True)
        if given["restart"]:
            waiting = ", ".join(given["restart"])
            console.print(f"takes effect after a restart: {printable(waiting)}", soft_wrap=True)
        if given["read_at_start"]:
            secrets = ", ".join(given["read_at_start"])
            console.print(
                f"read at start only, so a change needs a restart: {printable(secrets)}",
                soft_wrap=True,
            )
