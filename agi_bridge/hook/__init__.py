"""The Instaply hook: one submission of a consented number, and the meaning of what comes back."""

from agi_bridge.hook.answer import (
    MAX_BYTES,
    Answer,
    Dial,
    Hangup,
    Instructions,
    Pause,
    Refusal,
    Reject,
    Say,
    Unusable,
    Verb,
    read_answer,
)
from agi_bridge.hook.errors import HookClosedError, HookConfigError, HookError

__all__ = [
    "MAX_BYTES",
    "Answer",
    "Dial",
    "Hangup",
    "HookClosedError",
    "HookConfigError",
    "HookError",
    "Instructions",
    "Pause",
    "Refusal",
    "Reject",
    "Say",
    "Unusable",
    "Verb",
    "read_answer",
]
