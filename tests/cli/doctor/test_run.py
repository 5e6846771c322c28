"""`agi-bridge doctor` from the command line: options, exit codes, JSON, screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from agi_bridge.cli.common import UsageError
from agi_bridge.cli.doctor.run import parse_trial
from agi_bridge.cli.doctor.screen import ReportAnswer
from agi_bridge.doctor import WHY, CallStep, Document, Id, Level, Report, Target, fault, note, ok
from agi_bridge.doctor import not_looked_at as unseen
from tests.support.commands import config, invoke

DOCS = Path(__file__).parents[3] / "docs"

REPORT = Report(
    (
        fault(Id.FALLBACK, "PJSIP/100: it is not registered", "check the telephone", about="x"),
        ok(Id.PBX_VERSION, "Asterisk 22.10.1"),
        note(Id.CLOCK, "nobody keeps it", "install chrony"),
        unseen(Id.SOUNDS, "needs system", "add system to `write`"),
    ),
    (
        CallStep("arrival", ok=True, milliseconds=1234, what="in the ear"),
        CallStep("did", ok=False, milliseconds=1234, what="the number is missing"),
    ),
)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--call", "nonsense"], "--call: write DID@CONTEXT"),
        (["--call", "+14155550111@a,b"], "--call: write DID@CONTEXT"),
        (["--call", "+14155550111@a/n\nAction: x"], "--call: write DID@CONTEXT"),
        (["--listen", "127.0.0.1"], "--listen and --load need --call"),
        (["--load", "3"], "--listen and --load need --call"),
        (["--load", "0", "--call", "1@a"], "Invalid value for '--load'"),
        (["--load", "501", "--call", "1@a"], "Invalid value for '--load'"),
        (["--call", "1@a", "--listen", "pbx.example"], "--listen: write ADDRESS"),
        (["--call", "1@a", "--listen", "192.0.2.1:99999"], "--listen: write ADDRESS"),
        (["--call", "1@a", "--listen", "::"], "--listen: write the one address"),
        (["--call", "1@a", "--listen", "0.0.0.0"], "--listen: write the one address"),  # noqa: S104 - the address that the test refuses
        (["--config", "/nonexistent.toml"], "the configuration is wrong"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], problem: str
) -> None:
    code, out, err = invoke("doctor", *arguments)
    assert code == 2
    assert out == ""
    assert problem in err
    assert "Traceback" not in err


def test_the_options_of_a_call_are_read() -> None:
    assert parse_trial("", "", 0) is None
    trial = parse_trial("+14155550111@from-trunk", "[2001:db8::1]:4574", 7)
    assert trial is not None
    assert trial.target == Target("+14155550111", "from-trunk")
    assert (trial.host, trial.port, trial.load) == ("2001:db8::1", 4574, 7)
    bare = parse_trial("1@a", "2001:db8::1", 0)
    assert bare is not None
    assert (bare.host, bare.port) == ("2001:db8::1", 0)
    there = parse_trial("s@from-dahdi", "192.0.2.20", 0)
    assert there is not None
    assert (there.host, there.port) == ("192.0.2.20", 0)
    with pytest.raises(UsageError):
        parse_trial("1@a", "999.1.1.1.1:1:1", 0)


def test_a_call_to_a_pbx_elsewhere_needs_listen(tmp_path: Path) -> None:
    file = config(tmp_path)
    file.write_text(file.read_text() + '[ami]\nhost = "192.0.2.9"\n')
    code, _, err = invoke("doctor", "--config", str(file), "--call", "1@a")
    assert code == 2
    assert "--listen" in err


def test_the_report_of_a_machine_without_a_pbx_is_json_of_the_schema(tmp_path: Path) -> None:
    code, out, err = invoke("doctor", "--json", "--config", str(config(tmp_path)))
    document = Document.model_validate_json(out)
    assert err == ""
    assert code == (0 if document.ok else 1)
    assert document.faults == sum(each.level is Level.FAULT for each in document.findings)
    ids = {each.id: each.level for each in document.findings}
    assert ids[Id.PBX_REACH] is Level.NOT_LOOKED_AT
    assert ids[Id.SERVICE] is Level.FAULT
    assert {Id.LEDGER, Id.KEYS, Id.DISK, Id.HOOK_TLS, Id.PROMPTS, Id.CLOCK} <= set(ids)


@pytest.mark.parametrize("which", [Id.CALL, Id.LOAD])
def test_a_call_that_was_asked_for_and_not_placed_is_no_success(which: Id) -> None:
    assert Report((ok(Id.CODECS, "ulaw"), unseen(Id.SOUNDS, "needs system", "add system"))).ok
    assert not Report((ok(Id.CODECS, "ulaw"), unseen(which, "needs originate", "add originate"))).ok


def test_the_published_schema_is_the_documents() -> None:
    schema = json.loads((DOCS / "doctor.schema.json").read_text())
    assert schema == TypeAdapter(Document).json_schema(mode="serialization")


def test_every_finding_is_documented_and_has_a_reason() -> None:
    text = (DOCS / "doctor.md").read_text()
    assert {each for each in Id if f"| `{each}` |" not in text} == set()
    assert set(WHY) == set(Id)


def screen(report: Report, **options: Any) -> list[str]:
    console = Console(width=80, record=True, file=open("/dev/null", "w"), **options)  # noqa: SIM115, PTH123 - rich keeps it open
    with console.file:
        ReportAnswer(report).show(console)
    return console.export_text().splitlines()


def test_faults_stand_last_and_lines_fit_eighty_columns() -> None:
    long = "a telephone that rings for a long time and is answered by nobody " * 4
    wide = Report((fault(Id.FALLBACK, long, long), ok(Id.CODECS, long), *REPORT.findings))
    lines = screen(wide, force_terminal=True)
    assert max(map(len, lines)) <= 80
    levels = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert levels[:-1] == ["ok", "ok", "unseen", "note", "fault", "fault"]
    assert lines[-1] == "2 faults, 1 note, 1 not looked at"


def test_the_steps_of_a_call_have_their_milliseconds() -> None:
    lines = screen(REPORT)
    assert any(line.split()[:5] == ["ok", "call", "arrival", "1,234", "ms"] for line in lines)
    assert any(line.startswith("fault  call did") for line in lines)


def test_the_exit_code_follows_faults_alone() -> None:
    assert not ReportAnswer(REPORT).ok
    assert ReportAnswer(Report(REPORT.findings[1:])).ok
