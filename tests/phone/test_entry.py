"""What a caller may key as the mobile number to be texted."""

import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from agi_bridge.phone import (
    InvalidNumber,
    KeyedLength,
    PhoneNumber,
    can_be_keyed,
    keyed,
    keyed_length,
)

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
    number = keyed("14165550123", region="FR", allowed_regions=WITH_FRANCE)
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
        ("9762345678", "premium"),
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


def test_a_french_zero_is_refused_where_france_is_not_served() -> None:
    assert keyed_refusal("0612345678", allowed=NORTH_AMERICA) == "not_valid"
    assert keyed_refusal("0612345678", region="FR", allowed=NORTH_AMERICA) == "region"


def test_a_valid_mobile_that_is_also_a_short_number_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agi_bridge.phone.entry.is_short", lambda _number: True)
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


# Which region's number it is


@pytest.mark.parametrize(
    ("keys", "regions", "right"),
    [
        ("3322345678", ("MX", "US"), "+523322345678"),
        ("5523456789", ("MX", "US"), "+525523456789"),
        ("4155550123", ("MX", "US"), "+524155550123"),  # San Miguel de Allende
        ("2125550123", ("MX", "US"), "not_valid"),  # New York, if MX did not come first
        ("14155550123", ("MX", "US"), "+14155550123"),
        ("14155550123", ("MX",), "too_long"),
        ("0014155550123", ("MX", "US"), "+14155550123"),
        ("0445512345678", ("MX", "US"), "+525512345678"),
        ("4155550123", ("US", "MX"), "+14155550123"),
        ("0115215512345678", ("US", "MX"), "+525512345678"),
        ("011525512345678", ("US", "MX"), "+525512345678"),
        # one digit short or long is nobody's number elsewhere
        ("612555012", ("US", "ES"), "too_short"),
        ("6123456789", ("ES", "US"), "too_long"),
        ("07123456789", ("FR", "GB"), "too_long"),
        ("07123456789", ("US", "FR", "GB"), "too_long"),
        ("0612345678", ("US", "FR", "GB"), "+33612345678"),
        ("07123456789", ("US", "GB", "FR"), "+447123456789"),
        ("61234567", ("FR", "HK"), "too_short"),
        ("14155550123", ("CN", "US"), "not_valid"),  # eleven digits from 1 are China's
        ("0014155550123", ("CN", "US"), "+14155550123"),
        # ten digits without a prefix
        ("4155550123", ("FR", "US"), "too_long"),
        ("6612345678", ("FR", "US"), "too_long"),  # 06 12 34 56 78 without its 0, one 6 doubled
        ("4125550122", ("AU", "US"), "too_long"),
        ("14155550123", ("FR", "US"), "+14155550123"),
        ("0014155550123", ("FR", "US"), "+14155550123"),
        ("4155550123", ("GB", "US"), "not_valid"),
        ("14155550123", ("GB", "US"), "+14155550123"),
        ("7400123456", ("GB",), "+447400123456"),
        ("7400123456", ("US", "GB"), "not_valid"),
        # regions that share their numbers
        ("0412345678", ("AX",), "+358412345678"),
        ("41234567", ("SJ",), "+4741234567"),
        # abroad, from everywhere
        ("0101 415 555 0123", ("JP", "US"), "+14155550123"),
        ("810 1 415 555 0123", ("RU", "US"), "+14155550123"),
        ("0011 1 415 555 0123", ("AU", "US"), "+14155550123"),
        ("00 1 415 555 0123", ("KR", "US"), "+14155550123"),
        ("011 44 7400 123456", ("US", "GB"), "+447400123456"),
        ("00 44 0 7400 123456", ("FR", "GB"), "+447400123456"),
        ("0111523456789", ("AR",), "+5491123456789"),
        ("1123456789", ("AR",), "type"),  # a landline; the mobile has a 15 or a 9
    ],
)
def test_the_first_region_decides_what_digits_mean(
    keys: str, regions: tuple[str, ...], right: str
) -> None:
    try:
        seen = keyed(keys, region=regions[0], allowed_regions=regions).e164
    except InvalidNumber as error:
        seen = error.reason
    assert seen == right


@pytest.mark.parametrize("own", ["4155550111", "14155550111", "00 1 415 555 0111"])
def test_a_number_of_the_business_is_refused(own: str) -> None:
    with pytest.raises(InvalidNumber) as caught:
        keyed(own, region="US", allowed_regions=("US",), own_numbers={"+14155550111"})
    assert caught.value.reason == "own_number"


# How many digits it has


def mobile(region: str) -> phonenumbers.PhoneNumber | None:
    """The region's example of a mobile number, or of one that cannot be told from a mobile."""
    for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE):
        if kind in phonenumbers.supported_types_for_region(region):
            return phonenumbers.example_number_for_type(region, kind)
    return None


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
MOBILES = {region: number for region in REGIONS if (number := mobile(region)) is not None}


def dialled(number: phonenumbers.PhoneNumber) -> str:
    written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    return re.sub(r"[^0-9]", "", written)


def entry(keys: str, regions: tuple[str, ...]) -> str:
    """What is taken of these keys: no more than the number can have."""
    for n in range(1, len(keys)):
        if n >= keyed_length(keys[:n], regions).most:
            return keys[:n]
    return keys


def taken(keys: str, regions: tuple[str, ...]) -> PhoneNumber | None:
    """The number that an entry of these keys ends with, if any."""
    try:
        return keyed(entry(keys, regions), region=regions[0], allowed_regions=regions)
    except InvalidNumber:
        return None


@pytest.mark.parametrize("others", [(), ("US", "FR"), ("FR", "MX", "US")])
def test_a_mobile_is_keyed_as_people_of_its_region_dial_it(others: tuple[str, ...]) -> None:
    for region, number in MOBILES.items():
        regions = (region, *(other for other in others if other != region))
        keys = dialled(number)
        length = keyed_length(keys, regions)
        assert length.fewest <= len(keys) <= length.most, region
        found = taken(keys, regions)
        assert found is not None, region
        assert found.e164 == phonenumbers.format_number(number, PhoneNumberFormat.E164)
        assert found.region == region


def mistakes(keys: str) -> tuple[str, ...]:
    return keys[:-1], keys + "5", keys + "55", keys[1:], keys[:2] + keys[3:]


@pytest.mark.parametrize("others", [(), ("US", "FR", "GB")])
def test_a_digit_too_few_or_too_many_is_never_made_good(others: tuple[str, ...]) -> None:
    for region, number in MOBILES.items():
        regions = (region, *(other for other in others if other != region))
        for wrong in mistakes(dialled(number)):
            found = taken(wrong, regions)
            if found is None or region == "AR":  # whose 15 is the 9 of E.164
                continue
            code = f"+{number.country_code}"
            assert found.e164.startswith(code), f"{region}: a number of another country"
            assert entry(wrong, regions).endswith(found.e164.removeprefix(code)), region


@pytest.mark.parametrize("first", ["US", "MX", "FR", "ES", "DE"])
def test_a_wrong_number_of_the_first_region_is_not_a_number_of_the_second(first: str) -> None:
    number = MOBILES[first]
    for second in MOBILES:
        regions = tuple(dict.fromkeys((first, second)))
        for wrong in mistakes(dialled(number)):
            found = taken(wrong, regions)
            assert found is None or found.e164.startswith(f"+{number.country_code}"), second


def test_one_region_has_no_mobile_numbers() -> None:
    assert [region for region in REGIONS if not can_be_keyed(region)] == ["TA"]
    assert len(MOBILES) == len(REGIONS) - 1
    with pytest.raises(InvalidNumber) as caught:
        keyed("8999", region="TA", allowed_regions=("TA",))
    assert caught.value.reason == "region"


@pytest.mark.parametrize(
    ("digits", "regions", "fewest", "most"),
    [
        ("", ("US",), 10, 11),
        ("4", ("US",), 10, 10),
        ("1", ("US",), 11, 11),
        ("0", ("US",), 10, 10),
        ("011", ("US",), 10, 18),
        ("00", ("US",), 9, 17),
        ("0", ("US", "GB"), 11, 11),
        ("0", ("FR", "US"), 10, 10),
        ("6", ("FR",), 9, 9),
        ("07", ("GB",), 11, 11),
        ("0151", ("DE",), 11, 12),
        ("0", ("AT",), 8, 14),
        ("090", ("JP",), 11, 11),
        ("010", ("JP",), 10, 18),
        ("8", ("RU",), 11, 11),
        ("810", ("RU",), 10, 18),
        ("3", ("MX", "US"), 10, 10),
        ("1", ("MX", "US"), 10, 11),
        ("0", ("MX",), 10, 13),
        ("6", ("ES", "US"), 9, 9),
        ("8", ("SG",), 8, 8),
    ],
)
def test_an_entry_is_as_long_as_its_regions_numbers(
    digits: str, regions: tuple[str, ...], fewest: int, most: int
) -> None:
    length = keyed_length(digits, regions)
    assert length == KeyedLength(fewest, most)
    assert length.varies is (fewest < most)
