"""What the trunk says of the caller, and what people and files say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.phone import (
    UNKNOWN_CALLER,
    PhoneNumber,
    caller_id,
    caller_key,
    canonical,
    parse,
    same_number,
)


@pytest.mark.parametrize(
    "text", ["+14155550123", "14155550123", "4155550123", "(415) 555-0123", " +1 415 555-0123 "]
)
def test_a_caller_id_is_read_in_every_form_trunks_send(text: str) -> None:
    assert caller_id(text, region="US") == PhoneNumber("+14155550123", "US", "FIXED_LINE_OR_MOBILE")


def test_a_foreign_caller_id_without_its_plus_is_read() -> None:
    number = caller_id("33612345678", region="US")
    assert number is not None
    assert number.e164 == "+33612345678"


@pytest.mark.parametrize(
    "text",
    [None, "", "unknown", "anonymous", "100", "5550123", "+1", "0" * 32, "٤١٥"],
)
def test_a_hidden_or_invalid_caller_id_gives_none(text: str | None) -> None:
    assert caller_id(text, region="US") is None


@given(st.text(max_size=40))
def test_a_caller_id_never_raises(text: str) -> None:
    number = caller_id(text, region="US")
    assert number is None or number.e164.startswith("+")


@pytest.mark.parametrize(
    "text",
    [
        "+14155550100",
        "14155550100",
        "4155550100",
        "0014155550100",
        "01114155550100",
        "+0014155550100",
        "+1 (415) 555-0100",
        "(+1) 415 555 0100",
        "415.555.0100",
        "415\u00b7555\u00b70100",
        "\u202d+1\u00a0415\u2011555\u20110100\u202c",
        "\uff0b\uff11\uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff11\uff10\uff10",
        "\u0664\u0661\u0665\u0665\u0665\u0665\u0660\u0661\u0660\u0660",
        '"x" <4155550100>',
        '"x <y>" <sip:+14155550100@203.0.113.7:5060;user=phone>',
        "'4155550100'",
        "<+14155550100>",
        "sip:+14155550100@example.com",
        "SIP:4155550100@example.com",
        "sips:%2B14155550100@example.com",
        "tel:+1-415-555-0100;phone-context=example.com",
        "4155550100@example.com",
        " 4155550100\r\n",
    ],
)
def test_a_caller_has_one_key_however_the_number_is_spelt(text: str) -> None:
    assert caller_key(text, region="US") == "+14155550100"


@pytest.mark.parametrize(
    ("text", "region", "key"),
    [
        ("0612345678", "FR", "+33612345678"),
        ("0033612345678", "FR", "+33612345678"),
        ("33612345678", "FR", "+33612345678"),
        ("0033612345678", "US", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "US", "+33612345678"),
        ("010 1 415 555 0100", "JP", "+14155550100"),
        ("8 10 1 415 555 0100", "RU", "+14155550100"),
        ("0412345678", "AX", "+358412345678"),
    ],
)
def test_a_region_has_its_own_spellings(text: str, region: str, key: str) -> None:
    assert caller_key(text, region=region) == key


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "unknown",
        "Anonymous",
        "anonymous@anonymous.invalid",
        '"Restricted" <>',
        "sip:anonymous@anonymous.invalid",
        "100",
        "101",
        '"x" <100>',
        "5550100",
        "sip:alice@example.com",
        "mallory-1",
        "+19115550100",
        "+999123456789",
        "4155550100x5",
        "4155550100,4155550101",
        "0" * 32,
        " " * 12_000 + "x" + " " * 12_000,
        "9" * 100_000,
        "\u200b" * 100_000,
    ],
)
def test_callers_who_show_no_number_share_one_key(text: str | None) -> None:
    assert caller_key(text, region="US") == UNKNOWN_CALLER


@given(st.text(max_size=40), st.sampled_from(["US", "FR", "MX", "JP"]))
def test_a_key_is_e164_or_that_of_all_the_others(text: str, region: str) -> None:
    key = caller_key(text, region=region)
    number = caller_id(text, region=region)
    assert key == (UNKNOWN_CALLER if number is None else number.e164)
    assert key == UNKNOWN_CALLER or (key[0] == "+" and 8 <= len(key) <= 16)


# What people and files name


def test_a_number_on_record_can_be_named_although_the_data_no_longer_knows_it() -> None:
    assert parse("+52 100", region="US") is None
    assert parse("+52 100 123 4567", region="US") == "+521001234567"
    assert caller_id("+52 100 123 4567", region="US") is None
    assert parse("415-555-0100", region="US") == "+14155550100"


@pytest.mark.parametrize(
    "text", ["", "100", "unknown", "415-123-4567", "+1 415 555 010", "+1" * 99]
)
def test_a_text_that_is_not_a_number_cannot_be_parsed(text: str) -> None:
    assert parse(text, region="US") is None


# What was called


@pytest.mark.parametrize("other", ["+14151234567", "14151234567", "4151234567", "(415) 123-4567"])
def test_several_forms_of_a_did_are_the_same_number(other: str) -> None:
    assert same_number("+14151234567", other, region="US")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("100", " 100", True),
        ("100", "1100", False),
        ("sales", "sales", True),
        ("sales", "Sales", False),
        ("33612345678", "+33612345678", True),
        ("0612345678", "+33612345678", False),  # the line's region is the US
        ("+14155550123", "+14155550124", False),
    ],
)
def test_extensions_and_names_are_the_same_only_as_text(a: str, b: str, *, same: bool) -> None:
    assert same_number(a, b, region="US") is same


def test_the_canonical_form_is_e164_or_the_text_itself() -> None:
    assert canonical("(415) 123-4567", region="US") == "+14151234567"
    assert canonical(" 100 ", region="US") == "100"
    assert canonical("+999123456", region="US") == "+999123456"


@pytest.mark.parametrize(
    "text",
    [
        "+14155550100;ext=3",
        "4155550100;npdi=yes",
        "sip:4155550100:5060@host",
        "sip:4155550100@host:5060",
        "%2B14155550100",
        "tel:%2B1-415-555-0100;phone-context=+1",
    ],
)
def test_one_caller_has_one_key_whatever_the_trunk_adds(text: str) -> None:
    assert caller_key(text, region="US") == "+14155550100"
