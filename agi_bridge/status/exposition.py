"""The metrics as Prometheus reads them: the text format, version 0.0.4.

All label values are known beforehand, so the text before each value is made once. A scrape of a
bridge with twenty lines then takes about a millisecond of the event loop; prometheus_client's
`generate_latest` needs twenty for the same series, because it makes and escapes each label again
(measured). The tests read every scrape with its parser and with promtool.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agi_bridge import __version__
from agi_bridge.observe import Counter, Histogram
from agi_bridge.status.readiness import readiness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agi_bridge.observe import Metrics
    from agi_bridge.status.snapshot import Snapshot

PREFIX: Final = "agi_bridge_"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_SAMPLES: Final = 1500
"""Maximum number of samples in a scrape, for any configuration and any traffic."""

WAITING_KINDS: Final = ("consent", "returned", "revocation", "message")
"""The kinds of record that wait for a person."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """What a gauge says, and its labels with their values.

    Attributes:
        help: its meaning.
        labels: the values of each label; none if they are not known beforehand.
    """

    help: str
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)


GAUGES: Final[Mapping[str, Gauge]] = {
    "build_info": Gauge("The program and its Python; always 1.", {"version": (), "python": ()}),
    "waiting_person": Gauge("Records that wait for a person.", {"kind": WAITING_KINDS}),
    "ready": Gauge("1 for ready and degraded, 0 for not_ready."),
    "calls_active": Gauge("Calls at this moment."),
    "hook_circuit_open": Gauge("1 from an opening of the circuit until a submission succeeds."),
    "waiting_unsent": Gauge("Consents that wait to be sent again."),
    "push_pending": Gauge("Messages to other systems that wait."),
    "push_oldest_seconds": Gauge("How long the oldest message to other systems has waited."),
    "push_endpoints_gone": Gauge("Receivers that answered 410 while messages wait for them."),
    "ledger_free_bytes": Gauge("Free bytes where state_dir is."),
    "last_checkpoint_timestamp_seconds": Gauge(
        "When all events were last under a checkpoint that reached every destination."
    ),
    "config_stale": Gauge("1 if the configuration on disk is not in force."),
    "console_down": Gauge("1 while the console is enabled and cannot be opened."),
    "draining": Gauge("1 while the service stops."),
    "clock_synchronised": Gauge("1 if the kernel calls the clock synchronised."),
    "loop_lag_seconds": Gauge("Longest delay of the event loop in the last minute."),
}
"""Every gauge by its name."""

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exposition:
    """Writes the metrics of one process.

    Args:
        metrics: the counters and histograms.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._heads: dict[tuple[str, tuple[str, ...]], str] = {}
        self._buckets: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}

    def text(self, snapshot: Snapshot) -> str:
        """Return the scrape of this moment."""
        lines: list[str] = []
        for name, samples in _gauges(snapshot):
            lines += _title(name, GAUGES[name].help, "gauge")
            lines += (f"{_head(name, labels)}{_number(value)}" for labels, value in samples)
        for family in self._metrics.families:
            if isinstance(family, Counter):
                lines += _title(family.name, family.help, "counter")
                lines += self._counter(family)
            else:
                lines += _title(family.name, family.help, "histogram")
                lines += self._histogram(family)
        return "\n".join(lines) + "\n"

    def _counter(self, family: Counter) -> Iterator[str]:
        heads, name = self._heads, family.name
        for labels, value in family.values.items():
            head = heads.get((name, labels))
            if head is None:
                named = zip(family.label_names, labels, strict=True)
                head = heads[name, labels] = _head(name, dict(named))
            yield f"{head}{value}"

    def _histogram(self, family: Histogram) -> Iterator[str]:
        for labels, series in family.values.items():
            heads = self._buckets.get((family.name, labels))
            if heads is None:
                heads = self._buckets[family.name, labels] = _histogram_heads(family, labels)
            *buckets, sum_head, count_head = heads
            total = 0
            for head, count in zip(buckets, series.counts, strict=True):
                total += count
                yield f"{head}{total}"
            yield f"{sum_head}{_number(series.sum)}"
            yield f"{count_head}{total}"


def _histogram_heads(family: Histogram, labels: Sequence[str]) -> tuple[str, ...]:
    named = dict(zip(family.label_names, labels, strict=True))
    bounds = [*map(_number, family.bounds), "+Inf"]
    return (
        *(_head(f"{family.name}_bucket", {**named, "le": bound}) for bound in bounds),
        _head(f"{family.name}_sum", named),
        _head(f"{family.name}_count", named),
    )


def _head(name: str, labels: Mapping[str, str]) -> str:
    """Everything of a sample before its value."""
    pairs = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in labels.items())
    return f"{PREFIX}{name}{{{pairs}}} " if pairs else f"{PREFIX}{name} "


def _number(value: float) -> str:
    """All digits of a number: the six that `:g` writes leave a time wrong by up to 5,000 s."""
    return repr(float(value)).removesuffix(".0")


def _title(name: str, help_: str, kind: str) -> tuple[str, str]:
    return f"# HELP {PREFIX}{name} {help_}", f"# TYPE {PREFIX}{name} {kind}"


_Samples = list[tuple["Mapping[str, str]", float]]


def _gauges(snapshot: Snapshot) -> Iterator[tuple[str, _Samples]]:
    """Name and samples of each gauge; what is not known yet has none."""
    build = {"version": __version__, "python": platform.python_version()}
    yield "build_info", [(build, 1)]
    waiting = snapshot.waiting
    kinds = WAITING_KINDS if waiting is not None else ()
    yield "waiting_person", [({"kind": kind}, (waiting or {}).get(kind, 0)) for kind in kinds]
    single: Mapping[str, float | None] = {
        "ready": readiness(snapshot).is_ready,
        "calls_active": snapshot.calls,
        "hook_circuit_open": snapshot.hook_open,
        "waiting_unsent": snapshot.unsent,
        "push_pending": None if snapshot.push is None else snapshot.push.pending,
        "push_oldest_seconds": snapshot.oldest_push,
        "push_endpoints_gone": None if snapshot.push is None else snapshot.push.gone,
        "ledger_free_bytes": snapshot.free_bytes,
        # Before the first one the start counts: a destination that never worked is seen too.
        "last_checkpoint_timestamp_seconds": snapshot.last_checkpoint or snapshot.started_at,
        "config_stale": snapshot.stale is not None,
        "console_down": snapshot.console_problem is not None,
        "draining": snapshot.draining,
        "clock_synchronised": snapshot.clock_synchronised,
        "loop_lag_seconds": snapshot.loop_lag,
    }
    for name, value in single.items():
        yield name, [] if value is None else [({}, float(value))]
