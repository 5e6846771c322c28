"""Phone numbers: what a caller may key, what the trunk says, what the hook may have dialled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.phone import (
    LIBRARY_VERSION,
    ForwardPolicy,
    InvalidNumber,
    NumberFormat,
    PhoneNumber,
    caller_id,
    canonical,
    forward,
    keyed,
    mask,
    same_number,
)

NORTH_AMERICA = frozenset({"US", "CA"})
WITH_FRANCE = NORTH_AMERICA | {"FR"}
POLICY = ForwardPolicy(
    regions=WITH_FRANCE | {"GB"}, region="US", own_numbers=frozenset({"+14155550111"})
)


def refusal(text: str, policy: ForwardPolicy = POLICY) -> str:
    with pytest.raises(InvalidNumber) as caught:
        forward(text, policy)
    return caught.value.reason


def keyed_refusal(digits: str, *, region: str = "US", allowed: frozenset[str] = WITH_FRANCE) -> str:
    with pytest.raises(InvalidNumber) as caught:
        keyed(digits, region=region, allowed_regions=allowed)
    return caught.value.reason


# What a caller keys


@pytest.mark.parametrize("keys", ["4155550123", "14155550123", "415#5550*123", "00 1 415 555 0123"])
def test_ten_digits_or_eleven_with_a_leading_one_are_a_north_american_number(keys: str) -> None:
    number = keyed(keys, region="US", allowed_regions=NORTH_AMERICA)
    assert number == PhoneNumber("+14155550123", "US", "FIXED_LINE_OR_MOBILE")


@pytest.mark.parametrize(
    ("keys", "region"),
    [
        ("0612345678", "US"),
        ("0612345678", "FR"),
        ("612345678", "FR"),
        ("01133612345678", "US"),
        ("0033612345678", "FR"),
    ],
)
def test_a_french_mobile_is_read_from_its_zero_or_from_an_international_prefix(
    keys: str, region: str
) -> None:
    number = keyed(keys, region=region, allowed_regions=WITH_FRANCE)
    assert number == PhoneNumber("+33612345678", "FR", "MOBILE")


def test_a_north_american_number_is_read_on_a_french_line_that_serves_north_america() -> None:
    number = keyed("4165550123", region="FR", allowed_regions=WITH_FRANCE)
    assert (number.e164, number.region) == ("+14165550123", "CA")


def test_a_line_elsewhere_reads_its_own_national_format() -> None:
    number = keyed("07400123456", region="GB", allowed_regions={"GB"})
    assert number == PhoneNumber("+447400123456", "GB", "MOBILE")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("", "empty"),
        ("*#", "empty"),
        ("911", "too_short"),
        ("41555501", "too_short"),
        ("0", "too_short"),
        ("04412345", "too_short"),
        ("415555012345", "too_long"),
        ("06123456789", "too_long"),
        ("011" + "3" * 20, "too_long"),
        ("0015555", "too_short"),
        ("00999123456", "not_valid"),
        ("4151234567", "not_valid"),  # no exchange begins with 1
        ("00", "not_valid"),
        ("9115550123", "not_valid"),
        ("2129115555", "service_code"),
        ("4155551212", "premium"),
        ("4159760123", "premium"),
        ("9005550123", "premium"),
        ("8005550199", "type"),
        ("5005550123", "type"),
        ("6005550123", "satellite"),
        ("011870773111632", "satellite"),
        ("0123456789", "type"),  # a French landline
        ("0899123456", "type"),
        ("011442079460018", "type"),
        ("011447911123456", "region"),
        ("8765550123", "region"),  # Jamaica: +1 is not one country
    ],
)
def test_what_cannot_be_texted_is_refused_with_a_stable_word(keys: str, reason: str) -> None:
    assert keyed_refusal(keys) == reason


def test_a_french_zero_is_no_number_where_france_is_not_served() -> None:
    assert keyed_refusal("0612345678", allowed=NORTH_AMERICA) == "not_valid"
    assert keyed_refusal("0612345678", region="FR", allowed=NORTH_AMERICA) == "region"


def test_a_valid_mobile_that_is_also_a_short_number_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("phonenumbers.is_valid_short_number", lambda _number: True)
    assert keyed_refusal("4155550123") == "short_number"
    assert refusal("+14155550123") == "short_number"


@given(st.text(alphabet="0123456789*#", max_size=24))
def test_any_row_of_keys_gives_a_textable_number_of_an_allowed_region_or_a_reason(
    keys: str,
) -> None:
    try:
        number = keyed(keys, region="US", allowed_regions=WITH_FRANCE)
    except InvalidNumber as error:
        refused = error
        assert str(refused) == refused.reason
    else:
        assert number.region in WITH_FRANCE
        assert number.type in {"MOBILE", "FIXED_LINE_OR_MOBILE"}
        assert "".join(c for c in keys if c.isdigit()).endswith(number.e164[-9:])


@given(st.integers(min_value=2_000_000_000, max_value=9_999_999_999))
def test_a_leading_one_never_changes_the_number(national: int) -> None:
    def read(keys: str) -> PhoneNumber | str:
        try:
            return keyed(keys, region="US", allowed_regions=NORTH_AMERICA)
        except InvalidNumber as error:
            return error.reason

    assert read(f"1{national}") == read(str(national))


# What the trunk says


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
    [None, "", "unknown", "anonymous", "100", "5550123", "+1", "0" * 32, "4155550123;ext=5", "٤١٥"],
)
def test_a_hidden_or_odd_caller_id_is_none(text: str | None) -> None:
    assert caller_id(text, region="US") is None


@given(st.text(max_size=40))
def test_a_caller_id_never_raises(text: str) -> None:
    number = caller_id(text, region="US")
    assert number is None or number.e164.startswith("+")


# What the hook wants dialled


@pytest.mark.parametrize(
    ("text", "e164", "kind"),
    [
        ("+14155550123", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("(415) 555-0123", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("tel:+1-415-555-0123", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("415.555.0123\n", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("415\u2011555\u20110123", "+14155550123", "FIXED_LINE_OR_MOBILE"),
        ("18005550199", "+18005550199", "TOLL_FREE"),
        ("+33 (0)1 23 45 67 89", "+33123456789", "FIXED_LINE"),
        ("011 33 9 12 34 56 78", "+33912345678", "VOIP"),
        ("+44 7400 123456", "+447400123456", "MOBILE"),
    ],
)
def test_an_ordinary_number_may_be_forwarded_to_however_it_is_written(
    text: str, e164: str, kind: str
) -> None:
    number = forward(text, POLICY)
    assert (number.e164, number.type) == (e164, kind)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("PJSIP/100", "characters"),
        ("+14155550123&PJSIP/100", "characters"),
        ("+14155550123,30,gT", "characters"),
        ("+14155550123@evil", "characters"),
        ("${EXTEN}", "characters"),
        ("1-800-FLOWERS", "characters"),
        ("+1 415 555 0123 x5", "characters"),
        ("tel:+14155550123;ext=5", "characters"),
        ("\uff0b14155550123", "characters"),
        ("+1415555\r\n0123", "characters"),
        ("911", "emergency"),
        ("9111234567", "emergency"),
        ("112", "emergency"),
        ("+1911", "short_number"),
        ("988", "short_number"),
        ("+33 36 10", "short_number"),
        ("100", "too_short"),
        ("5550123", "too_short"),
        ("+1415555012345", "too_long"),
        ("+12345678901234567890", "too_long"),
        ("+999123456789", "not_valid"),
        ("(415) 123-4567", "not_valid"),
        ("+1 900 555 0123", "premium"),
        ("+1 415 976 0123", "premium"),
        ("415 555 1212", "premium"),
        ("+33 8 99 12 34 56", "premium"),
        ("+1 415 411 0123", "service_code"),
        ("+1 500 555 0123", "personal"),
        ("+44 70 1234 5678", "personal"),
        ("+44 76 0012 3456", "pager"),
        ("+44 845 123 4567", "premium"),
        ("+44 3069 990123", "type"),  # universal access
        ("+870 773 111 632", "satellite"),
        ("+881 6 1234 5678", "satellite"),
        ("+883 5100 0123 4567", "satellite"),
        ("+1 600 555 0123", "satellite"),
        ("+1 876 555 0123", "region"),
        ("+49 30 123456", "region"),
        ("+1 (415) 555-0111", "own_number"),
        ("415 555 0111", "own_number"),
    ],
)
def test_a_number_that_fails_the_policy_is_never_dialled(text: str, reason: str) -> None:
    assert refusal(text) == reason


def test_a_number_that_a_local_phone_would_turn_into_an_emergency_call_is_refused() -> None:
    denmark = ForwardPolicy(regions=frozenset({"DK"}), region="DK")
    assert refusal("+45 11 21 23 45", denmark) in {"emergency", "not_valid"}


def test_bare_digits_that_begin_like_the_trunks_emergency_number_are_refused() -> None:
    delhi = "+91 11 2345 6789"
    india = frozenset({"IN"})
    assert forward(delhi, ForwardPolicy(regions=india, region="US")).region == "IN"
    assert refusal(delhi, ForwardPolicy(india, "US", bare_digits=True)) == "emergency"


@given(st.text(max_size=60))
def test_whatever_the_hook_writes_only_a_plus_and_digits_come_out(text: str) -> None:
    try:
        number = forward(text, POLICY)
    except InvalidNumber as error:
        refused = error
        assert str(refused) == refused.reason
    else:
        assert number.e164[0] == "+"
        assert number.e164[1:].isdecimal()
        assert number.region in POLICY.regions


@given(st.from_regex(r"\A[+]?[0-9 ().&,/@-]{0,20}\Z"))
def test_whatever_looks_like_a_number_is_checked_all_the_same(text: str) -> None:
    try:
        number = forward(text, POLICY)
    except InvalidNumber:
        return
    assert not set(text) & set("&,@")
    assert number.e164 not in POLICY.own_numbers


# Forms, sameness, masks


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


def test_no_number_stands_in_a_repr() -> None:
    number = PhoneNumber("+14155550123", "US", "MOBILE")
    assert repr(number) == "PhoneNumber(+1***23, region='US', type='MOBILE')"
    assert number.masked == "+1***23"
    assert "4155550111" not in repr(POLICY)


def test_the_version_of_the_numbering_plans_is_known() -> None:
    assert LIBRARY_VERSION.count(".") >= 1
