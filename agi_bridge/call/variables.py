"""Every channel variable that the bridge sets or reads, with what it means to the dialplan."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

RESULT: Final = "AGI_BRIDGE_RESULT"
"""One of `Result`; the last thing set on every path. Not set: the bridge crashed or refused."""

ACTION: Final = "AGI_BRIDGE_ACTION"
"""What was decided for the caller: one of `Action`."""

CONSENT: Final = "AGI_BRIDGE_CONSENT"
"""The id under which the ledger knows this call's consent, if the caller agreed."""

LANGUAGE: Final = "AGI_BRIDGE_LANGUAGE"
"""The caller's language as a two-letter code."""

NUMBER: Final = "AGI_BRIDGE_NUMBER"
"""With the result `dial`: the number in E.164, checked; several are joined by `&`."""

DESTINATION: Final = "AGI_BRIDGE_DESTINATION"
"""With the result `dial`: what `Dial()` takes, the line's template filled in."""

RING: Final = "AGI_BRIDGE_RING"
"""Seconds to ring, for the destination and for the default one."""

LIMIT: Final = "AGI_BRIDGE_LIMIT"
"""Seconds a dialled call may last once answered."""

CALLER_ID: Final = "AGI_BRIDGE_CALLERID"
"""With the result `dial`: the caller ID to show, if the hook chose one and the line allows it."""

DEFAULT: Final = "AGI_BRIDGE_DEFAULT"
"""The line's default destination if it is of kind `dial`: what `Dial()` takes. Set first of all."""

CONTEXT: Final = "AGI_BRIDGE_CONTEXT"
"""The line's default destination if it is of kind `dialplan`: its context (set first of all) ..."""

EXTENSION: Final = "AGI_BRIDGE_EXTENSION"
"""... its extension ..."""

PRIORITY: Final = "AGI_BRIDGE_PRIORITY"
"""... and its priority."""

CHANNEL_LANGUAGE: Final = "CHANNEL(language)"
"""Asterisk's own: which recordings SAY DIGITS takes."""

CALLER_ID_NUMBER: Final = "CALLERID(num)"
"""Asterisk's own: the caller ID that a dialled call shows."""

DIALSTATUS: Final = "DIALSTATUS"
"""Set by Dial(): ANSWER, BUSY, NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL, and some more."""


class Result(StrEnum):
    """Values of `AGI_BRIDGE_RESULT`."""

    DONE = "done"
    """The bridge has seen the call through; hang up."""
    DEFAULT = "default"
    """The dialplan takes the caller to the line's default destination, or to its own fallback."""
    DIAL = "dial"
    """The dialplan dials `AGI_BRIDGE_DESTINATION`."""
    FALLBACK = "fallback"
    """The line's default destination could not be reached either: the dialplan's last resort."""
    HANGUP = "hangup"
    """The caller has gone."""


class Action(StrEnum):
    """Values of `AGI_BRIDGE_ACTION`."""

    DIAL = "dial"
    """A number from the hook's answer."""
    DEFAULT = "default"
    """The line's default destination."""
    HANGUP = "hangup"
    """The end of the call."""
