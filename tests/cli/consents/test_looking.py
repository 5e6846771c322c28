"""`list` and `show`: everything but the person, unless it is on record who asked."""

from __future__ import annotations

import asyncio
import io
import json
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from agi_bridge.cli.consents.list_ import Asked, run
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import Ledger
from tests.support import consent_records
from tests.support.consents_shop import WORDS

if TYPE_CHECKING:
    from tests.support.consents_shop import Shop

NUMBERS = [
    number[2:] for number in (consent_records.NUMBER, consent_records.OTHER, consent_records.THIRD)
]
SECRETS = (*NUMBERS, consent_records.CALLER[2:], consent_records.FORWARD[2:], WORDS)


def ids(said: list[dict[str, str]]) -> list[str]:
    return [each["consent_id"] for each in said]


def test_the_list_is_newest_first_and_masked(shop: Shop) -> None:
    said = shop.shell("list", "--json").json
    assert ids(said) == [shop.revocation, shop.other, shop.unknown, shop.declined, shop.revoked]
    assert said[-1] == {
        "consent_id": shop.revoked,
        "kind": "consent",
        "number": "+1***23",
        "line": "shop",
        "brand": "Example Store",
        "state": "revoked",
        "at": said[-1]["at"],
        "last_at": said[-1]["last_at"],
        "erased": False,
        "restricted_until": None,
    }
    assert said[3]["number"] is None


@pytest.mark.parametrize("command", [("list",), ("list", "--json")])
def test_nothing_shows_a_number_unasked(shop: Shop, command: tuple[str, ...]) -> None:
    told = shop.shell(*command)
    assert told.status == 0
    assert not any(secret in told.out + told.err for secret in SECRETS)


def test_filters_narrow_the_list(shop: Shop) -> None:
    def listed(*options: str) -> list[str]:
        return ids(shop.shell("list", "--json", *options).json)

    everything = listed()
    assert listed("--number", "415 555 0123") == [shop.revocation, shop.revoked]
    assert listed("--state", "unknown") == [shop.unknown]
    assert listed("--open") == [shop.revocation, shop.unknown]
    assert listed("--limit", "2") == everything[:2]
    assert listed("--line", "+14155550111") == everything[1:]
    assert listed("--since", "2026-01-01", "--until", "9000-01-01") == everything
    assert listed("--until", "2026-01-01") == listed("--since", "9000-01-01") == []


def test_an_empty_list_is_no_failure(shop: Shop) -> None:
    assert shop.shell("list", "--until", "2000-01-01") == (0, "none\n", "")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--state", "agreed"), "--state: one of disclosed, entered, confirmed"),
        (("--line", "nobody"), "--line: no line of that name"),
        (("--number", "415"), "--number: not a phone number"),
        (("--since", "today"), "--since: write a day"),
    ],
)
def test_a_filter_without_sense_is_misuse(
    shop: Shop, options: tuple[str, ...], problem: str
) -> None:
    told = shop.shell("list", *options)
    assert told.status == 2
    assert told.err.startswith(f"agi-bridge: {problem}")


def test_to_reveal_is_on_record_for_each_that_is_shown(shop: Shop) -> None:
    said = shop.shell("list", "--reveal", "--json").json
    assert [each["number"] for each in said] == [
        consent_records.NUMBER,
        consent_records.THIRD,
        consent_records.OTHER,
        None,
        consent_records.NUMBER,
    ]
    assert shop.types(shop.revoked)[-1] == "revealed"
    assert "revealed" not in shop.types(shop.declined)


def test_what_cannot_be_put_on_record_is_not_shown(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise LedgerUnavailable("the disk is full")

    monkeypatch.setattr(Ledger, "act", full)
    for command in (("list", "--reveal"), ("show", shop.revoked, "--reveal")):
        told = shop.shell(*command)
        assert told.status == 1
        assert told == (1, "", "agi-bridge: the disk is full\n")


def test_a_record_is_shown_without_the_person(shop: Shop) -> None:
    for command in (("show", shop.revoked), ("show", shop.revoked, "--json")):
        told = shop.shell(*command)
        assert told.status == 0
        assert not any(secret in told.out + told.err for secret in SECRETS)
    assert "revealed" not in shop.types(shop.revoked)


def test_a_record_is_shown_with_everything_that_happened(shop: Shop) -> None:
    told = shop.shell("show", shop.revoked)
    for part in (
        "Consent to text messages: Example Store",
        shop.revoked,
        "withdrawn on",
        "+1***23",
        "(10 characters)",
        "agree to receive automated texts",
        "23.2 of 23.2 s",
        "1 at 31.5 s (confirm number)",
        "Request to revoke received",
    ):
        assert part in told.out


def test_as_json_events_have_all_that_they_say(shop: Shop) -> None:
    said = shop.shell("show", shop.revoked, "--json").json
    assert [event["type"] for event in said["events"]] == [
        "disclosed",
        "entered",
        "confirmed",
        "submitting",
        "accepted",
        "revocation",
        "revoked",
    ]
    assert said["state"] == "revoked"
    assert said["given_at"] == said["events"][2]["at"]
    assert said["call"]["tz"] == "America/Los_Angeles"
    assert said["disclosure"]["complete"] is True
    assert said["keys"] == [["confirm number", "31.5 s", "1"]]
    assert said["personal"]["number"] == "+1***23"
    assert said["events"][2]["facts"]["act"] == "number_then_1"


def test_a_revealed_record_is_whole_and_says_who_looked(shop: Shop) -> None:
    said = shop.shell("show", shop.revoked, "--reveal", "--json").json
    assert said["personal"] == {
        "number": consent_records.NUMBER,
        "caller_id": consent_records.CALLER,
        "digits": consent_records.NUMBER[2:],
        "forward": consent_records.FORWARD,
    }
    assert said["events"][-1]["type"] == "revealed"
    assert said["events"][-1]["facts"]["command"] == "consents show --reveal"
    assert WORDS in shop.shell("show", shop.revoked, "--reveal").out


def test_a_revocation_is_a_record_of_its_own(shop: Shop) -> None:
    told = shop.shell("show", shop.revocation)
    assert "Revocation of consent: Example Store" in told.out
    assert "waits for a person" in told.out
    assert not any(secret in told.out for secret in SECRETS)
    shop.shell("resolve", shop.revocation, "--as", "passed-on")
    assert "standing           resolved" in shop.shell("show", shop.revocation).out


def test_a_call_without_consent_has_no_person(shop: Shop) -> None:
    said = shop.shell("show", shop.declined, "--json").json
    assert said["personal"] == {}
    assert said["erased"] is False
    assert said["given_at"] is None
    assert said["keys"] == [["disclosure", "11.0 s", "star"]]
    assert "Call without consent" in shop.shell("show", shop.declined).out


def test_control_sequences_of_strangers_do_not_reach_the_terminal(shop: Shop) -> None:
    async def ask(ledger: Ledger) -> str:
        return await ledger.record_message(
            "c-1", "\x1b[2J STOP", reference="m-1", business_id="\x1b]0;x"
        )

    record = shop.ledger(ask)
    told = shop.shell("show", record, "--reveal")
    assert "\x1b" not in told.out
    assert "[2J STOP" in told.out
    assert "Request to stop" in told.out
    assert (
        json.loads(shop.shell("show", record, "--json").out)["personal"]["words"]
        == "(9 characters)"
    )


def test_a_record_that_is_not_there_is_one_line(shop: Shop) -> None:
    told = shop.shell("show", "nothing")
    assert told == (1, "", "agi-bridge: nothing: no such record\n")
    told = shop.shell("show", "019")
    assert told == (2, "", "agi-bridge: 019: give an id, or at least its first 4 digits\n")
    assert shop.shell("show", "ffff").err == "agi-bridge: ffff: no such record\n"


def test_an_id_may_be_cut_short_as_long_as_it_is_no_others(shop: Shop) -> None:
    for record in (shop.unknown, shop.revocation, shop.declined):
        for prefix in (record, record.upper(), f" {record[:-1]}"):
            assert shop.shell("show", prefix, "--json").json["consent_id"] == record
    told = shop.shell("show", shop.unknown[:6])
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(f"agi-bridge: {shop.unknown[:6]}: several records begin so, give")
    assert told.err.endswith(" and more\n")
    assert len(re.findall("[0-9a-f]{8}-[0-9a-f-]{27}", told.err)) == 3


def test_every_command_that_takes_an_id_takes_its_beginning(shop: Shop) -> None:
    cut = {record: record[:-2] for record in (shop.unknown, shop.other)}
    out = shop.folder / "proof"
    exported = shop.shell("export", "--consent", cut[shop.other], "--out", out, "--json")
    assert exported.json["consents"] == [shop.other]
    told = shop.shell("resolve", cut[shop.unknown], "--as", "texted", "--json")
    assert told.json["consent_id"] == shop.unknown
    shop.shell("erase", "--consent", cut[shop.other], "--basis", "request", "--yes")
    assert shop.shell("show", shop.other, "--json").json["erased"] is True
    for command in (
        ("resolve", shop.unknown[:5], "--as", "texted"),
        ("export", "--consent", shop.unknown[:5], "--out", shop.folder / "x"),
        ("erase", "--consent", shop.unknown[:5], "--basis", "request", "--yes"),
    ):
        assert shop.shell(*command).status == 2


@pytest.mark.parametrize("width", [40, 80, 200])
def test_an_id_can_be_copied_whole_from_a_terminal_of_any_width(shop: Shop, width: int) -> None:
    listing = asyncio.run(run(shop.settings, Asked()))
    out = io.StringIO()
    listing.show(Console(file=out, width=width, markup=False, emoji=False, highlight=False))
    lines = out.getvalue().splitlines()
    for record in (shop.revocation, shop.other, shop.unknown, shop.declined, shop.revoked):
        assert [line for line in lines if record in line]
    assert width == 40 or max(map(len, lines)) <= width
    assert "unknown" in out.getvalue()
