"""The errors of the history."""

from __future__ import annotations


class HistoryError(Exception):
    """The history cannot be read or changed.

    Attributes:
        code: `no_key`, `bad_key`, `newer`, `damaged`, `unavailable`, `no_call` or `several_calls`.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
