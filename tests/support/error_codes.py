"""Checks of an error by its stable code, for `pytest.raises(…, check=coded("no_ledger"))`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def coded(code: str, *names: str) -> Callable[[BaseException], bool]:
    """Whether an error has this code, and its text names these files, settings or values."""

    def check(error: BaseException) -> bool:
        return getattr(error, "code", None) == code and all(name in str(error) for name in names)

    return check
