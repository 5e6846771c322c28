"""The status of the service: state, health, problems, alerts and metrics.

It looks at the ledger, the configuration and the metrics; it knows neither calls nor the web. A
command, the HTTP listener, the dialplan and `[alerts] command` all show the same `Status`.
"""

from agi_bridge.status.agi_health import HealthScript
from agi_bridge.status.alerts import Alerts
from agi_bridge.status.exposition import GAUGES
from agi_bridge.status.forced_calls import ForcedCalls
from agi_bridge.status.problems import KINDS, PAGE
from agi_bridge.status.readiness import Level
from agi_bridge.status.server import MAX_CONNECTIONS, StatusServer
from agi_bridge.status.snapshot import Facts, Probes
from agi_bridge.status.state import ServiceState
from agi_bridge.status.status import Status, headline
from agi_bridge.status.watch import Watch

__all__ = [
    "GAUGES",
    "KINDS",
    "MAX_CONNECTIONS",
    "PAGE",
    "Alerts",
    "Facts",
    "ForcedCalls",
    "HealthScript",
    "Level",
    "Probes",
    "ServiceState",
    "Status",
    "StatusServer",
    "Watch",
    "headline",
]
