"""The hook: one submission of a consented number, and the meaning of what comes back."""

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
from agi_bridge.hook.breaker import CIRCUIT_OPEN, Breaker, Hook
from agi_bridge.hook.client import NEVER_TEXTED, HookClient, Outcome, Submission
from agi_bridge.hook.errors import HookClosedError, HookConfigError, HookError
from agi_bridge.hook.instaply_api import API_URL, InstaplyApi, InstaplyApiError, Webhook
from agi_bridge.hook.poster import Posted, Poster
from agi_bridge.hook.preparation import Preparation
from agi_bridge.hook.request import (
    Agreement,
    InstaplyFormat,
    Method,
    RequestFormat,
    SubmissionRequest,
    WebhookFormat,
)
from agi_bridge.hook.transport import Gate

__all__ = [
    "API_URL",
    "CIRCUIT_OPEN",
    "MAX_BYTES",
    "NEVER_TEXTED",
    "Agreement",
    "Answer",
    "Breaker",
    "Dial",
    "Gate",
    "Hangup",
    "Hook",
    "HookClient",
    "HookClosedError",
    "HookConfigError",
    "HookError",
    "InstaplyApi",
    "InstaplyApiError",
    "InstaplyFormat",
    "Instructions",
    "Method",
    "Outcome",
    "Pause",
    "Posted",
    "Poster",
    "Preparation",
    "Refusal",
    "Reject",
    "RequestFormat",
    "Say",
    "Submission",
    "SubmissionRequest",
    "Unusable",
    "Verb",
    "Webhook",
    "WebhookFormat",
    "read_answer",
]
