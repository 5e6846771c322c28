"""Template, format and regions of a line together: what comes out at the trunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.settings_texts import shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.settings import Settings

NORTH_AMERICA = '["US", "CA"]'


def configured(template: str, number_format: str, regions: str = NORTH_AMERICA) -> str:
    return shop(
        dial_template=f'"{template}"', number_format=f'"{number_format}"', forward_regions=regions
    )


@pytest.mark.parametrize(
    "template", ["PJSIP/+{number}@t", "PJSIP/9{number}@t", "SIP/t/011{number}"]
)
def test_a_plus_or_digit_before_a_number_in_e164_is_refused(
    codes: Callable[..., list[str]], template: str
) -> None:
    expected = ["line.dial_template.misdialled"]
    assert codes(configured(template, "e164")) == expected
    assert codes(shop(dial_template=f'"{template}"')) == expected


@pytest.mark.parametrize(
    ("template", "number_format", "regions"),
    [
        ("PJSIP/{number}@t", "e164", '["US", "FR"]'),
        ("PJSIP/+{number}@t", "digits", '["US", "FR"]'),
        ("PJSIP/9{number}@t", "digits", NORTH_AMERICA),
        ("PJSIP/011{number}@t", "digits", '["FR"]'),
        ("PJSIP/9{number}@t", "national", NORTH_AMERICA),
        ("PJSIP/+1{number}@t", "national", NORTH_AMERICA),
        ("PJSIP/{number}@t", "national", '["FR"]'),
        ("PJSIP/{number}*7@t", "e164", NORTH_AMERICA),
        ("IAX2/t1/{number}", "e164", NORTH_AMERICA),
    ],
)
def test_what_comes_out_as_the_trunk_wants_it_is_taken(
    load: Callable[..., Settings], template: str, number_format: str, regions: str
) -> None:
    line = load(configured(template, number_format, regions)).lines["shop"]
    assert (line.dial_template, line.number_format) == (template, number_format)


@pytest.mark.parametrize(
    ("template", "number_format", "regions"),
    [
        ("PJSIP/+1{number}@t", "digits", NORTH_AMERICA),  # +1 1 415…
        ("PJSIP/+{number}@t", "national", NORTH_AMERICA),  # +4155550123 is Swiss
        ("PJSIP/9+{number}@t", "digits", NORTH_AMERICA),
        ("PJSIP/+33{number}@t", "national", '["FR"]'),  # +33 0 6…
    ],
)
def test_a_plus_before_what_makes_another_number_is_refused(
    codes: Callable[..., list[str]], template: str, number_format: str, regions: str
) -> None:
    found = codes(configured(template, number_format, regions))
    assert found == ["line.dial_template.misdialled"]


@pytest.mark.parametrize("after", ["1", "0@t", "+"])
def test_a_digit_after_the_number_is_refused(codes: Callable[..., list[str]], after: str) -> None:
    found = codes(configured(f"PJSIP/{{number}}{after}", "e164"))
    assert found == ["line.dial_template.misdialled"]


def test_numbers_of_several_countries_have_no_common_national_form(
    codes: Callable[..., list[str]],
) -> None:
    found = codes(configured("PJSIP/{number}@t", "national", '["US", "FR"]'))
    assert found == ["line.number_format.misdialled"]
