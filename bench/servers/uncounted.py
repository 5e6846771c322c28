"""`agi-bridge` that counts nothing: what counting costs is measured against it.

    python -m bench.servers.uncounted serve --config FILE

Counters, histograms and the fold of a call do nothing; everything else is as shipped.
"""

from __future__ import annotations

import sys
from typing import Any

from agi_bridge.cli.main import main
from agi_bridge.observe.metrics import Metrics
from agi_bridge.observe.series import Counter, Histogram


def _nothing(*_: Any, **__: Any) -> None:  # noqa: ANN401 - it stands in for any method
    """Count nothing."""


if __name__ == "__main__":
    for owner, names in (
        (Counter, ("add",)),
        (Histogram, ("observe",)),
        (Metrics, ("call_ended", "hook_answered", "appended")),
    ):
        for name in names:
            setattr(owner, name, _nothing)
    sys.argv[0] = "agi-bridge"
    main()
