"""Makes a recorded call into an ending that can be played: what its caller, hook and far ends did.

The history knows no digit, no text and no number. So a replay assumes:

* Keys mean now what they meant then. A caller who keyed a valid number keys an example number that
  is valid for the line now; one that was refused is refused again; an answer to the question is the
  same answer, in the same repetition of it; `*` comes as late in its recording as it did.
* A question that was not asked then gets no answer now.
* The hook gives the same kind of answer. The number that it names is an example that the line may
  dial, and the text that it has said is the documented one.
* Each leg that rang ends as it did. One that did not ring then is answered now.
* What the record said then (revoked, limit, returning caller, quiet hours) it says again, and the
  ledger that took nothing takes nothing. Otherwise the call has no limits and no hours.
* The caller hangs up in the same prompt, or in the same wait after it.

Calls whose ending neither the caller nor the configuration decided are not played: see `LEFT_OUT`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.agi.testing import KeySequence
from agi_bridge.cli.rehearse.endings import AFTER, WRONG, YES, Ending, closed, plain
from agi_bridge.history import moments
from agi_bridge.hook.testing import Scenario
from agi_bridge.speech import menu_key

if TYPE_CHECKING:
    from agi_bridge.cli.rehearse.endings import Caller
    from agi_bridge.history import Call

LEFT_OUT: Final = {
    "in_progress": "in progress",
    "cut_off": "the bridge was killed",
    "cancelled": "the bridge ended the call early",
    "drain_forced": "the bridge was stopped",
    "left_to_pbx": "the bridge was stopped during the dialled call",
    "fault": "the bridge met a fault",
    "no_line": "no line had the number called",
    "question_not_heard": "a recording was not the one that was read",
    "disclosure_not_heard": "a recording was not the one that was read",
    "not_opted_out": "the ledger did not store that texts are stopped",
    "answer": "the hook gave an answer that cannot be repeated",
    "line": "the configuration has no such line",
}
"""Why a call is not played, by code."""

_CHANGE: Final = KeySequence("2", after=1.2)
_HANG_UP: Final = "!"
_ENTER, _CONFIRM = "enter-number", "confirm-number"
_READ_BACK: Final = "you-entered"
_MEANT: Final = {"star": "*", "too_many": "5"}
_MENU, _OFFER, _RETURNING = "language-menu-item", "opt-out-offer", "returning"
_HANG_UPS: Final = AFTER | {"no-forwarding", "not-linked"}
"""Where a caller hangs up who did so after agreeing: the first of these that is played."""
_STATUSES: Final = frozenset(("ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL"))
_LIMITS: Final = frozenset(
    ("number_limit", "caller_limit", "unidentified_limit", "line_limit", "line_share")
)
_ACCEPTED: Final = {
    "dial": Scenario.DIAL,
    "no_forwarding": Scenario.SAY,
    "not_linked": Scenario.NOT_LINKED,
    "no_document": Scenario.EMPTY,
}
_REFUSED: Final = {403: Scenario.INVALID_KEY, 401: Scenario.UNAUTHORISED, 400: Scenario.MISSING}
_SERVER_ERROR: Final = 500


class NotReplayable(Exception):  # noqa: N818 - it says what the call is
    """A call that is not played; `code` is one of `LEFT_OUT`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def require_replayable(call: Call) -> None:
    """See that a call ended by what its caller and the configuration did.

    Raises:
        NotReplayable: it did not, or is in progress.
    """
    if call.why is None:
        raise NotReplayable("in_progress")
    for code in call.why.split("."):
        if code in LEFT_OUT:
            raise NotReplayable(code)


def ending_of(call: Call, caller: Caller) -> Ending:
    """Return what to play for a recorded call.

    Raises:
        NotReplayable: it cannot be played.
    """
    require_replayable(call)
    return _Script(call, caller).ending()


class _Script:
    """Walks along a timeline, and collects what is pressed at which playback of which prompt."""

    def __init__(self, call: Call, caller: Caller) -> None:
        self._call = call
        self._caller = caller
        self._pressed: dict[str, dict[int, str | KeySequence]] = defaultdict(dict)
        self._played: Counter[str] = Counter()
        self._last = ""  # the prompt that was played last
        self._heard = 0.0  # how many seconds of it
        self._keys = 0  # since then
        self._hung_up_at: frozenset[str] = frozenset()
        self._entries = 0
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._statuses: dict[str, str] = {}

    def ending(self) -> Ending:
        """Return what was collected."""
        for moment in moments(self._call.events):
            self._seen[moment.kind] = moment.details
            step = getattr(self, f"_{moment.kind}", None)
            if step is not None:
                step(*moment.details)
        seen, line = self._seen, plain(self._caller.line)
        withheld = str(seen.get("withheld", ("",))[0])
        returning = "returning" in seen
        limited = withheld in _LIMITS
        self._end_an_earlier_consent(returning=returning)
        if limited:
            line = plain(self._caller.line, number_per_day=1)
        elif (self._call.why or "").startswith("quiet_hours."):
            line = closed(line)
        return Ending(
            code=self._call.id,
            what=self._call.why or "",
            keys=self._by_playback(),
            line=line,
            scenario=self._scenario(),
            hangs_up_at=self._hung_up_at,
            statuses=self._statuses,
            first=self._caller.agrees() if returning or limited else {},
            shows_number=returning,
            revoked=withheld == "suppressed",
            ledger_gone="not_stored" in seen,
        )

    def _end_an_earlier_consent(self, *, returning: bool) -> None:
        """Press what a caller pressed who wanted no text, where no event of its own says so."""
        cause, key = (self._call.why or "").partition(".")[0], self._caller.line.consent.opt_out_key
        if returning and cause == "star":
            self._pressed[_RETURNING].setdefault(0, "*")
        elif key and cause in {"opted_out", "opt_out_without_number"}:
            self._pressed[_RETURNING if returning else _OFFER].setdefault(0, key)

    def _by_playback(self) -> dict[str, list[str | KeySequence]]:
        return {
            name: [at.get(number, "") for number in range(max(at) + 1)]
            for name, at in self._pressed.items()
        }

    def _press(self, prompt: str, key: str | KeySequence) -> None:
        """Press a key at the playback of a prompt that was the last one so far."""
        self._pressed[prompt][max(0, self._played[prompt] - 1)] = key

    def _scenario(self) -> Scenario:
        answer = self._seen.get("hook")
        if answer is None:
            return Scenario.DIAL
        outcome, status, reason, _ = answer
        found = _scenario_of(str(outcome), status, str(reason))
        if found is None:
            raise NotReplayable("answer")
        return found

    # -- one method for each kind of event that says something about the caller --------------------

    def _prompt(self, name: str, _language: str, heard: int, _length: int, how: str) -> None:
        self._played[name] += 1
        self._last, self._heard, self._keys = name, heard / 1000, 0
        if how == "hangup" and name in _HANG_UPS:
            self._hung_up_at = _HANG_UPS
        elif how == "hangup":
            self._press(name, KeySequence(_HANG_UP, after=max(0.0, heard / 1000 - 0.1)))

    def _key(self, count: int, _last: int) -> None:
        self._keys += count

    def _language(self, code: str) -> None:
        if self._last == _MENU and self._keys and code in self._caller.line.languages:
            recording = self._caller.library.prompt(_MENU, code)
            place = self._caller.line.languages.index(code)
            self._pressed[_MENU][place] = menu_key(recording.text) or ""

    def _number(self, code: str) -> None:
        key = {"valid": self._caller.digits, "no_input": "", "star": "*"}.get(code, WRONG)
        self._pressed[_ENTER][self._entries] = key
        self._entries += 1
        self._keys = 0

    def _confirm(self, code: str) -> None:
        match code:
            case "yes" if self._last == _CONFIRM:
                self._press(_CONFIRM, YES)
            case "change":
                self._press(_CONFIRM, _CHANGE)
            case "star" | "too_many" if self._last == _ENTER:  # keying it is enough
                keyed = str(self._pressed[_ENTER].get(self._entries - 1, ""))
                self._pressed[_ENTER][self._entries - 1] = keyed + _MEANT[code]
            case "star" | "too_many":
                self._press(_CONFIRM if self._last == _CONFIRM else _READ_BACK, _MEANT[code])
        self._keys = 0

    def _declined(self) -> None:
        if (self._call.why or "").startswith(
            "star."
        ) and self._last == self._caller.line.disclosure:
            self._press(self._last, KeySequence("*", after=max(0.0, self._heard - 0.1)))

    def _revoked(self, which: str) -> None:
        key = self._caller.line.consent.opt_out_key
        if not key:
            return
        if self._last in {_OFFER, _RETURNING} and which == "shown":
            self._pressed[self._last][0] = key
        if which == "keyed":
            self._pressed[_OFFER] = {0: key, 1: YES}
            self._pressed[_ENTER] = {0: self._caller.digits}

    def _dialled(self, leg: str, status: str) -> None:
        self._statuses[leg] = status if status in _STATUSES else "CHANUNAVAIL"

    def _hung_up(self) -> None:
        if self._statuses or "dial" in self._seen or self._hangs_up_in_prompt():
            return  # while it rang or talked, or in a prompt
        if "hook" in self._seen or "text" in self._seen:
            self._hung_up_at = _HANG_UPS
            return
        self._press(self._last, KeySequence("5" * self._keys + _HANG_UP, after=self._heard + 0.2))

    def _hangs_up_in_prompt(self) -> bool:
        given = self._pressed.get(self._last, {}).get(self._played[self._last] - 1)
        return (isinstance(given, KeySequence) and given.keys == _HANG_UP) or bool(self._hung_up_at)


def _scenario_of(outcome: str, status: int | None, reason: str) -> Scenario | None:
    """Return what the fake hook does for an outcome; None if it cannot give that answer."""
    match outcome:
        case "accepted":
            return _ACCEPTED.get(reason)
        case "refused":
            return Scenario.NOT_LINKED if reason == "not_linked" else _REFUSED.get(status or 0)
        case "not_sent":
            return Scenario.REFUSE
    if status is not None and status >= _SERVER_ERROR:
        return Scenario.ERROR
    if status is not None:
        return Scenario.GARBAGE
    return Scenario.SLOW if reason == "timeout" else Scenario.RESET
