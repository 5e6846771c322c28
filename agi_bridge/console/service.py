"""What the console asks of the service; `app` answers.

The pages run in another thread than the calls. So what belongs to the calls' event loop is asked
there, in one short step that only copies values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.history import HistoryReader
    from agi_bridge.prompts import LinePrompts
    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Live:
    """The service at one moment, as plain values.

    Attributes:
        status: the document of `agi-bridge status --json`.
        calls: the newest calls in progress, as the control socket's `calls` has them.
        timelines: of the calls that were asked for, by id; None: it is not in progress.
    """

    status: Mapping[str, Any]
    calls: Sequence[Mapping[str, Any]]
    timelines: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)


class Exported(Protocol):
    """An export of one record.

    Attributes:
        file: the zip file; None: it was not made.
        verdicts: each verdict of its verification: name, value and words.
        problem: why it was not made, in one line.
    """

    @property
    def file(self) -> Path | None:
        """See above."""
        ...

    @property
    def verdicts(self) -> tuple[tuple[str, str, str], ...]:
        """See above."""
        ...

    @property
    def problem(self) -> str:
        """See above."""
        ...

    def delete(self) -> None:
        """Delete the file."""
        ...


class Service(Protocol):
    """The running service. Its coroutines may be awaited in the console's event loop."""

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        ...

    async def live(self, calls: Collection[str] = ()) -> Live:
        """The service now, with the timelines of these calls."""
        ...

    def report_problem(self, problem: str | None) -> None:
        """Say why the console cannot be opened, in one line; None: it can. Never raises."""
        ...

    def number_key(self, number: str) -> str:
        """A keyed hash of a number in E.164, the same for the same number; "": no key. Blocks."""
        ...

    async def reload(self) -> Mapping[str, Any]:
        """Read the configuration again; the document of `agi-bridge reload --json`."""
        ...

    def history(self) -> AbstractContextManager[HistoryReader]:
        """The call history. Blocks; raises HistoryError."""
        ...

    async def ledger(self) -> Ledger:
        """The ledger, through the console's own connection.

        Raises:
            LedgerUnavailable, KeyFault: it cannot be opened.
        """
        ...

    async def export(self, consent_id: str, name: str) -> Exported:
        """Export a record for a person; the ledger records that. Never raises."""
        ...

    def prompts(self, line: str) -> LinePrompts:
        """The prompts of a line. Blocks; raises BadScript."""
        ...

    def doctor_report(self) -> Mapping[str, Any] | None:
        """The last report of `agi-bridge doctor` with `at`; None: there is none. Blocks."""
        ...

    async def recording(self, line: str, language: str, name: str) -> Path | None:
        """The file that calls on a line play for a prompt; None: they play none."""
        ...
