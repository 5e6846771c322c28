"""The call history of a configuration: reading it, erasing in it, and the calls in progress."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.app.ledger import service_is_running
from agi_bridge.history import CallFilter, HistoryError, NumberKey, erase_in, key_file, open_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agi_bridge.history import History, HistoryReader
    from agi_bridge.settings import Settings


MOST_SHOWN: Final = 20
"""Calls in progress in the answer to `status`, the oldest; `calls` has all."""

_TAG_DIGITS: Final = 16
"""Digits of a number's hash in the log: enough to tell the numbers of a business apart."""


@contextmanager
def reading_calls(settings: Settings) -> Iterator[HistoryReader]:
    """Open the history of a configuration, whether the service runs or not.

    Raises:
        HistoryError: `no_history` if there is none, or it cannot be read.
    """
    with open_history(settings.state_dir, running=service_is_running(settings)) as reader:
        yield reader


def calls_of(settings: Settings, number: str) -> int:
    """Return how many calls of a number are in the history. Blocks.

    Raises:
        HistoryError: it cannot be read.
    """
    try:
        with reading_calls(settings) as reader:
            return len(reader.find(CallFilter(number=number, limit=None)))
    except HistoryError as error:
        if error.code == "no_history":
            return 0
        raise


def number_tag(settings: Settings, number: str) -> str:
    """Return a keyed hash of a number for the log, the same for the same number. Blocks.

    It is made with the history's key; without one it is empty.
    """
    try:
        return NumberKey.load(key_file(settings.state_dir)).hash(number).hex()[:_TAG_DIGITS]
    except (HistoryError, OSError):
        return ""


def erase_calls(settings: Settings, number: str | None, consents: Iterable[str]) -> int:
    """Take persons out of the calls of a number and of consents; return how many calls. Blocks.

    Raises:
        HistoryError: the history could not be changed, or its key is missing.
        OSError: a file cannot be read or deleted.
    """
    keys = []
    if number is not None and key_file(settings.state_dir).exists():
        keys.append(NumberKey.load(key_file(settings.state_dir)).hash(number))
    return erase_in(settings.state_dir, keys, consents)


def in_progress(history: History) -> dict[str, Any]:
    """What the control socket's answer to `status` says of the calls in progress."""
    return {"in_progress": history.live()[:MOST_SHOWN]}


def answer_calls(history: History, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the control socket's request `calls`.

    All calls in progress, or with the argument `id` one of them with its timeline, or None.
    """
    if "id" in arguments:
        return {"call": history.live_timeline(str(arguments["id"]))}
    return {"calls": history.live()}
