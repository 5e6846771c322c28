"""The customers of `web.customers` in memory: loaded again when the file changes.

An export can replace it at any time. Replace it by renaming: a half-written file is read as it is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from agi_bridge.settings import read_customers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Customers:
    """The numbers of customers. Blocks while it reads; safe in several threads.

    Args:
        path: the file; None if no customer's number is known.
        region: how numbers without a country code are read (ISO 3166-1 alpha-2).
    """

    def __init__(self, path: Path | None, *, region: str) -> None:
        self._path = path
        self._region = region
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._numbers: Mapping[str, tuple[str, ...]] = {}

    def numbers(self, customer_id: str) -> tuple[str, ...]:
        """Return the numbers of a customer in E.164; empty if the file has none.

        Never raises. An invalid file is logged once for each change, and its valid rows are used.
        If the file cannot be read, its last content stays in use.
        """
        if self._path is None:
            return ()
        with self._lock:
            self._refresh(self._path)
            return self._numbers.get(customer_id, ())

    def _refresh(self, path: Path) -> None:
        try:
            status = path.stat()
            seen: tuple[int, ...] = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            file = read_customers(path, region=self._region)
        except OSError as error:
            seen = (error.errno or 0,)
            if seen != self._seen:
                _report(path, f"cannot be read ({error.strerror})")
        except ValueError as error:
            _report(path, str(error))
        else:
            self._numbers = file.numbers
            if faults := file.faults:
                more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
                _report(path, f"{faults[0]}{more}; these rows are not used")
        self._seen = seen


def _report(path: Path, problem: str) -> None:
    structlog.get_logger().error(
        "web.customers_file_rejected",
        file=str(path),
        problem=problem,
    )
