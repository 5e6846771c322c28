"""Every channel variable that the bridge sets or reads, with what it means to the dialplan."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

RESULT: Final = "AGI_BRIDGE_RESULT"
"""One of `Result`; the last thing set on every path. Not set: the bridge crashed, refused, or let
go of the call because it was stopped."""

ACTION: Final = "AGI_BRIDGE_ACTION"
"""Where the caller goes: one of `Action`."""

CONSENT: Final = "AGI_BRIDGE_CONSENT"
"""The id of this call's consent in the ledger, if the caller agreed."""

LANGUAGE: Final = "AGI_BRIDGE_LANGUAGE"
"""The caller's language as a two-letter code."""

NUMBER: Final = "AGI_BRIDGE_NUMBER"
"""With the result `dial`: the number in E.164, checked; several are joined by `&`."""

DESTINATION: Final = "AGI_BRIDGE_DESTINATION"
"""With the result `dial`: the argument of `Dial()`, from the line's template."""

RING: Final = "AGI_BRIDGE_RING"
"""Seconds to ring, for the destination and for the default destination."""

LIMIT: Final = "AGI_BRIDGE_LIMIT"
"""Seconds that a dialled call may last after it is answered."""

CALLER_ID: Final = "AGI_BRIDGE_CALLERID"
"""With the result `dial`: the caller ID to show, if the hook chose one and the line allows it."""

DEFAULT: Final = "AGI_BRIDGE_DEFAULT"
"""The default destination, if it is of kind `dial`: the argument of `Dial()`. Set first."""

CONTEXT: Final = "AGI_BRIDGE_CONTEXT"
"""The default destination, if it is of kind `dialplan`: its context (set first) ..."""

EXTENSION: Final = "AGI_BRIDGE_EXTENSION"
"""... its extension ..."""

PRIORITY: Final = "AGI_BRIDGE_PRIORITY"
"""... and its priority."""

CDR: Final = "CDR({})"
"""Asterisk's own: a variable of the call detail record, by its name (`agi.cdr_field`)."""

CHANNEL_LANGUAGE: Final = "CHANNEL(language)"
"""Asterisk's own: the language of the recordings that SAY DIGITS plays; set if it is another."""

CALLER_ID_NUMBER: Final = "CALLERID(num)"
"""Asterisk's own: the caller ID that a dialled call shows."""

DIALSTATUS: Final = "DIALSTATUS"
"""Set by Dial(): ANSWER, BUSY, NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL, and some more."""


class Result(StrEnum):
    """Values of `AGI_BRIDGE_RESULT`."""

    DONE = "done"
    """The bridge has finished the call; hang up."""
    DEFAULT = "default"
    """The dialplan connects the line's default destination, or its own fallback."""
    DIAL = "dial"
    """The dialplan dials `AGI_BRIDGE_DESTINATION`."""
    FALLBACK = "fallback"
    """The line's default destination was not reached either: the dialplan's fallback."""
    HANGUP = "hangup"
    """The caller has hung up."""


class Action(StrEnum):
    """Values of `AGI_BRIDGE_ACTION`."""

    DIAL = "dial"
    """A number from the hook's answer."""
    DEFAULT = "default"
    """The line's default destination."""
    HANGUP = "hangup"
    """The end of the call."""
