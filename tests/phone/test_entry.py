"""What a caller may key as the mobile number to be texted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.phone import InvalidNumber, PhoneNumber, keyed

NORTH_AMERICA = frozenset({"US", "CA"})
WITH_FRANCE = NORTH_AMERICA | {"FR"}


def keyed_refusal(digits: str, *, region: str = "US", allowed: frozenset[str] = WITH_FRANCE) -> str:
    with pytest.raises(InvalidNumber) as caught:
        keyed(digits, region=region, allowed_regions=allowed)
    return caught.value.reason


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
        newer = (number.region, number.type) == ("ZZ", "UNKNOWN")
        assert newer or number.region in WITH_FRANCE
        assert newer or number.type in {"MOBILE", "FIXED_LINE_OR_MOBILE"}
        assert "".join(c for c in keys if c.isdigit()).endswith(number.e164[-9:])


@given(st.integers(min_value=2_000_000_000, max_value=9_999_999_999))
def test_a_leading_one_never_changes_the_number(national: int) -> None:
    def read(keys: str) -> PhoneNumber | str:
        try:
            return keyed(keys, region="US", allowed_regions=NORTH_AMERICA)
        except InvalidNumber as error:
            return error.reason

    assert read(f"1{national}") == read(str(national))
