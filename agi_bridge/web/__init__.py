"""The web: takes revocations, from the business's systems and Instaply, and serves recordings.

Plain HTTP for a reverse proxy to put TLS before. Knows the configuration and what a revocation is,
and nothing of calls.
"""

from agi_bridge.web.app import MESSAGES, REVOCATIONS, Revocations, build
from agi_bridge.web.media import AUDIO, Media
from agi_bridge.web.server import Web
from agi_bridge.web.stop_words import Intent, read_intent

__all__ = [
    "AUDIO",
    "MESSAGES",
    "REVOCATIONS",
    "Intent",
    "Media",
    "Revocations",
    "Web",
    "build",
    "read_intent",
]
