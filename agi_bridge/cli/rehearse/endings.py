"""Every ending of a call: what the caller does, and what goes wrong meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from agi_bridge.agi.testing import KeySequence
from agi_bridge.hook.testing import Scenario
from agi_bridge.settings import HoursSettings
from agi_bridge.speech import menu_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Line
    from agi_bridge.speech import Library

Keys: TypeAlias = Mapping[str, "list[str | KeySequence]"]
"""Keys by the prompt at which the caller presses them, one entry for each time it is played."""

Kill: TypeAlias = Literal["", "dialogue", "submission"]
"""When the bridge is killed: never, during the disclosure, or while the hook is asked."""

YES: Final = KeySequence("1", after=1.2)
"""The answer to a question; in its first second no key is one."""
WRONG: Final = "0000000000"
"""No number in any region."""
HOLD: Final = frozenset(("please-hold", "please-wait"))
"""Prompts of a wait for the ledger or the hook."""
AFTER: Final = HOLD | {"accepted", "not-confirmed", "goodbye"}
"""Prompts after an agreement, one of which every caller hears."""
_QUARTER: Final = 15
"""Time zones differ by whole quarters of an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One ending.

    Attributes:
        code: its stable name.
        what: what happens, for people.
        keys: what the caller presses.
        scenario: what the hook does.
        hangs_up_at: prompts at which the caller hangs up.
        busy: the far end of the hook's number is busy.
        unreached: the line's default destination does not answer.
        statuses: how the legs `forward` and `default` end, before these two.
        first: keys of a call before this one, by the same caller; empty: there was none.
        shows_number: the caller shows the number that they key.
        revoked: the number was revoked before.
        ledger_gone: the database is deleted before the call.
        kill: when the bridge is killed.
        line: the line with what this ending needs.
    """

    code: str
    what: str
    keys: Keys
    line: Line
    scenario: Scenario = Scenario.DIAL
    hangs_up_at: frozenset[str] = frozenset()
    busy: bool = False
    unreached: bool = False
    statuses: Mapping[str, str] = field(default_factory=dict)
    first: Keys = field(default_factory=dict)
    shows_number: bool = False
    revoked: bool = False
    ledger_gone: bool = False
    kill: Kill = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls a line, speaks a language and has a mobile number.

    Attributes:
        line: the line.
        language: one of the line's.
        digits: how the number is keyed.
        library: what the line plays.
        webhook: the line's hook is a webhook.
    """

    line: Line
    language: str
    digits: str = field(repr=False)
    library: Library
    webhook: bool = False

    def keys(self, **at: str | KeySequence | list[str | KeySequence]) -> Keys:
        """Return what is pressed, by prompt with `_` for `-`; the language is chosen first."""
        pressed = {
            name.replace("_", "-"): given if isinstance(given, list) else [given]
            for name, given in at.items()
        }
        if "disclosure" in pressed:
            pressed[self.line.disclosure] = pressed.pop("disclosure")
        return {**self._language(), **pressed}

    def agrees(self) -> Keys:
        """Return the keys of a caller who agrees."""
        if self.line.consent.act == "number":
            return self.keys(enter_number=self.digits)
        return self.keys(enter_number=self.digits, confirm_number=YES)

    def _language(self) -> Keys:
        """Return the key of the language menu, pressed when its prompt is played."""
        languages = self.line.languages
        if len(languages) == 1:
            return {}
        key = menu_key(self.library.prompt("language-menu-item", self.language).text) or ""
        return {"language-menu-item": [*[""] * languages.index(self.language), key]}


_OF_INSTAPLY: Final = (
    (Scenario.NOT_LINKED, "agrees; the hook does not know the business"),
    (Scenario.INVALID_KEY, "agrees; the hook refuses the key"),
)
_OF_A_WEBHOOK: Final = (
    (Scenario.EMPTY, "agrees; the hook accepts and names nothing"),
    (Scenario.UNAUTHORISED, "agrees; the hook refuses the signature"),
)


def endings(caller: Caller) -> Iterator[Ending]:
    """Yield every ending that this line can have."""
    yield from _of_the_hook(caller)
    yield from _of_the_dialogue(caller)
    yield from _of_the_record(caller)
    yield from _of_the_bridge(caller)


def _of_the_hook(caller: Caller) -> Iterator[Ending]:
    agrees, line = caller.agrees(), plain(caller.line)
    of_its_kind = _OF_A_WEBHOOK if caller.webhook else _OF_INSTAPLY
    for scenario, what in (
        (Scenario.DIAL, "agrees; the hook names a number"),
        (Scenario.SAY, "agrees; the hook has a text, no number"),
        *of_its_kind,
        (Scenario.MISSING, "agrees; the hook misses a field"),
        (Scenario.ERROR, "agrees; the hook fails"),
        (Scenario.SLOW, "agrees; the hook does not answer in time"),
        (Scenario.RESET, "agrees; the hook breaks the connection"),
        (Scenario.GARBAGE, "agrees; the hook answers garbage"),
        (Scenario.REFUSE, "agrees; the hook cannot be reached"),
    ):
        code = f"hook_{scenario.value.replace('-', '_')}"
        yield Ending(code=code, what=what, keys=agrees, line=line, scenario=scenario)
    yield Ending(
        code="far_end_busy",
        what="agrees; the hook's number is busy",
        keys=agrees,
        line=line,
        busy=True,
    )


def _of_the_dialogue(caller: Caller) -> Iterator[Ending]:
    line, tries = plain(caller.line), caller.line.consent.entry_tries
    yield Ending(code="star", what="presses star", keys=caller.keys(disclosure="*"), line=line)
    yield Ending(
        code="star_unreached",
        what="presses star; the default destination does not answer",
        keys=caller.keys(disclosure="*"),
        line=line,
        unreached=True,
    )
    yield Ending(code="silence", what="presses nothing", keys=caller.keys(), line=line)
    yield Ending(
        code="wrong_numbers",
        what="keys no valid number",
        keys=caller.keys(enter_number=[WRONG] * tries),
        line=line,
    )
    if line.consent.act != "number":
        yield Ending(
            code="not_confirmed",
            what="keys a number, then nothing",
            keys=caller.keys(enter_number=caller.digits),
            line=line,
        )
    yield Ending(
        code="hung_up_before",
        what="hangs up during the disclosure",
        keys=caller.keys(),
        line=line,
        hangs_up_at=frozenset((line.disclosure,)),
    )
    yield Ending(
        code="hung_up_after",
        what="agrees and hangs up at once",
        keys=caller.agrees(),
        line=line,
        hangs_up_at=AFTER,
    )


def _of_the_record(caller: Caller) -> Iterator[Ending]:
    agrees, line = caller.agrees(), plain(caller.line)
    yield Ending(
        code="revoked",
        what="agrees with a revoked number",
        keys=agrees,
        line=line,
        revoked=True,
    )
    yield Ending(
        code="limit",
        what="agrees, over a limit",
        keys=agrees,
        line=plain(caller.line, number_per_day=1),
        first=agrees,
    )
    if caller.line.consent.quiet_hours == "strict":
        yield Ending(
            code="quiet_hours",
            what="keys a number in its quiet hours",
            keys=agrees,
            line=closed(line),
        )
    if caller.line.consent.returning == "skip":
        yield Ending(
            code="returning",
            what="calls again after an agreement",
            keys=caller.keys(),
            line=line,
            first=agrees,
            shows_number=True,
        )
    if key := caller.line.consent.opt_out_key:
        yield Ending(
            code="opted_out",
            what="presses the key for no more texts",
            keys=caller.keys(opt_out_offer=[key, YES], enter_number=caller.digits),
            line=line,
        )


def _of_the_bridge(caller: Caller) -> Iterator[Ending]:
    agrees, line = caller.agrees(), plain(caller.line)
    yield Ending(
        code="ledger_gone",
        what="agrees; the database is gone",
        keys=agrees,
        line=line,
        ledger_gone=True,
    )
    yield Ending(
        code="killed_in_dialogue",
        what="hears the disclosure; the bridge is killed",
        keys=caller.keys(),
        line=line,
        kill="dialogue",
    )
    yield Ending(
        code="killed_in_submission",
        what="agrees; the bridge is killed while the hook is asked",
        keys=agrees,
        line=line,
        scenario=Scenario.SLOW,
        kill="submission",
    )


def plain(line: Line, *, number_per_day: int = 0) -> Line:
    """Return a line whose endings depend neither on the time of day nor on each other."""
    limits = line.limits.model_copy(
        update={
            "number_per_day": number_per_day,
            "caller_id_per_day": 0,
            "unidentified_per_day": 0,
            "line_per_hour": 0,
        }
    )
    hours = HoursSettings(opens=time(0), closes=time(0))
    return line.model_copy(update={"limits": limits, "hours": hours})


def closed(line: Line) -> Line:
    """Return a line with a minute of sending hours that is now in no time zone."""
    minute = (datetime.now().astimezone().minute + _QUARTER // 2) % _QUARTER
    hours = HoursSettings(opens=time(12, minute), closes=time(12, minute + 1))
    return line.model_copy(update={"hours": hours})
