"""Why a call ended as it did: two stable codes and one sentence, from what the call noted. Pure.

A code is `CAUSE.ENDING`: what became of the question for consent, and where the caller went.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Side = Literal["", "caller", "far_end", "bridge"]
"""Who ended the call, as far as the bridge knows; empty: the PBX went on with it."""

CUT_OFF: Final = "cut_off"
"""The ending of a call that was in progress when its bridge was killed."""

CAUSES: Final = {
    "accepted": "The caller agreed, and the text is on its way",
    "refused": "The caller agreed, but the hook refused the consent",
    "unknown": "The caller agreed; whether the text was sent is not known",
    "not_sent": "The caller agreed, but the hook could not be asked",
    "not_stored": "The caller agreed, but the ledger did not store it, so nothing was sent",
    "star": "The caller pressed * and gets no text",
    "no_input": "The caller keyed no number",
    "invalid_number": "The caller keyed no number that can be texted",
    "not_confirmed": "The caller did not confirm the number",
    "disclosure_not_heard": "The disclosure was not played to its end",
    "question_not_heard": "The question was not played to its end",
    "quiet_hours": "The number may not be texted at this hour",
    "opted_out": "The caller asked for no more texts, and gets none",
    "opt_out_without_number": "The caller asked for no more texts, but named no number",
    "not_opted_out": "The caller asked for no more texts, which could not be stored",
    "suppressed": "The number was revoked before, and is not texted",
    "number_limit": "The number was texted as often as the line allows",
    "caller_limit": "The caller ID has agreed as often as the line allows",
    "unidentified_limit": "Callers without a caller ID have agreed as often as the line allows",
    "line_limit": "The line has taken as many agreements as it may in an hour",
    "line_share": "This kind of caller has used its share of the line's agreements",
    "no_line": "No line has the number that was called",
    "fault": "The bridge met a fault before the caller had agreed",
    "unasked": "The caller was not asked to the end",
}
"""What became of the question for consent, by code."""

ENDINGS: Final = {
    "forward": "connected to the number of the hook",
    "default": "connected to the default destination",
    "fallback": "the default destination was not reached, and the dialplan's fallback took over",
    "dialplan_dial": "the dialplan dials the number of the hook",
    "dialplan_default": "the dialplan connects the default destination",
    "announced": "the call ended with an announcement",
    "hook_ended": "the hook's answer ended the call",
    "hung_up": "the caller hung up",
    "hung_up_ringing": "the caller hung up while it rang",
    "left_to_pbx": "the bridge was stopped, and the PBX went on with the dialled call",
    "drain_forced": "the bridge was stopped, and the dialplan connects the default destination",
    "fault": "after a fault, the dialplan connects the default destination",
    "refused": "the bridge refused the call, and the dialplan goes on",
    "cancelled": "the bridge ended the call early: it was stopped, or the call took too long",
    CUT_OFF: "the bridge was killed during the call, and the dialplan went on",
}
"""Where a call went, by code."""

RESULTS: Final = frozenset({"done", "default", "dial", "fallback", "hangup", "left_to_pbx"})
"""Values of AGI_BRIDGE_RESULT, and of a call that a stop left to the PBX."""

_SIDES: Final = {"caller": "the caller hung up", "far_end": "the far end hung up"}
_CONNECTED: Final = frozenset({"forward", "default"})
_ENDED: Final = {
    "no_line": "refused",
    "drain_forced": "drain_forced",
    "left_to_pbx": "left_to_pbx",
    "default_not_reached": "fallback",
    "fault": "fault",
    "default": "announced",
    "hangup": "hook_ended",
    "reject": "hook_ended",
    "said": "hook_ended",
}
"""The ending for a value of the log's field `ended`; others depend on more."""


def explain(fields: Mapping[str, object], dials: Sequence[tuple[str, str]]) -> tuple[str, Side]:
    """Return the code of a call that has ended, and who ended it.

    Args:
        fields: of its log line.
        dials: its dialled legs, each with its DIALSTATUS.
    """
    ending = _ending(fields, dials)
    side: Side = ""
    if fields.get("result") == "hangup":
        side = "caller"
    elif fields.get("ended") == "far_end":
        side = "far_end"
    elif ending in {"announced", "hook_ended"}:
        side = "bridge"
    return f"{_cause(fields)}.{ending}", side


def sentence(why: str | None, side: str) -> str:
    """Say it in one sentence; None is a call that has not ended."""
    if why is None:
        return "The call is in progress."
    cause, _, ending = why.partition(".")
    text = f"{CAUSES.get(cause, cause)}; {ENDINGS.get(ending, ending)}"
    if ending in _CONNECTED and side in _SIDES:
        text += f", until {_SIDES[side]}"
    return f"{text}."


def short(why: str | None) -> str:
    """Say it in a few words, for a table."""
    return "in progress" if why is None else why.replace(".", ", ").replace("_", " ")


def words() -> frozenset[str]:
    """Every cause and ending, by which calls can be found."""
    return frozenset({*CAUSES, *ENDINGS})


def _cause(fields: Mapping[str, object]) -> str:
    if fields.get("ended") == "no_line":
        return "no_line"
    hook = fields.get("hook")
    if hook is not None:
        return "not_stored" if hook == "not_called" else str(hook)
    declined = fields.get("declined")
    if declined is not None:
        return str(declined)
    return "fault" if "fault" in {fields.get("default"), fields.get("ended")} else "unasked"


def _ending(fields: Mapping[str, object], dials: Sequence[tuple[str, str]]) -> str:
    ended, result = fields.get("ended"), fields.get("result")
    leg, status = dials[-1] if dials else ("", "")
    if result == "hangup":
        if status == "ANSWER":
            return leg
        return "hung_up_ringing" if status == "CANCEL" else "hung_up"
    if ended == "far_end":
        return leg
    if ended == "dialplan":
        return "dialplan_dial" if result == "dial" else "dialplan_default"
    return _ENDED.get(str(ended), "cancelled")
