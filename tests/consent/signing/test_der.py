from __future__ import annotations

import pytest

from agi_bridge.consent.signing.der import is_der, sorted_certificates, unwrapped, values

GOOD = [
    "", "0500", "020100", "020180", "02020080", "0101ff", "3000", "0400", "31060201010201 02",
    "048180" + "00" * 128, "a003020101", "8000",
]  # fmt: skip
BAD = {
    "cut short": ["02", "0201", "0481", "04820001"],
    "a length that could be shorter": ["04810100", "048200800" + "0" * 255],
    "an indefinite length": ["30800000", "24800000"],
    "an integer that could be shorter": ["0200", "02020000", "02020001", "0202ffff"],
    "truth in other words": ["010101", "010100", "0102ffff"],
    "a string in pieces": ["240304 0100", "2303030100"],
    "a set that is not sorted, or has a value twice": ["3106020102020101", "3106020101020101"],
    "nothing, where something is": ["3100", "0600", "1700", "1800"],
    "a sequence that is no structure": ["1000", "1100"],
    "a tag of several bytes": ["1f8100"],
    "what is wrong within": ["300401020101", "a0040202 0001"],
}


@pytest.mark.parametrize("encoded", GOOD)
def test_der_is_known(encoded: str) -> None:
    assert is_der(bytes.fromhex(encoded))


@pytest.mark.parametrize("encoded", [each for group in BAD.values() for each in group])
def test_what_is_not_der_is_found(encoded: str) -> None:
    assert not is_der(bytes.fromhex(encoded))


def test_what_is_nested_deep_is_not_der() -> None:
    encoded = b"\x05\x00"
    for _ in range(20_000):
        encoded = b"\x30\x80" + encoded
    assert not is_der(encoded)


def test_values_stand_one_after_the_other() -> None:
    assert values(bytes.fromhex("0201013000")) == [b"\2\1\1", b"\x30\0"]
    assert unwrapped(bytes.fromhex("048180" + "07" * 128)) == b"\7" * 128


def test_what_has_no_certificates_is_no_stamp() -> None:
    with pytest.raises(ValueError, match="unpack"):
        sorted_certificates(bytes.fromhex("3000"))
