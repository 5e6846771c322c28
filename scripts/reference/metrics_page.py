"""The page of the metrics, from the families and gauges that a scrape writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agi_bridge.observe import Counter, Metrics
from agi_bridge.status import GAUGES
from scripts.reference.markdown import prose, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agi_bridge.observe import Histogram

_HEAD: Final = """# Metrics

What `/metrics` of [`[status]`](settings.md#status) answers. All names begin with `agi_bridge_`. No
label names a caller or a call, and every label has a fixed list of values, so nobody can fill your
Prometheus with series. The first 20 lines of the configuration are told apart; the others count
together as `other`. A scrape has at most 1,500 samples.
"""
_CONFIGURED: Final = {
    "line": "the lines' names, `other`",
    "engine": "the kinds of the engines, `other`",
    "version": "of agi-bridge",
    "python": "its version",
}
"""Labels with values that are not the same everywhere."""


def metrics_page() -> str:
    """The page."""
    return "\n".join([_HEAD, table(("metric", "kind", "meaning", "labels"), sorted(_rows()))])


def _rows() -> Iterator[tuple[str, ...]]:
    for family in Metrics().families:
        kind = "counter" if isinstance(family, Counter) else "histogram"
        yield _row(family.name, kind, family.help, _labels(family))
    for name, gauge in GAUGES.items():
        yield _row(name, "gauge", gauge.help, gauge.labels)


def _labels(family: Counter | Histogram) -> Mapping[str, Sequence[str]]:
    columns = zip(*family.values, strict=True)
    return {
        name: tuple(dict.fromkeys(values))
        for name, values in zip(family.label_names, columns, strict=bool(family.label_names))
    }


def _row(name: str, kind: str, help_: str, labels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    listed = (
        f"`{label}`: {_CONFIGURED.get(label) or ', '.join(f'`{each}`' for each in values)}"
        for label, values in labels.items()
    )
    return f"`{name}`", kind, prose(help_).replace("\n", " "), "; ".join(listed)
