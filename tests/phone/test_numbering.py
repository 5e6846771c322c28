"""What the plans say of a number, and what is added to them."""

import phonenumbers
import pytest
from phonenumbers import PhoneMetadata, PhoneNumberType

from agi_bridge.phone import (
    ForwardPolicy,
    InvalidNumber,
    PhoneNumber,
    caller_id,
    forward,
    keyed,
    parse,
)
from agi_bridge.phone.numbering import (
    NANP_REGIONS,
    e164,
    facts,
    is_short,
    national,
    parsed,
    type_of,
    value,
)

NORTH_AMERICA = frozenset({"US", "CA"})
NEWER = phonenumbers.number_type(phonenumbers.parse("+15652345678"))


def policy(*regions: str) -> ForwardPolicy:
    return ForwardPolicy(regions=frozenset(regions), region=regions[0])


def reason(text: str, *regions: str) -> str:
    with pytest.raises(InvalidNumber) as caught:
        forward(text, policy(*regions))
    return caught.value.reason


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_types_and_regions_are_libphonenumbers(region: str) -> None:
    plan = PhoneMetadata.metadata_for_region(region)
    assert plan is not None
    examples = [
        example
        for kind in PhoneNumberType.values()
        if (example := phonenumbers.example_number_for_type(region, kind)) is not None
    ]
    assert examples
    for number in examples:
        expected = phonenumbers.number_type(number)
        assert type_of(number) == expected
        assert value(number, expected).region == phonenumbers.region_code_for_number(number)


# Newer than the data


@pytest.mark.parametrize("area", ["565", "948", "235", "983"])
def test_a_north_american_number_is_not_refused_for_being_newer_than_the_data(area: str) -> None:
    number = f"+1{area}6345678"
    assert keyed(number, region="US", allowed_regions=NORTH_AMERICA).e164 == number
    assert forward(number, policy("US", "CA")).e164 == number
    assert parse(number[2:], region="US") == number
    found = caller_id(number, region="US")
    assert found is not None
    assert found.e164 == number


def test_such_a_number_says_that_its_type_and_place_are_not_known() -> None:
    assert NEWER == PhoneNumberType.UNKNOWN, "the data knows 565 by now: choose another"
    expected = PhoneNumber("+15652345678", "ZZ", "UNKNOWN")
    assert keyed("5652345678", region="CA", allowed_regions=("CA",)) == expected
    assert forward("+15652345678", policy("US")) == expected
    assert reason("+15652345678", "PR") == "region"
    assert reason("+15652345678", "FR") == "region"


@pytest.mark.parametrize(
    "number",
    [
        "2222345678",  # easily recognisable: kept for services
        "7002345678",
        "6222345678",
        "8222345678",
        "8802345678",  # toll-free to be
        "8892345678",
        "4562345678",
        "7102345678",
        "9502345678",
        "5212345678",
        "5352345678",
        "3702345678",
        "9622345678",
        "2902345678",  # expansion
        "4112345678",
        "5659112345",  # a service code as exchange
        "5651345678",
        "1652345678",
        "0652345678",
    ],
)
def test_codes_without_subscribers_are_invalid(number: str) -> None:
    with pytest.raises(InvalidNumber):
        keyed(number, region="US", allowed_regions=NORTH_AMERICA)
    assert forward_or_none(f"+1{number}") is None


def forward_or_none(text: str) -> PhoneNumber | None:
    try:
        return forward(text, policy("US", "CA"))
    except InvalidNumber:
        return None


@pytest.mark.parametrize(
    ("text", "why"), [("+1 565 976 0123", "premium"), ("+1 565 555 1212", "premium")]
)
def test_services_stay_refused_in_a_new_area_code(text: str, why: str) -> None:
    assert reason(text, "US") == why


def test_an_exchange_that_the_data_does_not_know_stays_on_its_island() -> None:
    plans = {region: PhoneMetadata.metadata_for_region(region) for region in NANP_REGIONS}
    islands = {region for region, plan in plans.items() if plan and plan.leading_digits}
    assert NANP_REGIONS - islands == NORTH_AMERICA
    unknown = next(
        n
        for n in (phonenumbers.parse(f"+1246{exchange}2345") for exchange in range(200, 1000))
        if phonenumbers.number_type(n) == PhoneNumberType.UNKNOWN
    )
    text = phonenumbers.format_number(unknown, phonenumbers.PhoneNumberFormat.E164)
    assert reason(text, "US", "CA") == "region"
    assert forward(text, policy("BB")) == PhoneNumber(text, "BB", "UNKNOWN")


# Renumbered


@pytest.mark.parametrize(
    ("former", "region", "present"),
    [
        ("+5215512345678", "US", "+525512345678"),
        ("5215512345678", "MX", "+525512345678"),
        ("+52 1 55 1234 5678", "MX", "+525512345678"),
        ("044 55 1234 5678", "MX", "+525512345678"),
        ("045 55 1234 5678", "MX", "+525512345678"),
        ("01 55 1234 5678", "MX", "+525512345678"),
        ("+54 11 15 2345 6789", "US", "+5491123456789"),
        ("011 15 2345 6789", "AR", "+5491123456789"),
        ("+55 11 8765 4321", "US", "+5511987654321"),
        ("+55 31 9765 4321", "US", "+5531997654321"),
        ("+229 97 12 34 56", "US", "+2290197123456"),
    ],
)
def test_a_number_of_a_former_plan_becomes_the_present_one(
    former: str, region: str, present: str
) -> None:
    number = caller_id(former, region=region)
    assert number is not None
    assert number.e164 == present
    assert parse(former, region=region) == present
    assert forward(former, policy(region, number.region)).e164 == present


@pytest.mark.parametrize(
    "present",
    ["+525512345678", "+5491123456789", "+541123456789", "+5511987654321", "+551133334444"],
)
def test_a_number_of_the_present_plan_stays_what_it_is(present: str) -> None:
    number = caller_id(present, region="US")
    assert number is not None
    assert number.e164 == present


@pytest.mark.parametrize("text", ["+5211512345678", "+52155123456789", "+55118765432", "+229123"])
def test_a_former_plan_makes_no_number_of_what_never_was_one(text: str) -> None:
    assert caller_id(text, region="US") is None


# E.164


def test_a_number_has_at_most_fifteen_digits() -> None:
    longest = phonenumbers.parse("+49 30 1234567890123")
    assert phonenumbers.is_possible_number(longest), "libphonenumber itself would take it"
    for text in ("+49 30 1234567890123", "+49 30 12345678901234"):
        with pytest.raises(InvalidNumber) as caught:
            parsed(text.replace(" ", ""), "DE")
        assert caught.value.reason == "too_long"
        assert reason(text, "DE") == "too_long"
        assert caller_id(text, region="DE") is None
        assert parse(text, region="DE") is None


def test_the_example_of_every_region_is_its_own() -> None:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number(region)
        assert example is not None
        text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        found = parsed(text, region)
        assert found == example
        assert type_of(found) != PhoneNumberType.UNKNOWN


# What is not asked of the library each time


@pytest.mark.parametrize("region", ["US", "CA", "JM", "FR"])
@pytest.mark.parametrize("digits", ["4155550171", "2129762345", "8005550199", "9005550199"])
def test_a_plain_north_american_number_means_what_the_library_reads(
    region: str, digits: str
) -> None:
    for text in (f"+1{digits}", f"1{digits}", digits):
        assert parsed(text, region) == phonenumbers.parse(text, region)


def test_a_number_of_every_plan_has_the_type_and_the_region_that_the_library_gives_it() -> None:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number(region)
        assert number is not None
        for _ in range(2):  # asked, then remembered
            assert type_of(number) == phonenumbers.number_type(number)
            found = value(number, type_of(number), ())
            assert found.region == phonenumbers.region_code_for_number(number)


def near_misses(plan: PhoneMetadata) -> set[str]:
    """Examples of every description of a plan, and the same with one digit more, less or else."""
    texts = set()
    for name in ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip"):
        described = getattr(plan, name)
        example = None if described is None else described.example_number
        if example is not None:
            places = [place for place in range(len(example)) if place % 3 == 0]
            texts |= {f"{example[:p]}{9 - int(example[p])}{example[p + 1 :]}" for p in places}
            texts |= {example, example[:-1], f"{example}1"}
    return texts


def test_a_number_beside_a_plans_examples_is_read_as_the_library_reads_it() -> None:
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        plans = (PhoneMetadata.metadata_for_region_or_calling_code(code, r) for r in regions)
        for digits in sorted(set().union(*(near_misses(p) for p in plans if p is not None))):
            number = phonenumbers.PhoneNumber(code, int(digits))
            zeros = len(digits) - len(digits.lstrip("0"))
            if zeros:
                number.italian_leading_zero, number.number_of_leading_zeros = True, zeros
            region = phonenumbers.region_code_for_number(number)
            kind = phonenumbers.number_type(number)
            unknown = PhoneNumberType.UNKNOWN if region is None else kind
            assert facts(code, digits) == (unknown, region or "")
            assert national(number) == phonenumbers.national_significant_number(number)
            e164_ = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            assert e164(number) == e164_


def test_leading_zeros_tell_two_numbers_apart() -> None:
    rome = phonenumbers.parse("+390612345678", None)
    milan = phonenumbers.PhoneNumber(country_code=39, national_number=612345678)
    assert type_of(rome) == phonenumbers.number_type(rome)
    with pytest.raises(InvalidNumber):
        type_of(milan)


def test_a_short_number_is_what_the_library_takes_for_one() -> None:
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        digits = {"1" * length for length in range(3, 14)}
        for plan in map(PhoneMetadata.short_metadata_for_region, regions):
            example = plan and plan.short_code and plan.short_code.example_number
            digits.add(example or "112")
        for each in digits:
            number = phonenumbers.PhoneNumber(country_code=code, national_number=int(each))
            assert is_short(number) == phonenumbers.is_valid_short_number(number)
