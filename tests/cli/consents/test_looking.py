"""`consents list` and `show`: masked, unless the ledger records who reveals the numbers."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from agi_bridge.cli.consents.list_ import Listing
from agi_bridge.consent import Filter, LedgerUnavailable
from agi_bridge.consent.ledger import Ledger
from tests.support import consent_records
from tests.support.sample_ledger import WORDS

if TYPE_CHECKING:
    from tests.support.sample_ledger import SampleLedger

NUMBERS = [
    number[2:] for number in (consent_records.NUMBER, consent_records.OTHER, consent_records.THIRD)
]
SECRETS = (*NUMBERS, consent_records.CALLER[2:], consent_records.FORWARD[2:], WORDS)


def ids(rows: list[dict[str, str]]) -> list[str]:
    return [each["consent_id"] for each in rows]


def test_the_list_is_newest_first_and_masked(sample: SampleLedger) -> None:
    document = sample.shell("list", "--json").json
    assert ids(document) == [
        sample.revocation,
        sample.other,
        sample.unknown,
        sample.declined,
        sample.revoked,
    ]
    assert document[-1] == {
        "consent_id": sample.revoked,
        "kind": "consent",
        "number": "+1***23",
        "line": "shop",
        "brand": "Example Store",
        "state": "revoked",
        "unfinished": False,
        "overdue": False,
        "at": document[-1]["at"],
        "last_at": document[-1]["last_at"],
        "erased": False,
        "restricted_until": None,
        "lookup": None,
        "damaged": False,
    }
    assert document[3]["number"] is None


@pytest.mark.parametrize("command", [("list",), ("list", "--json")])
def test_no_command_shows_a_number_without_reveal(
    sample: SampleLedger, command: tuple[str, ...]
) -> None:
    result = sample.shell(*command)
    assert result.status == 0
    assert not any(secret in result.out + result.err for secret in SECRETS)


def test_filters_narrow_the_list(sample: SampleLedger) -> None:
    def listed(*options: str) -> list[str]:
        return ids(sample.shell("list", "--json", *options).json)

    everything = listed()
    assert listed("--number", "415 555 0123") == [sample.revocation, sample.revoked]
    assert listed("--state", "unknown") == [sample.unknown]
    assert listed("--open") == [sample.revocation, sample.unknown]
    assert listed("--limit", "2") == everything[:2]
    assert listed("--line", "+14155550111") == everything[1:]
    assert listed("--since", "2026-01-01", "--until", "9000-01-01") == everything
    assert listed("--until", "2026-01-01") == listed("--since", "9000-01-01") == []


def test_an_empty_list_is_a_success(sample: SampleLedger) -> None:
    assert sample.shell("list", "--until", "2000-01-01") == (0, "none\n", "")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--state", "agreed"), "--state: must be one of disclosed, entered, confirmed"),
        (("--line", "nobody"), "--line: no line has that name"),
        (("--number", "415"), "--number: not a phone number"),
        (("--since", "today"), "--since: write a date"),
    ],
)
def test_an_invalid_filter_is_misuse(
    sample: SampleLedger, options: tuple[str, ...], problem: str
) -> None:
    result = sample.shell("list", *options)
    assert result.status == 2
    assert result.err.startswith(f"agi-bridge: {problem}")


def test_reveal_is_recorded_for_each_record_shown(sample: SampleLedger) -> None:
    document = sample.shell("list", "--reveal", "--json").json
    assert [each["number"] for each in document] == [
        consent_records.NUMBER,
        consent_records.THIRD,
        consent_records.OTHER,
        None,
        consent_records.NUMBER,
    ]
    assert sample.types(sample.revoked)[-1] == "revealed"
    assert "revealed" not in sample.types(sample.declined)


def test_nothing_is_revealed_if_it_cannot_be_recorded(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise LedgerUnavailable("the disk is full")

    monkeypatch.setattr(Ledger, "record_act", full)
    for command in (("list", "--reveal"), ("show", sample.revoked, "--reveal")):
        result = sample.shell(*command)
        assert result.status == 1
        assert result == (1, "", "agi-bridge: the disk is full\n")


def test_a_record_is_shown_without_personal_data(sample: SampleLedger) -> None:
    for command in (("show", sample.revoked), ("show", sample.revoked, "--json")):
        result = sample.shell(*command)
        assert result.status == 0
        assert not any(secret in result.out + result.err for secret in SECRETS)
    assert "revealed" not in sample.types(sample.revoked)


def test_a_record_is_shown_with_all_its_events(sample: SampleLedger) -> None:
    result = sample.shell("show", sample.revoked)
    for part in (
        "Consent to text messages: Example Store",
        sample.revoked,
        "withdrawn on",
        "+1***23",
        "(10 characters)",
        "agree to receive automated texts",
        "23.2 of 23.2 s",
        "key 1 pressed, 1.5 s into “confirm-number”",
        "Request to revoke received",
    ):
        assert part in result.out


def test_json_events_contain_their_whole_body(sample: SampleLedger) -> None:
    document = sample.shell("show", sample.revoked, "--json").json
    assert [event["type"] for event in document["events"]] == [
        "disclosed",
        "entered",
        "confirmed",
        "submitting",
        "accepted",
        "revocation",
        "revoked",
    ]
    assert document["state"] == "revoked"
    assert document["given_at"] == document["events"][2]["at"]
    assert document["call"]["tz"] == "America/Los_Angeles"
    assert document["disclosure"]["complete"] is True
    assert document["keys"] == [["confirm-number", "0.0 s", "1"]]
    assert document["personal"]["number"] == "+1***23"
    assert document["events"][2]["facts"]["act"] == "number_then_1"


def test_a_revealed_record_is_complete_and_names_who_revealed_it(sample: SampleLedger) -> None:
    document = sample.shell("show", sample.revoked, "--reveal", "--json").json
    assert document["personal"] == {
        "number": consent_records.NUMBER,
        "caller_id": consent_records.CALLER,
        "digits": consent_records.NUMBER[2:],
        "forward": consent_records.FORWARD,
    }
    assert document["events"][-1]["type"] == "revealed"
    assert document["events"][-1]["facts"]["command"] == "consents show --reveal"
    assert WORDS in sample.shell("show", sample.revoked, "--reveal").out


def test_a_revocation_is_shown_as_its_own_record(sample: SampleLedger) -> None:
    result = sample.shell("show", sample.revocation)
    assert "Revocation of consent: Example Store" in result.out
    assert "waits for a person" in result.out
    assert not any(secret in result.out for secret in SECRETS)
    sample.shell("resolve", sample.revocation, "--as", "passed-on")
    assert "status             resolved" in sample.shell("show", sample.revocation).out


def test_a_call_without_consent_has_no_personal_data(sample: SampleLedger) -> None:
    document = sample.shell("show", sample.declined, "--json").json
    assert document["personal"] == {}
    assert document["erased"] is False
    assert document["given_at"] is None
    assert document["keys"] == [["disclosure", "0.0 s", "star"]]
    assert "Call without consent" in sample.shell("show", sample.declined).out


def test_control_sequences_from_outside_do_not_reach_the_terminal(
    sample: SampleLedger,
) -> None:
    async def ask(ledger: Ledger) -> str:
        return await ledger.record_message(
            "c-1", "\x1b[2J STOP", reference="m-1", business_id="\x1b]0;x"
        )

    record = sample.ledger(ask)
    result = sample.shell("show", record, "--reveal")
    assert "\x1b" not in result.out
    assert "[2J STOP" in result.out
    assert "Request to stop" in result.out
    assert (
        json.loads(sample.shell("show", record, "--json").out)["personal"]["words"]
        == "(9 characters)"
    )


def test_an_unknown_record_is_one_line(sample: SampleLedger) -> None:
    result = sample.shell("show", "nothing")
    assert result == (1, "", "agi-bridge: nothing: no such record\n")
    result = sample.shell("show", "019")
    assert result == (2, "", "agi-bridge: 019: give an id, or at least its first 4 digits\n")
    assert sample.shell("show", "ffff").err == "agi-bridge: ffff: no such record\n"


def test_a_unique_prefix_of_an_id_is_enough(sample: SampleLedger) -> None:
    for record in (sample.unknown, sample.revocation, sample.declined):
        for prefix in (record, record.upper(), f" {record[:-1]}"):
            assert sample.shell("show", prefix, "--json").json["consent_id"] == record
    result = sample.shell("show", sample.unknown[:6])
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(
        f"agi-bridge: {sample.unknown[:6]}: several records start with this"
    )
    assert result.err.endswith(" and more\n")
    assert len(re.findall("[0-9a-f]{8}-[0-9a-f-]{27}", result.err)) == 3


def test_every_command_that_takes_an_id_takes_a_prefix(sample: SampleLedger) -> None:
    cut = {record: record[:-2] for record in (sample.unknown, sample.other)}
    out = sample.folder / "proof"
    exported = sample.shell("export", "--consent", cut[sample.other], "--out", out, "--json")
    assert exported.json["records"] == 1
    result = sample.shell("resolve", cut[sample.unknown], "--as", "texted", "--json")
    assert result.json["consent_id"] == sample.unknown
    sample.shell("erase", "--consent", cut[sample.other], "--basis", "request", "--yes")
    assert sample.shell("show", sample.other, "--json").json["erased"] is True
    for command in (
        ("resolve", sample.unknown[:5], "--as", "texted"),
        ("export", "--consent", sample.unknown[:5], "--out", sample.folder / "x"),
        ("erase", "--consent", sample.unknown[:5], "--basis", "request", "--yes"),
    ):
        assert sample.shell(*command).status == 2


@pytest.mark.parametrize("width", [40, 80, 200])
def test_an_id_can_be_copied_whole_from_a_terminal_of_any_width(
    sample: SampleLedger, width: int
) -> None:
    found = sample.ledger(lambda ledger: ledger.summaries(Filter()))
    listing = Listing(tuple(found), {})
    out = io.StringIO()
    listing.show(Console(file=out, width=width, markup=False, emoji=False, highlight=False))
    lines = out.getvalue().splitlines()
    for record in (
        sample.revocation,
        sample.other,
        sample.unknown,
        sample.declined,
        sample.revoked,
    ):
        assert [line for line in lines if record in line]
    assert width == 40 or max(map(len, lines)) <= width
    assert "unknown" in out.getvalue()
