"""`consents revoke`, `resolve` and `erase`: requests that arrive outside the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from agi_bridge.cli.main import app
from tests.support import consent_records
from tests.support.consents_commands import Shell, configured

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent import ActiveConsent
    from agi_bridge.consent.ledger import Ledger
    from tests.support.sample_ledger import SampleLedger


def facts(sample: SampleLedger, record: str) -> list[dict[str, Any]]:
    """What a record's events say."""
    return [dict(row.fields) for row in sample.ledger(lambda ledger: ledger.rows_of(record))]


def live(sample: SampleLedger, number: str) -> ActiveConsent | None:
    found: ActiveConsent | None = sample.ledger(
        lambda ledger: ledger.active_consent(number, "Example Store", "info")
    )
    return found


def test_a_revocation_ends_the_consent_at_once(sample: SampleLedger) -> None:
    assert live(sample, consent_records.OTHER) is not None
    result = sample.shell(
        "revoke", "--number", "(415) 555-0166", "--line", "shop", "--words", "no more",
        "--received", "2026-11-20", "--json",
    )  # fmt: skip
    assert result.status == 0
    assert result.json == {
        "revocation": result.json["revocation"],
        "scope": "seller",
        "brand": "Example Store",
        "seller": "Example Store",
        "consents": 1,
        "under_way": 0,
        "already": False,
        "passed_on": False,
    }
    assert live(sample, consent_records.OTHER) is None
    [event] = facts(sample, result.json["revocation"])
    assert event["received"] == "2026-11-20T00:00:00.000Z"
    assert event["channel"] == "command"
    assert event["actor"]
    assert consent_records.OTHER not in str(event)
    assert "no more" not in str(event)


def test_a_missing_recording_does_not_prevent_a_revocation(
    sample: SampleLedger,
) -> None:
    shell = configured(sample.folder, disclosure="not-recorded-yet")
    assert shell("revoke", "--number", consent_records.OTHER).status == 0
    assert shell("list").status == 0
    assert shell("optin-page", "--line", "shop").status == 2


def test_without_a_brand_every_brand_is_revoked(sample: SampleLedger) -> None:
    result = sample.shell("revoke", "--number", consent_records.THIRD, "--passed-on")
    assert result.status == 0
    assert "for every brand, 1 consent ended" in result.out
    assert "Tell the platform" not in result.out
    record = result.out.split()[1]
    assert "honoured; known to the platform" in sample.shell("show", record).out
    assert "revocation   +1***77          every " in sample.shell("list").out
    assert sample.types(sample.other)[-1] == "revoked"


def test_the_answer_says_how_to_report_that_the_platform_knows(sample: SampleLedger) -> None:
    result = sample.shell("revoke", "--number", consent_records.THIRD, "--brand", "example store ")
    assert "for Example Store, no consents ended" in result.out
    assert "--as passed-on" in result.out


def test_the_same_reference_again_changes_nothing(sample: SampleLedger) -> None:
    for already in ("revocation", "already on record: revocation"):
        result = sample.shell(
            "revoke", "--number", consent_records.OTHER, "--reference", "ticket-7"
        )
        assert result.out.startswith(already)
    assert sample.types(sample.unknown).count("revoked") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--brand", "Exampel Store"), "--brand: no line has it; the brands are: Example Store"),
        (("--brand", "Example Store", "--line", "shop"), "--brand and --line: name one"),
        (("--line", "nobody"), "--line: no line"),
        (("--received", "today"), "--received: write a date"),
        (("--received", "2999-01-01"), "--received: is in the future"),
    ],
)
def test_a_revocation_that_would_have_no_effect_is_misuse(
    sample: SampleLedger, options: tuple[str, ...], problem: str
) -> None:
    result = sample.shell("revoke", "--number", consent_records.OTHER, *options)
    assert result.status == 2
    assert result.err.startswith(f"agi-bridge: {problem}")
    assert live(sample, consent_records.OTHER) is not None


def test_an_unknown_outcome_is_resolved_once(sample: SampleLedger) -> None:
    result = sample.shell(
        "resolve", sample.unknown, "--as", "not-texted", "--note", "platform's log", "--json"
    )
    assert result.json == {"consent_id": sample.unknown, "as": "not-texted"}
    event = facts(sample, sample.unknown)[-1]
    assert (event["type"], event["as"], event["note"]) == (
        "resolved",
        "not-texted",
        "platform's log",
    )
    assert sample.unknown not in sample.shell("list", "--open").out
    again = sample.shell("resolve", sample.unknown, "--as", "texted")
    assert again.status == 2
    assert "does not wait for a person" in again.err


def test_revocations_and_messages_have_their_own_resolutions(
    sample: SampleLedger,
) -> None:
    async def ask(ledger: Ledger) -> str:
        return await ledger.record_message("customer-1", "STOP", reference="m-1")

    message = sample.ledger(ask)
    result = sample.shell("resolve", sample.revocation, "--as", "texted")
    assert result.err == "agi-bridge: --as: must be one of passed-on for this record\n"
    assert sample.shell("resolve", sample.revocation, "--as", "passed-on").status == 0
    result = sample.shell("resolve", message, "--as", "done")
    assert result.out == f"{message}: resolved as done\n"


def test_a_settled_or_unknown_record_is_not_resolved(sample: SampleLedger) -> None:
    result = sample.shell("resolve", sample.revoked, "--as", "texted")
    assert (result.status, result.err.count("\n")) == (2, 1)
    result = sample.shell("resolve", "nothing", "--as", "texted")
    assert result == (1, "", "agi-bridge: nothing: no such record\n")
    assert sample.shell("resolve", sample.unknown, "--as", "perhaps").status == 2


def test_a_note_with_a_number_is_refused(sample: SampleLedger) -> None:
    result = sample.shell(
        "resolve", sample.unknown, "--as", "texted", "--note", consent_records.OTHER
    )
    assert result.status == 2
    assert consent_records.OTHER not in result.err
    assert "resolved" not in sample.types(sample.unknown)


def test_erasing_removes_personal_data_and_the_chain_still_verifies(
    sample: SampleLedger,
) -> None:
    result = sample.shell(
        "erase",
        "--number",
        consent_records.NUMBER,
        "--basis",
        "request of the person",
        "--yes",
        "--json",
    )
    assert result.json == {"found": 2, "done": 2, "calls": 0, "restricted_until": None}
    assert sample.ledger(lambda ledger: ledger.personal_data(sample.revoked)) is None
    event = facts(sample, sample.revoked)[-1]
    assert (event["type"], event["basis"]) == ("erased", "request of the person")
    sample.shell("checkpoint")
    assert sample.shell("verify").status == 3  # unwitnessed
    assert "personal data      erased" in sample.shell("show", sample.revoked).out
    listed = {each["consent_id"]: each for each in sample.shell("list", "--json").json}
    assert listed[sample.revoked]["erased"] is True
    assert "erased" in sample.shell("list").out


def test_erasing_asks_for_confirmation(sample: SampleLedger) -> None:
    options = ("erase", "--consent", sample.unknown, "--basis", "request")
    result = sample.shell(*options, typed="n\n")
    assert result.status == 1
    assert result.out.endswith("nothing was done\n")
    assert "Erase the personal data of 1 record? This cannot be undone." in result.err
    assert sample.ledger(lambda ledger: ledger.personal_data(sample.unknown)) is not None
    assert sample.shell(*options, typed="y\n").status == 0
    assert sample.ledger(lambda ledger: ledger.personal_data(sample.unknown)) is None
    result = sample.shell(*options, "--yes")
    assert result.out.startswith("personal data erased: 0 of 1 record\n")


def test_restricting_keeps_personal_data_for_legal_claims(sample: SampleLedger) -> None:
    options = ("--consent", sample.unknown, "--basis", "claim", "--yes")
    result = sample.shell("erase", *options, "--restrict", "--until", "2999-12-31")
    assert result.out == (
        "personal data restricted until 3000-01-01T00:00:00.000Z: 1 of 1 record\n"
    )
    assert facts(sample, sample.unknown)[-1]["type"] == "restricted"
    result = sample.shell("erase", *options)
    assert result.out.startswith("personal data erased: 0 of 1 record\n")
    assert sample.ledger(lambda ledger: ledger.personal_data(sample.unknown)) is not None
    listed = sample.shell("list", "--number", consent_records.OTHER, "--json").json
    assert listed[0]["restricted_until"] == "3000-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("options", "status", "problem"),
    [
        (("--basis", "x"), 2, "name one of --number and --consent"),
        (("--basis", "x", "--number", "1", "--consent", "1"), 2, "name one of"),
        (("--basis", "x", "--consent", "1", "--restrict"), 2, "--restrict and --until DATE go"),
        (("--basis", "x", "--consent", "1", "--until", "2999-01-01"), 2, "--restrict and --until"),
        (("--basis", consent_records.NUMBER, "--consent", "1"), 2, "--basis: leave the number out"),
        (("--basis", "x", "--consent", "nothing"), 1, "nothing: no such record"),
        (("--basis", "x", "--number", "+14155550999"), 1, "--number: nothing is on record"),
    ],
)
def test_an_erasure_that_fails_is_one_line(
    sample: SampleLedger, options: tuple[str, ...], status: int, problem: str
) -> None:
    result = sample.shell("erase", "--yes", *options)
    assert result.status == status
    assert result.err.startswith(f"agi-bridge: {problem}")


def test_no_command_creates_a_ledger(tmp_path: Path) -> None:
    shell: Shell = configured(tmp_path)
    for command in (
        ("list",),
        ("show", "x"),
        ("verify",),
        ("export", "--all", "--out", tmp_path / "out"),
        ("revoke", "--number", consent_records.NUMBER),
        ("resolve", "x", "--as", "done"),
        ("erase", "--consent", "x", "--basis", "x"),
        ("retain",),
        ("checkpoint",),
        ("upgrade",),
    ):
        result = shell(*command)
        assert result.status == 1, command
        assert "no ledger is there" in result.err
        assert result.err.count("\n") == 1
    assert not (tmp_path / "state").exists()


def test_a_wrong_configuration_is_misuse(tmp_path: Path) -> None:
    shell = configured(tmp_path)
    shell.config.write_text("lines = 1", encoding="utf-8")
    result = shell("list")
    assert result.status == 2
    assert "the configuration is wrong" in result.err


def test_the_former_name_of_the_opt_in_page_still_works_and_is_hidden(
    sample: SampleLedger,
) -> None:
    options = ("--line", "shop", "--date", "2026-11-23")
    assert sample.shell("workflow", *options) == sample.shell("optin-page", *options)
    listed = CliRunner().invoke(app, ["consents", "--help"]).stdout
    assert "optin-page" in listed
    assert "workflow" not in listed
