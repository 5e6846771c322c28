"""Counters and histograms whose label values come from closed lists.

Nothing that a stranger sends can make a new time series: a value that is not in a label's list
counts as `other`. All series of a list exist from the start, at 0, so that `increase()` sees the
first event too. Adding costs a look-up in a dictionary. Belongs to the event loop's thread.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OTHER: Final = "other"
"""The label value of everything that is in no list."""

Labels = tuple[str, ...]
"""The values of a series' labels, in the order of their names."""


class _Family:
    """A metric: its name, its help text, its labels, each with a closed list of values."""

    __slots__ = ("_closed", "help", "label_names", "name")

    def __init__(self, name: str, help_: str, labels: Mapping[str, Sequence[str]]) -> None:
        self.name = name
        self.help = help_
        self.label_names = tuple(labels)
        self._closed = [list(values) for values in labels.values()]

    def _series(self) -> Iterator[Labels]:
        return product(*self._closed)

    def _closed_labels(self, labels: Labels) -> Labels:
        return tuple(
            value if value in closed else OTHER
            for value, closed in zip(labels, self._closed, strict=True)
        )

    def _admit(self, label: str, value: str) -> bool:
        """Add a value to a label's list; tell whether it is new."""
        if label not in self.label_names:
            return False
        closed = self._closed[self.label_names.index(label)]
        if value in closed:
            return False
        closed.append(value)
        return True


class Counter(_Family):
    """A number of events since the start, for each combination of label values."""

    __slots__ = ("values",)

    def __init__(self, name: str, help_: str, **labels: Sequence[str]) -> None:
        super().__init__(name, help_, labels)
        self.values: dict[Labels, int] = dict.fromkeys(self._series(), 0)

    def add(self, *labels: str, by: int = 1) -> None:
        """Count events."""
        if labels not in self.values:
            labels = self._closed_labels(labels)
            self.values.setdefault(labels, 0)
        self.values[labels] += by

    def total(self, **wanted: str) -> int:
        """Return the sum over all series with these label values."""
        places = {self.label_names.index(name): value for name, value in wanted.items()}
        return sum(
            count
            for labels, count in self.values.items()
            if all(labels[place] == value for place, value in places.items())
        )

    def admit(self, label: str, value: str) -> None:
        """Add a value to a label's list."""
        if self._admit(label, value):
            for labels in self._series():
                self.values.setdefault(labels, 0)


class Distribution:
    """The observations of one series: how many in each bucket, and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0


class Histogram(_Family):
    """How long something took, in seconds, for each combination of label values.

    Args:
        name: the metric's name.
        help_: its help text.
        bounds: the buckets' upper bounds, inclusive, ascending; one without a bound follows.
        labels: each with its closed list.
    """

    __slots__ = ("bounds", "values")

    def __init__(
        self, name: str, help_: str, bounds: Sequence[float], **labels: Sequence[str]
    ) -> None:
        super().__init__(name, help_, labels)
        self.bounds = tuple(bounds)
        self.values = {each: Distribution(len(self.bounds) + 1) for each in self._series()}

    def observe(self, seconds: float, *labels: str) -> None:
        """Count one observation."""
        series = self.values.get(labels)
        if series is None:
            labels = self._closed_labels(labels)
            series = self.values.setdefault(labels, Distribution(len(self.bounds) + 1))
        series.counts[bisect_left(self.bounds, seconds)] += 1
        series.sum += seconds
