"""Whose number an Instaply customer has: a CSV file that the business keeps.

Two columns with their names in the first row, `customer_id,number`; others do not matter. A
customer may have several rows. The file is read again when it has changed, so that an export can
replace it at any time (by renaming: a file half written is read half).
"""

from __future__ import annotations

import csv
import threading
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge import phone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ID: Final = "customer_id"
NUMBER: Final = "number"


class Customers:
    """The numbers of customers. Blocks while it reads; safe in several threads.

    Args:
        path: the file; None: nobody's number is known.
        region: how numbers without a country code are read (ISO 3166-1 alpha-2).
    """

    def __init__(self, path: Path | None, *, region: str) -> None:
        self._path = path
        self._region = region
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._numbers: Mapping[str, tuple[str, ...]] = {}

    def numbers(self, customer_id: str) -> tuple[str, ...]:
        """Return the numbers of a customer in E.164; none if the file does not tell.

        Never raises: what is wrong with the file is one line of the log each time it changes, and
        the rows that are right are used. Of a file that cannot be read the last content is.
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
            with path.open(encoding="utf-8-sig", newline="") as file:
                numbers, faults = _read(csv.DictReader(file), self._region)
        except OSError as error:
            seen = (error.errno or 0,)
            if seen != self._seen:
                _report(path, f"cannot be read ({error.strerror})")
        except (csv.Error, UnicodeDecodeError):
            _report(path, "is not a CSV file in UTF-8: save it as one")
        else:
            self._numbers = numbers
            if faults:
                more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
                _report(path, f"{faults[0]}{more}; these rows are not used")
        self._seen = seen


def _read(
    rows: csv.DictReader[str], region: str
) -> tuple[Mapping[str, tuple[str, ...]], list[str]]:
    """The numbers by customer, and what is wrong with other rows."""
    missing = [name for name in (ID, NUMBER) if name not in (rows.fieldnames or ())]
    if missing:
        return {}, [f"line 1: has no column {' and no column '.join(missing)}"]
    found: dict[str, tuple[str, ...]] = {}
    faults: list[str] = []
    for row in rows:
        customer, text = (row[ID] or "").strip(), (row[NUMBER] or "").strip()
        number = phone.named(text, region=region)
        if not customer:
            faults.append(f"line {rows.line_num}: {ID} is empty")
        elif number is None:
            faults.append(f"line {rows.line_num}: {NUMBER} is no telephone number")
        elif number not in found.get(customer, ()):
            found[customer] = (*found.get(customer, ()), number)
    return found, faults


def _report(path: Path, problem: str) -> None:
    structlog.get_logger().error(
        "web.customers: STOP by text of these customers waits for a person",
        file=str(path),
        problem=problem,
    )
