"""Reads single keys from the terminal as a telephone does: keys between reads are dropped."""

import asyncio
import os
import termios
import tty
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

KEYS: Final = frozenset("0123456789*#ABCD")
HANG_UP: Final = frozenset("qQ\x04")
"""`q`, and Ctrl-D, which is what a terminal gives for the end of input."""

_PRESSED: Final = 0.1
"""Seconds that a key is down; it counts when it is released, and the next one can follow then."""


class Keyboard:
    """A terminal as a keypad; a context manager, which leaves the terminal as it was.

    Args:
        fd: the terminal.
        on_hang_up: called for a key of `HANG_UP`, and when the terminal goes away.
    """

    def __init__(self, fd: int, on_hang_up: Callable[[], None]) -> None:
        self._fd = fd
        self._on_hang_up = on_hang_up
        self._before: list[Any] = []
        self._pressed: deque[tuple[str, float]] = deque()
        self._news = asyncio.Event()

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._fd)
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        # Characters come singly and unseen; Ctrl-C stays a signal, and output stays as it is.
        tty.setcbreak(self._fd, termios.TCSANOW)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        # What was typed and not read goes too, so that no digit lands in the shell.
        with suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._before)

    def _read(self) -> None:
        try:
            typed = os.read(self._fd, 1024).decode(errors="replace")
        except OSError:  # the terminal was closed
            typed = ""
        if not typed or not HANG_UP.isdisjoint(typed):
            asyncio.get_running_loop().remove_reader(self._fd)
            self._on_hang_up()
            return
        for character in typed.upper():
            if character in KEYS:
                self.press(character)

    def press(self, key: str) -> None:
        """Press a key: as soon as the one before it is released."""
        now = asyncio.get_running_loop().time()
        last = self._pressed[-1][1] if self._pressed else now
        self._pressed.append((key, max(now, last) + _PRESSED))
        self._news.set()

    async def next(self, seconds: float) -> str | None:
        """Return the next key that is released from now on, None if none is for so long."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while self._pressed and self._pressed[0][1] < begin:
            self._pressed.popleft()  # released while nobody listened
        try:
            async with asyncio.timeout_at(begin + seconds):
                while not self._pressed:
                    self._news.clear()
                    await self._news.wait()
                await asyncio.sleep(self._pressed[0][1] - loop.time())
        except TimeoutError:
            return None
        return self._pressed.popleft()[0]
