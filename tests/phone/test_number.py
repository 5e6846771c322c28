"""Forms of a number, and its mask."""

import pytest

from agi_bridge.phone import LIBRARY_VERSION, NumberFormat, PhoneNumber, mask, mask_within


@pytest.mark.parametrize(
    ("e164", "number_format", "dialled"),
    [
        ("+14155550123", "e164", "+14155550123"),
        ("+14155550123", "digits", "14155550123"),
        ("+14155550123", "national", "4155550123"),
        ("+33612345678", "national", "0612345678"),
    ],
)
def test_a_number_is_dialled_in_the_form_that_the_trunk_wants(
    e164: str, number_format: NumberFormat, dialled: str
) -> None:
    assert PhoneNumber(e164, "US", "MOBILE").dialled(number_format) == dialled


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+14155550171", "+1***71"),
        ("+33612345678", "+33***78"),
        ("+353861234567", "+353***67"),
        ("+99912345678", "+999***78"),
        ("4155550171", "***71"),
        ("100", "***00"),
        ("10", "***"),
        ("", "***"),
        ("sip:x\r\n", "***px"),
    ],
)
def test_a_mask_shows_the_country_code_and_two_digits_at_most(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_no_repr_contains_a_number() -> None:
    number = PhoneNumber("+14155550123", "US", "MOBILE")
    assert repr(number) == "PhoneNumber(+1***23, region='US', type='MOBILE')"
    assert number.masked == "+1***23"


def test_the_version_of_the_numbering_plans_is_known() -> None:
    assert LIBRARY_VERSION.count(".") >= 1


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("PJSIP/+14155550111@trunk", "PJSIP/+1***11@trunk"),
        ("PJSIP/1-415-555-0111@trunk", "PJSIP/***11@trunk"),
        ("PJSIP/100 at 192.0.2.20:5060", "PJSIP/100 at 192.0.2.20:5060"),
        ("5550111 and 555-0112", "***11 and ***12"),
    ],
)
def test_every_number_in_a_text_is_masked(text: str, masked: str) -> None:
    assert mask_within(text) == masked
