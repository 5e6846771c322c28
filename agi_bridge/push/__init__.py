"""Push: tells other systems of the business what happens to consents, by signed requests.

The ledger's outbox keeps the messages; this room sends them, at least once, in the order of each
person, and again for as long as it takes. It knows neither calls nor the configuration.
"""

from agi_bridge.push.pusher import Endpoint, Pusher

__all__ = ["Endpoint", "Pusher"]
