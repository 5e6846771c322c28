"""The console: what every call did and what waits for a person, in a browser.

Server-rendered pages over plain HTTP: forms that post and redirect, and one small script that shows
what is new. It runs in its own thread with its own event loop, and asks the service through
`Service`; nothing that it does is on a call's path.
"""

from agi_bridge.console.passwords import hash_password
from agi_bridge.console.server import MAX_CONNECTIONS, ConsoleServer
from agi_bridge.console.service import Exported, Live, Service

__all__ = [
    "MAX_CONNECTIONS",
    "ConsoleServer",
    "Exported",
    "Live",
    "Service",
    "hash_password",
]
