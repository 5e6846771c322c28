"""An export: whole, readable, on record, and of nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.app.ledger import load_keys, open_ledger
from agi_bridge.cli.common import PENDING
from agi_bridge.cli.consents.verify import Verified
from agi_bridge.consent import ConsentRecord, State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from agi_bridge.evidence.export import create_archive, pages, verify
from agi_bridge.evidence.export.collect import Collector
from agi_bridge.evidence.export.verify import verify_export
from agi_bridge.evidence.export.writer import ExportWriter
from agi_bridge.evidence.verify import Value
from tests.support import consent_records
from tests.support.evidence_ledger import SENDING
from tests.support.openssl import search_path
from tests.support.sample_ledger import WORDS

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.evidence.verify import Report
    from tests.support.sample_ledger import SampleLedger

NAMES = {
    "SHA256SUMS",
    "SHA256SUMS.sig",
    "VERIFY.txt",
    "certificate.html",
    "chain.jsonl",
    "check.py",
    "checkpoints.jsonl",
    "index.html",
    "manifest.json",
    "opened.jsonl",
    "signer.pem",
}


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def bodies(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "chain.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [each[1] for each in entries if isinstance(each, list) and isinstance(each[1], dict)]


def opened(folder: Path) -> dict[str, dict[str, str]]:
    lines = (folder / "opened.jsonl").read_text(encoding="utf-8").splitlines()
    return {values.pop("consent_id"): values for values in map(json.loads, lines)}


def value(folder: Path) -> str:
    return verify_export(folder)[0].value.value


def page(folder: Path, name: str = "index.html") -> str:
    return (folder / name).read_text(encoding="utf-8")


@pytest.mark.programs
def test_events_that_their_bridge_has_not_signed_yet_are_pending(
    sample: SampleLedger, tmp_path: Path
) -> None:
    """Both verifiers say so, with a separate exit code; nothing fails."""
    keys, _ = load_keys(sample.settings)

    async def without_signing(ledger: Ledger) -> Report:
        played = consent_records.heard(sample.settings.state_dir)
        await consent_records.declined(ledger, played)
        with create_archive(tmp_path / "out") as archive:
            writer = ExportWriter(archive)
            async with ledger.moment() as moment:
                await Collector(moment, writer, everything=True).collect([])
            return await asyncio.to_thread(writer.finish, keys)

    report = sample.ledger(without_signing)
    assert report.anchored.value is report.value is Value.PENDING
    assert Verified(report).exit_code == PENDING
    checked = subprocess.run(  # noqa: S603 - the export's own program
        [sys.executable, tmp_path / "out" / "check.py", keys.ledger_id, "--in", tmp_path / "out"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": search_path(tmp_path)},
    )
    assert checked.returncode == PENDING, checked.stdout + checked.stderr


def test_of_one_consent_everything_stands_on_one_page(export: Path) -> None:
    assert {name for name in names(export) if "/" not in name} == NAMES
    shown = page(export)
    for part in (
        consent_records.NUMBER,
        "Example Store Inc.",
        "+14155550111",
        "number keyed, read back whole, question heard, then 1 pressed",
        "key 1 pressed, 1.5 s into “confirm-number”",
        "another number than the one that was keyed",
        "agree to receive automated texts from Example Store",
        "Played to its end",
        "Request accepted by the platform",
        "withdrawn on ",
        WORDS,
        "Proof exported",
        "PST",
        " UTC",
    ):
        assert part in shown
    assert "No time stamping authority witnessed them" in shown
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", shown)


def test_text_and_sound_lie_beside_it_under_their_hashes(export: Path) -> None:
    disclosed = next(body for body in bodies(export) if body["type"] == "disclosed")
    text = export / "texts" / f"{disclosed['disclosure_sha256']}.txt"
    sound = export / "audio" / f"{disclosed['audio_sha256']}.wav"
    assert hashlib.sha256(text.read_bytes()).hexdigest() == text.stem
    assert hashlib.sha256(sound.read_bytes()).hexdigest() == sound.stem
    assert f'src="audio/{sound.name}"' in page(export)


def test_it_shows_the_events_of_this_person_and_hashes_of_others(
    export: Path, original: SampleLedger
) -> None:
    mine = {original.revoked, original.revocation}
    of_records = [body for body in bodies(export) if body["type"] != "opened"]
    assert {body["consent_id"] for body in of_records} == mine
    everything = b"".join(path.read_bytes() for path in export.rglob("*") if path.is_file())
    for other in (
        consent_records.OTHER,
        consent_records.THIRD,
        original.unknown,
        original.other,
        original.declined,
    ):
        assert other.encode() not in everything
    chain = (export / "chain.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(chain) > len(bodies(export)) + 1


def test_opened_json_has_what_opens_the_commitments(export: Path, original: SampleLedger) -> None:
    found = opened(export)
    assert found.keys() == {original.revoked, original.revocation}
    assert found[original.revoked]["number"] == consent_records.NUMBER
    assert found[original.revoked]["forward"] == consent_records.FORWARD
    assert found[original.revocation]["words"] == WORDS
    assert len(bytes.fromhex(found[original.revoked]["salt"])) == 32


def test_it_is_on_record_before_anything_is_written(sample: SampleLedger) -> None:
    result = sample.shell(
        "export",
        "--consent",
        sample.revoked,
        "--out",
        sample.folder / "no" / "export",
    )
    problem = f"agi-bridge: {sample.folder}/no/export: No such file or directory\n"
    assert result == (1, "", problem)
    assert sample.types(sample.revoked)[-1] == "exported"


def test_who_exported_stands_in_the_event(export: Path) -> None:
    exported = next(body for body in bodies(export) if body["type"] == "exported")
    assert exported["command"] == "consents export --consent"
    assert exported["actor"]
    assert consent_records.NUMBER not in json.dumps(exported)


def test_the_head_is_signed_so_that_the_last_event_is_anchored(export: Path) -> None:
    last = (export / "checkpoints.jsonl").read_text(encoding="ascii").splitlines()[-1]
    assert json.loads(last)["seq"] == max(body["seq"] for body in bodies(export))


def test_by_number_it_has_all_that_is_on_record_of_it(sample: SampleLedger) -> None:
    out = sample.folder / "by-number"
    result = sample.shell("export", "--number", "415-555-0123", "--out", out, "--json")
    assert result.status == 0
    assert result.json["records"] == 2  # the consent and its revocation
    assert result.json["verdicts"]["value"] == "trusting"  # no authority stamps
    assert result.json["out"] == str(out)


def test_a_zip_holds_what_the_folder_would(sample: SampleLedger) -> None:
    copy = sample.folder / "copy"
    shutil.copytree(sample.folder / "state", copy)
    out = sample.folder / "export.zip"
    assert sample.shell("export", "--consent", sample.unknown, "--out", out).status == 0
    with zipfile.ZipFile(out) as made:
        assert set(made.namelist()) >= NAMES
        made.extractall(sample.folder / "unpacked")
    assert value(sample.folder / "unpacked") == value(out) == "trusting"


def test_several_records_have_a_page_each(sample: SampleLedger) -> None:
    out = sample.folder / "all"
    result = sample.shell("export", "--all", "--out", out)
    assert result.status == 0, result
    for record in (
        sample.revoked,
        sample.unknown,
        sample.other,
        sample.declined,
    ):
        assert f'href="records/{record}.html"' in page(out)
        assert record in page(out, f"records/{record}.html")
    assert 'src="../audio/' in page(out, f"records/{sample.revoked}.html")
    assert "Call without consent" in page(out)
    chain = (out / "chain.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(chain) == len(bodies(out)) + 1
    assert bodies(out)[0]["type"] == "opened"
    assert bodies(out)[-1]["type"] == "exported"
    act = bodies(out)[-1]["consent_id"]
    result = sample.shell("show", act)
    assert result == (1, "", f"agi-bridge: {act}: no such record\n")
    assert value(out) == "trusting"


def test_of_many_records_none_has_a_page_and_no_window_is_kept(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_RECORDS", 1)
    monkeypatch.setattr(verify, "_STEP", 1)
    out = sample.folder / "all"
    assert sample.shell("export", "--all", "--out", out).status == 0
    assert not any(name.startswith("records/") for name in names(out))
    report, contents = verify_export(out)
    assert report.value is Value.TRUSTING
    assert (contents.windows, contents.rows) == ({}, {})


def test_nothing_of_the_ledger_becomes_markup(sample: SampleLedger) -> None:
    out = sample.folder / "export"
    assert sample.shell("export", "--consent", sample.other, "--out", out).status == 0
    assert "<script" not in page(out)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in page(out)


def test_an_erased_consent_is_exported_without_the_person(sample: SampleLedger) -> None:
    done = sample.shell("erase", "--number", consent_records.NUMBER, "--basis", "request", "--yes")
    assert done.status == 0
    out = sample.folder / "export"
    assert sample.shell("export", "--consent", sample.revoked, "--out", out).status == 0
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for gone in (
        consent_records.NUMBER[2:],
        consent_records.CALLER[2:],
        consent_records.FORWARD[2:],
        WORDS,
    ):
        assert gone.encode() not in everything
    assert opened(out) == {}
    assert "personal data of this record has been erased" in page(out)
    assert value(out) == "trusting"


def test_a_returning_callers_export_has_the_consent_that_it_rests_on(
    sample: SampleLedger,
) -> None:
    async def returns(ledger: Ledger) -> str:
        record = ConsentRecord(replace(consent_records.CALL, caller_id=consent_records.OTHER))
        record.returned(sample.unknown, region="US")
        record.submitting(SENDING)
        await ledger.append(record.take())
        record.submission_ended(
            State.ACCEPTED, reason="dial", status=200, attempts=1, answer="b" * 64
        )
        await ledger.append(record.take())
        return record.id

    record = sample.ledger(returns)
    out = sample.folder / "export"
    result = sample.shell("export", "--consent", record, "--out", out, "--json")
    assert result.json["records"] == 2
    assert "Text under an earlier consent" in page(out)
    assert value(out) == "trusting"


def test_a_recording_that_is_not_kept_is_said_to_be_missing(sample: SampleLedger) -> None:
    async def unregistered(ledger: Ledger) -> str:
        played = replace(consent_records.heard(sample.folder), audio_sha256="9" * 64)
        return await consent_records.accepted(ledger, played, "+14155550188")

    record = sample.ledger(unregistered)
    out = sample.folder / "export"
    result = sample.shell("export", "--consent", record, "--out", out)
    assert result.status == 1
    assert "the recording 9999999999999999 is missing" in result.out
    assert "The recording itself is not on record" in page(out)
    assert "<audio" not in page(out)


def test_the_same_state_gives_the_same_bytes(sample: SampleLedger) -> None:
    async def twice() -> list[dict[str, str]]:
        made = []
        async with await open_ledger(sample.settings) as ledger:
            keys = load_keys(sample.settings)[0]
            for name in ("one", "two"):
                folder = sample.folder / name
                folder.mkdir()
                writer = ExportWriter(folder)
                await Collector(ledger, writer, everything=False).collect([sample.revoked])
                writer.finish(keys)
                made.append(
                    {
                        each: hashlib.sha256((folder / each).read_bytes()).hexdigest()
                        for each in names(folder)
                    }
                )
        return made

    one, two = asyncio.run(twice())
    assert one == two


def test_two_bridges_on_one_ledger_are_both_in_it(sample: SampleLedger) -> None:
    async def elsewhere() -> str:
        own = load_keys(sample.settings)[0]
        keys = replace(own, signing=generate_keys().signing)
        place = sample.settings.ledger_place
        async with await Ledger.open(place, keys) as ledger:
            record = await consent_records.accepted(
                ledger, consent_records.heard(sample.folder), "+14155550188"
            )
            await ledger.checkpoint()
        return record

    record = asyncio.run(elsewhere())
    out = sample.folder / "export"
    result = sample.shell("export", "--consent", record, "--out", out, "--json")
    # What this bridge put on record is signed by it; the rest is as the other one left it.
    assert result.json["verdicts"]["value"] == "trusting", result
    assert len(result.json["verdicts"]["chains"]) == 2
    assert value(out) == "trusting"


def test_what_another_bridge_stored_last_is_anchored_by_our_checkpoint(
    sample: SampleLedger,
) -> None:
    async def elsewhere() -> str:
        own = load_keys(sample.settings)[0]
        keys = replace(own, signing=generate_keys().signing)
        async with await Ledger.open(sample.settings.ledger_place, keys) as ledger:
            return await consent_records.accepted(
                ledger, consent_records.heard(sample.folder), "+14155550188"
            )

    record = asyncio.run(elsewhere())
    out = sample.folder / "export"
    assert sample.shell("export", "--consent", record, "--out", out).status == 0
    assert value(out) == "trusting"


def test_a_place_that_takes_no_checkpoint_is_named(sample: SampleLedger) -> None:
    (sample.folder / "state" / "checkpoints.jsonl").unlink(missing_ok=True)
    (sample.folder / "state" / "checkpoints.jsonl").mkdir()
    result = sample.shell("export", "--consent", sample.unknown, "--out", sample.folder / "export")
    assert result.status == 0
    assert "checkpoint not sent: file" in result.out


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        ((), 2, "name one of --number, --consent and --all"),
        (("--all", "--number", consent_records.NUMBER), 2, "name one of"),
        (("--number", "415"), 2, "--number: not a phone number"),
        (("--number", "+14155550999"), 1, "--number: nothing is on record"),
        (("--consent", "nothing"), 1, "nothing: no such record"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    sample: SampleLedger, arguments: tuple[str, ...], status: int, problem: str
) -> None:
    result = sample.shell("export", *arguments, "--out", sample.folder / "export")
    assert result.status == status
    assert result.err.startswith(f"agi-bridge: {problem}")
    assert result.err.count("\n") == 1
    assert not (sample.folder / "export").exists()


def test_what_is_there_already_is_left_alone(sample: SampleLedger) -> None:
    result = sample.shell("export", "--consent", sample.revoked, "--out", sample.folder)
    assert result.status == 2
    assert "exists; name a new folder" in result.err
    assert "exported" not in sample.types(sample.revoked)


@pytest.mark.programs
def test_verify_txt_says_what_works(export: Path, tmp_path: Path) -> None:
    """Every command in it is run, but the one with a file that is not part of the export."""
    text = (export / "VERIFY.txt").read_text(encoding="utf-8")
    signer = re.findall(r"--public-key ([0-9a-f]{32})", text)[0]
    by_hand = text.partition("2. Without")[2].partition("3. What")[0]
    commands = re.findall(r"^    ((?:.*\\\n)*.*\S)$", by_hand, flags=re.MULTILINE)
    commands = [command for command in commands if "ROOT.pem" not in command]
    outputs = [
        subprocess.run(  # noqa: S602 - the commands are the package's own, as a shell takes them
            command,
            shell=True,
            cwd=export,
            env={"PATH": search_path(tmp_path)},
            capture_output=True,
            check=False,
            text=True,
        ).stdout.strip()
        for command in commands
    ]
    assert outputs[0].startswith("integrity     holds")
    assert outputs[1:] == ["unchanged", "Signature Verified Successfully", signer]
