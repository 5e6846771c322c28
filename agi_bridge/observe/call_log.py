"""What is noted of a call: its log line, which it writes at its end, and its timeline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Detail: TypeAlias = "str | int | None"
"""A detail of an event of the timeline."""
Event: TypeAlias = "tuple[int, str, *tuple[Detail, ...]]"
"""An event of the timeline: milliseconds since the call started, what happened, its details."""


class CallLogEntry:
    """Collects the facts of a call and writes them as one line at its end.

    `steps` is a list of `[name, milliseconds since the call started]`, in order. `dials` is a list
    of `[leg, DIALSTATUS]`. The caller masks values; values of None are omitted.

    The timeline is finer than the steps and not in the log: `history` keeps it. What its events
    mean is in `history.timeline`. No event holds a digit that the caller keyed.
    """

    __slots__ = ("_clock", "_dials", "_fields", "_start", "_steps", "_timeline", "_written")

    def __init__(self, call: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._fields: dict[str, object] = {"call": call}
        self._steps: list[tuple[str, int]] = []
        self._dials: list[tuple[str, str]] = []
        self._timeline: list[Event] = []
        self._written = False

    @property
    def fields(self) -> Mapping[str, object]:
        """The fields noted so far."""
        return self._fields

    @property
    def steps(self) -> Sequence[tuple[str, int]]:
        """The steps reached, each with its milliseconds since the call started."""
        return self._steps

    @property
    def dials(self) -> Sequence[tuple[str, str]]:
        """The dialled legs, each with its DIALSTATUS."""
        return self._dials

    @property
    def timeline(self) -> Sequence[Event]:
        """The events recorded so far; one that lasts is recorded at its end, with its beginning."""
        return self._timeline

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the call started."""
        return round((self._clock() - self._start) * 1000)

    def step(self, name: str) -> None:
        """Record that the call reached the step `name`."""
        self._steps.append((name, self.elapsed_ms))

    def record(self, kind: str, *details: Detail, at: int | None = None) -> None:
        """Add an event to the timeline.

        Args:
            kind: what happened.
            details: its details, in the order that `history.timeline` gives.
            at: when it began, in milliseconds since the call started; None: now.
        """
        if at is None:
            at = round((self._clock() - self._start) * 1000)
        self._timeline.append((at, kind, *details))

    def digits_said(self, count: int, at: int) -> None:
        """Add single digits that were said; those that follow each other become one event.

        The times of single digits would tell them apart, as their recordings differ in length.
        """
        if self._timeline and self._timeline[-1][1] == "digits":
            at, _, *before = self._timeline.pop()
            count += sum(int(each or 0) for each in before)
        self._timeline.append((at, "digits", count))

    def dialled(self, leg: str, status: str) -> None:
        """Record that a dialled leg ended with this DIALSTATUS."""
        self._dials.append((leg, status))

    def note(self, **fields: object) -> None:
        """Set fields of the line; a later value replaces an earlier one."""
        self._fields.update(fields)

    def write(self) -> None:
        """Write the line once; further calls do nothing."""
        if self._written:
            return
        self._written = True
        fields = {key: value for key, value in self._fields.items() if value is not None}
        if self._dials:
            fields["dials"] = self._dials
        structlog.get_logger().info("call", **fields, steps=self._steps, ms=self.elapsed_ms)
