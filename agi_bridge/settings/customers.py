"""Reads `web.customers`: a CSV file with the phone number of each Instaply customer.

The first row names the columns; `customer_id` and `number` are required, others are ignored. Any
usual encoding; commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import itertools
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.plain_text import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ID: Final = "customer_id"
NUMBER: Final = "number"

_MOST_FAULTS: Final = 1000
_DELIMITERS: Final = ",;\t|"
_SEPARATOR: Final = re.compile(r'"?sep=.?"?', re.IGNORECASE)
_AS_TEXT: Final = re.compile(r'="(.*)"')


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """The content of a file of customers.

    Attributes:
        numbers: of each customer, in E.164, in the order of the file.
        faults: rows that cannot be used, with their lines; never a number.
    """

    numbers: Mapping[str, tuple[str, ...]]
    faults: tuple[str, ...]


def read_customers(path: Path, *, region: str) -> CustomerFile:
    """Read a file of customers. Blocks.

    Args:
        path: the file.
        region: how numbers without a country code are read (ISO 3166-1 alpha-2).

    Raises:
        OSError: it cannot be read.
        ValueError: it is not such a file; the message says why, without its content.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # reading from a FIFO would never end
        raise ValueError("is not a file")
    lines = decode(path.read_bytes(), "legacy").splitlines(keepends=True)
    # Excel names the separator in an extra first line.
    skipped = 1 if lines and _SEPARATOR.fullmatch(lines[0].strip()) else 0
    names, delimiter = _header(lines[skipped] if len(lines) > skipped else "")
    found: dict[str, tuple[str, ...]] = {}
    faults: list[str] = []
    for line, row in _rows(lines[skipped + 1 :], delimiter, skipped + 2, faults):
        customer, text = (_cell(row, names.index(name)) for name in (ID, NUMBER))
        number = phone.parse(text, region=region)
        if not customer:
            faults.append(f"line {line}: {ID} is empty")
        elif number is None:
            faults.append(f"line {line}: {NUMBER} is not a telephone number")
        elif number not in found.get(customer, ()):
            found[customer] = (*found.get(customer, ()), number)
    return CustomerFile(found, tuple(faults))


def _header(line: str) -> tuple[Sequence[str], str]:
    """The names of the columns, and the separator."""
    for delimiter in _DELIMITERS:
        names = [
            cell.strip().casefold() for cell in next(csv.reader([line], delimiter=delimiter), [])
        ]
        if ID in names and NUMBER in names:
            for name in (ID, NUMBER):
                if names.count(name) > 1:
                    raise ValueError(f"line 1: names the column {name} twice")
            return names, delimiter
    missing = [name for name in (ID, NUMBER) if name not in line.casefold()] or [ID, NUMBER]
    raise ValueError(f"line 1: has no column {' and no column '.join(missing)}")


def _rows(
    lines: Sequence[str], delimiter: str, first: int, faults: list[str]
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the number of their first line. A damaged row is a fault.

    An unclosed quotation mark would include all following lines. So of a row that fails, only the
    first line is skipped, and reading continues with the next.
    """
    place = 0
    while place < len(lines):
        reader = csv.reader(itertools.islice(lines, place, None), delimiter=delimiter, strict=True)
        begun = place
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield first + begun, row
                begun = place + reader.line_num
        except csv.Error:
            faults.append(
                f"line {first + begun}: is damaged (a quotation mark that is not closed?)"
            )
            place = begun + 1
        else:
            return
        if len(faults) > _MOST_FAULTS:
            raise ValueError(f"is damaged in more than {_MOST_FAULTS} rows: export it again")


def _cell(row: Sequence[str], column: int) -> str:
    """A cell, without the characters that spreadsheets add to keep a number as text."""
    text = row[column].strip() if column < len(row) else ""
    if found := _AS_TEXT.fullmatch(text):
        text = found[1].strip()
    return text.removeprefix("'")
