"""Where a verification of a chain got to, as it is noted for the next one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import pytest

from agi_bridge.evidence.verify import Resume

NOTED: Final = {
    "ledger_id": "0123456789abcdef0123456789abcdef",
    "seq": 20,
    "hash": "0" * 64,
    "latest": 1_795_795_440_896,
    "after": None,
    "explained": False,
}


@pytest.mark.parametrize("after", [None, 1_795_795_440_000])
def test_a_note_is_read_as_it_was_written(after: int | None) -> None:
    noted = Resume.parse({**NOTED, "after": after})
    assert noted is not None
    assert asdict(noted) == {**NOTED, "after": after}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ledger_id", 7), ("ledger_id", None), ("seq", "20"), ("seq", 0), ("seq", -1),
        ("seq", True), ("seq", 1.0), ("hash", "0" * 63), ("hash", "g" * 64), ("hash", 7),
        ("latest", 1.5), ("latest", None), ("after", "x"), ("after", False), ("explained", 0),
        ("explained", None), ("more", 1),
    ],
)  # fmt: skip
def test_a_note_with_a_value_of_another_kind_is_none(name: str, value: object) -> None:
    assert Resume.parse({**NOTED, name: value}) is None


@pytest.mark.parametrize("name", NOTED)
def test_a_note_that_lacks_a_value_is_none(name: str) -> None:
    assert Resume.parse({key: value for key, value in NOTED.items() if key != name}) is None
