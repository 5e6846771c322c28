"""The status of the service: what it does, whether it is well, and its metrics.

It looks at the ledger, the configuration and the metrics; it knows neither calls nor the web.
"""

from agi_bridge.status.state import ServiceState

__all__ = ["ServiceState"]
