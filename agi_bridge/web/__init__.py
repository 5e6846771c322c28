"""The HTTP listener: revocations, messages, questions who may be texted, and recordings.

It speaks plain HTTP; a reverse proxy adds TLS. It uses the configuration and the consent package's
revocations, and asks Instaply whose a message is. It does not use calls.
"""

from agi_bridge.web.app import MESSAGES, REVOCATIONS, RevocationStore, build_app
from agi_bridge.web.lookups import StopLookups
from agi_bridge.web.media import AUDIO, RecordingEndpoint
from agi_bridge.web.queries import QUERIES, Hours, PermissionSource
from agi_bridge.web.server import MAX_CONNECTIONS, WebServer
from agi_bridge.web.stop_words import Intent, read_intent

__all__ = [
    "AUDIO",
    "MAX_CONNECTIONS",
    "MESSAGES",
    "QUERIES",
    "REVOCATIONS",
    "Hours",
    "Intent",
    "PermissionSource",
    "RecordingEndpoint",
    "RevocationStore",
    "StopLookups",
    "WebServer",
    "build_app",
    "read_intent",
]
