"""The one log line that each call writes at its end: fields, steps and times."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class CallLogEntry:
    """Collects the facts of a call and writes them as one line at its end.

    `steps` is a list of `[name, milliseconds since the call started]`, in order. `dials` is a list
    of `[leg, DIALSTATUS]`. The caller masks values; values of None are omitted.
    """

    __slots__ = ("_clock", "_dials", "_fields", "_start", "_steps", "_written")

    def __init__(self, call: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._fields: dict[str, object] = {"call": call}
        self._steps: list[tuple[str, int]] = []
        self._dials: list[tuple[str, str]] = []
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
    def elapsed_ms(self) -> int:
        """Milliseconds since the call started."""
        return round((self._clock() - self._start) * 1000)

    def step(self, name: str) -> None:
        """Record that the call reached the step `name`."""
        self._steps.append((name, self.elapsed_ms))

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
