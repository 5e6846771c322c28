"""Which agreements are withheld: limits, and numbers that were revoked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import AgreementRules, ConsentRecord, Withheld
from agi_bridge.consent.encoding import DAY, HOUR
from agi_bridge.consent.ledger.agreements import AHEAD
from tests.support.consent_builders import (
    BRAND,
    CALLER,
    NUMBER,
    confirmed,
    returning,
    revocation,
    submitting,
)
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from agi_bridge.consent.ledger import Ledger

PER_NUMBER = AgreementRules(number_per_day=3, caller_per_day=0, line_per_hour=0)
PER_CALLER = AgreementRules(number_per_day=0, caller_per_day=2, line_per_hour=0)
PER_LINE = AgreementRules(
    number_per_day=0, caller_per_day=0, line_per_hour=2, other_number_share=100
)
PER_KIND = AgreementRules(
    number_per_day=0, caller_per_day=0, unidentified_per_day=0, line_per_hour=10
)


class Clock:
    """The time that a ledger's limits count by, in seconds since the epoch."""

    def __init__(self, ledger: Ledger) -> None:
        self.now = ledger._writer.clock()
        ledger._writer.clock = lambda: self.now


def numbers(count: int) -> list[str]:
    return [f"+1415555{2000 + each}" for each in range(count)]


async def together(ledger: Ledger, records: Iterable[ConsentRecord]) -> list[str | None]:
    """Append them all at once: of each, why it was withheld."""
    results = await asyncio.gather(
        *(ledger.append(record.take()) for record in records), return_exceptions=True
    )
    for result in results:
        assert result is None or isinstance(result, Withheld)
    return [result.reason if isinstance(result, Withheld) else None for result in results]


async def test_a_limit_is_exact_within_one_group(ledger: Ledger) -> None:
    assert await together(ledger, [submitting(rules=PER_NUMBER) for _ in range(5)]) == [
        None, None, None, "number_limit", "number_limit",
    ]  # fmt: skip


async def test_a_limit_is_exact_from_group_to_group(ledger: Ledger, where: Path | str) -> None:
    for _ in range(3):
        await ledger.append(submitting(rules=PER_NUMBER).take())
    refused = submitting(rules=PER_NUMBER)
    with pytest.raises(Withheld, check=coded("number_limit")):
        await ledger.append(refused.take())
    assert await ledger.events(refused.id) == []
    assert execute(where, "select count(*) from pii") == [(3,)]


async def test_a_withheld_consent_is_stored_as_declined_without_a_number(ledger: Ledger) -> None:
    rules = AgreementRules(number_per_day=1)
    await ledger.append(submitting(rules=rules).take())
    record = submitting(rules=rules)
    with pytest.raises(Withheld) as caught:
        await ledger.append(record.take())
    record.withheld(caught.value.reason)
    await ledger.append(record.take())
    events = await ledger.events(record.id)
    assert [event.type for event in events] == ["disclosed", "entered", "declined"]
    assert events[-1].body["reason"] == "number_limit"
    assert await ledger.personal_data(record.id) is None


async def test_a_returning_caller_over_the_limit_is_declined_too(ledger: Ledger) -> None:
    first = submitting(rules=AgreementRules(number_per_day=1))
    await ledger.append(first.take())
    record = returning(first.id, rules=AgreementRules(number_per_day=1))
    assert await together(ledger, [record]) == ["number_limit"]
    record.withheld("number_limit")
    await ledger.append(record.take())
    assert [event.type for event in await ledger.events(record.id)] == ["returned", "declined"]


async def test_the_same_number_on_another_line_has_a_limit_of_its_own(ledger: Ledger) -> None:
    for line in ("shop", "garage"):
        records = [submitting(rules=PER_NUMBER, line=line) for _ in range(4)]
        assert await together(ledger, records) == [None, None, None, "number_limit"]


async def test_a_caller_may_not_go_through_the_numbers_of_others(ledger: Ledger) -> None:
    records = [submitting(number, rules=PER_CALLER) for number in numbers(4)]
    assert await together(ledger, records) == [None, None, "caller_limit", "caller_limit"]
    other = submitting(numbers(5)[4], caller_id="+15145550199", rules=PER_CALLER)
    assert await together(ledger, [other]) == [None]


async def test_callers_who_hide_their_number_have_one_limit_together_on_each_line(
    ledger: Ledger,
) -> None:
    rules = AgreementRules(unidentified_per_day=2, line_per_hour=0)
    for line in ("shop", "garage"):
        records = [
            submitting(number, caller_id=None, rules=rules, line=line) for number in numbers(4)
        ]
        assert await together(ledger, records) == [None, None, *["unidentified_limit"] * 2]
    assert await together(ledger, [submitting(rules=rules)]) == [None]


async def test_without_a_caller_id_strangers_are_not_texted_one_after_the_other(
    ledger: Ledger,
) -> None:
    rules = AgreementRules()
    taken = []
    for number in numbers(60):
        taken += await together(ledger, [submitting(number, caller_id=None, rules=rules)])
    assert taken == [None] * 12 + ["line_share"] * 48
    mine = submitting(NUMBER, caller_id=NUMBER, rules=rules)
    another = submitting(numbers(61)[60], caller_id=CALLER, rules=rules)
    assert await together(ledger, [mine, another]) == [None, None]


KINDS: dict[str, Callable[[str], str | None]] = {
    "nobody": lambda _: None,
    "other": lambda number: f"+1514{number[5:]}",
    "own": lambda number: number,
}
"""What a caller of each kind shows who keys a number."""


def of_kind(kind: str, number: str, rules: AgreementRules = PER_KIND) -> ConsentRecord:
    return submitting(number, caller_id=KINDS[kind](number), rules=rules)


@pytest.mark.parametrize(
    ("kind", "share", "other", "left"),
    [
        ("nobody", 2, "other", 3),
        ("nobody", 2, "own", 8),
        ("other", 5, "nobody", 0),
        ("other", 5, "own", 5),
        ("own", 9, "other", 1),
        ("own", 9, "nobody", 1),
    ],
)
@pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "at once"])
async def test_no_kind_of_caller_can_use_up_the_hour_of_a_line(
    ledger: Ledger, kind: str, share: int, other: str, left: int, *, one_by_one: bool
) -> None:
    """However many caller IDs somebody makes up, the other kinds keep a part."""
    many = [of_kind(kind, number) for number in numbers(12)]
    if one_by_one:
        results = [reason for record in many for reason in await together(ledger, [record])]
    else:
        results = await together(ledger, many)
    assert results == [None] * share + ["line_share"] * (12 - share)
    others = await together(ledger, [of_kind(other, number) for number in numbers(24)[12:]])
    assert others.count(None) == left


async def test_shares_are_exact_across_bridges(ledger: Ledger, other: Ledger) -> None:
    for kind, share in (("nobody", 2), ("other", 3), ("own", 5)):
        results = await asyncio.gather(
            *(bridge.append(of_kind(kind, number).take())
              for number, bridge in zip(numbers(16), (ledger, other) * 8, strict=True)),
            return_exceptions=True,
        )  # fmt: skip
        assert results.count(None) == share


async def test_the_limit_of_a_line_counts_all_callers(ledger: Ledger) -> None:
    records = [
        submitting(number, caller_id=f"+1514555{1000 + index}", rules=PER_LINE)
        for index, number in enumerate(numbers(3))
    ]
    assert await together(ledger, records) == [None, None, "line_limit"]
    assert await together(ledger, [submitting(line="garage", rules=PER_LINE)]) == [None]


async def test_no_limit_is_no_limit(ledger: Ledger) -> None:
    assert await together(ledger, [submitting() for _ in range(70)]) == [None] * 70


@pytest.mark.parametrize(
    ("rules", "reason", "span"),
    [
        (AgreementRules(number_per_day=1, caller_per_day=0, line_per_hour=0), "number_limit", DAY),
        (AgreementRules(number_per_day=0, caller_per_day=1, line_per_hour=0), "caller_limit", DAY),
        (AgreementRules(number_per_day=0, caller_per_day=0, line_per_hour=1), "line_limit", HOUR),
    ],
)
async def test_what_is_older_than_the_limits_span_does_not_count(
    ledger: Ledger, rules: AgreementRules, reason: str, span: float
) -> None:
    clock = Clock(ledger)
    await ledger.append(submitting(rules=rules).take())
    clock.now += span
    assert await together(ledger, [submitting(rules=rules)]) == [reason]
    clock.now += 0.002
    assert await together(ledger, [submitting(rules=rules)]) == [None]


async def test_a_clock_that_was_a_day_ahead_shuts_no_line(ledger: Ledger) -> None:
    """Also where it was wrong when the process began, so that nothing could tell."""
    rules = AgreementRules(number_per_day=1, caller_per_day=1, line_per_hour=1)
    clock = Clock(ledger)
    for seconds in (DAY, DAY - HOUR, AHEAD + 1, -AHEAD - 1 - 2 * DAY):
        clock.now += seconds
        assert await together(ledger, [submitting(rules=rules)]) == [None]
        clock.now -= seconds
    assert await together(ledger, [submitting(rules=rules)]) == [None]
    assert await together(ledger, [submitting(rules=rules)]) == ["number_limit"]


async def test_what_a_bridge_counts_whose_clock_is_a_little_ahead_counts_at_the_others(
    ledger: Ledger, other: Ledger
) -> None:
    rules = AgreementRules(number_per_day=1)
    Clock(other).now += AHEAD - 1
    assert await together(other, [submitting(rules=rules)]) == [None]
    assert await together(ledger, [submitting(rules=rules)]) == ["number_limit"]


async def test_limits_hold_across_bridges(ledger: Ledger, other: Ledger) -> None:
    bridges = (ledger, other) * 4
    results = await asyncio.gather(
        *(bridge.append(submitting(rules=PER_NUMBER).take()) for bridge in bridges),
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 3
    assert sum(isinstance(result, Withheld) for result in results) == 5


async def test_callers_and_lines_are_counted_across_bridges_too(
    ledger: Ledger, other: Ledger
) -> None:
    for rules in (PER_CALLER, PER_LINE):
        line = f"line of {rules}"[:64]
        caller = "+15145550101" if rules is PER_CALLER else "+15145550102"
        results = await asyncio.gather(
            *(bridge.append(submitting(number, line=line, caller_id=caller, rules=rules).take())
              for number in numbers(4) for bridge in (ledger, other)),
            return_exceptions=True,
        )  # fmt: skip
        assert sum(result is None for result in results) == 2


# Revoked numbers


async def test_a_revoked_number_is_not_agreed_to_by_somebody_else(ledger: Ledger) -> None:
    await ledger.revoke(revocation())
    assert (
        await together(
            ledger, [submitting(), submitting(caller_id=None), submitting(caller_id=CALLER)]
        )
        == ["suppressed"] * 3
    )


async def test_who_calls_from_the_number_itself_may_agree_again(
    ledger: Ledger, where: Path | str
) -> None:
    await ledger.revoke(revocation())
    assert await together(ledger, [submitting(caller_id=NUMBER)]) == [None]
    assert execute(where, "select brand from lifting") == [(BRAND.casefold(),)]
    assert await together(ledger, [submitting()]) == [None]  # it is lifted for everybody


async def test_a_new_revocation_holds_again(ledger: Ledger) -> None:
    for _ in range(2):
        await ledger.revoke(revocation())
        assert await together(ledger, [submitting()]) == ["suppressed"]
        assert await together(ledger, [submitting(caller_id=NUMBER)]) == [None]


async def test_a_revocation_is_of_one_brand_however_it_is_spelt(ledger: Ledger) -> None:
    await ledger.revoke(revocation(brand=f" {BRAND.upper()}"))
    assert await together(ledger, [submitting(), submitting(brand="Another")]) == [
        "suppressed", None,
    ]  # fmt: skip


async def test_a_revocation_for_every_brand_is_lifted_brand_by_brand(
    ledger: Ledger, where: Path | str
) -> None:
    await ledger.revoke(revocation(brand="Yet another"))
    every = await ledger.revoke(revocation(brand=None))
    assert await together(ledger, [submitting(), submitting(brand="Another")]) == [
        "suppressed", "suppressed",
    ]  # fmt: skip
    assert await together(ledger, [submitting(caller_id=NUMBER)]) == [None]
    assert await together(ledger, [submitting(), submitting(brand="Another")]) == [
        None, "suppressed",
    ]  # fmt: skip
    lifted = execute(where, "select brand, revocation_id from lifting")
    assert lifted == [(BRAND.casefold(), every.revocation_id)]


async def test_a_new_revocation_for_every_brand_takes_back_what_was_lifted(ledger: Ledger) -> None:
    await ledger.revoke(revocation(brand=None))
    assert await together(ledger, [submitting(caller_id=NUMBER)]) == [None]
    await ledger.revoke(revocation(brand=None))
    assert await together(ledger, [submitting()]) == ["suppressed"]


async def test_being_known_again_lifts_nothing(ledger: Ledger) -> None:
    first = confirmed()
    await ledger.append(first.take())
    await ledger.revoke(revocation())
    assert await together(ledger, [returning(first.id)]) == ["suppressed"]
    assert await together(ledger, [submitting()]) == ["suppressed"]


async def test_a_consent_that_a_limit_withholds_lifts_nothing(ledger: Ledger) -> None:
    rules = AgreementRules(number_per_day=1)
    await ledger.append(submitting(rules=rules).take())
    await ledger.revoke(revocation())
    again = [submitting(caller_id=NUMBER, rules=rules)]
    assert await together(ledger, again) == ["number_limit"]
    assert await together(ledger, [submitting()]) == ["suppressed"]


async def test_two_who_lift_at_once_do_it_once(ledger: Ledger, where: Path | str) -> None:
    await ledger.revoke(revocation(brand=None))
    records = [submitting(caller_id=NUMBER) for _ in range(2)]
    assert await together(ledger, records) == [None, None]
    assert execute(where, "select count(*) from lifting") == [(1,)]


async def test_a_number_revoked_at_one_bridge_is_revoked_at_the_other(
    ledger: Ledger, other: Ledger
) -> None:
    await ledger.revoke(revocation())
    assert await together(other, [submitting()]) == ["suppressed"]
    assert await together(other, [submitting(caller_id=NUMBER)]) == [None]
    assert await together(ledger, [submitting()]) == [None]
