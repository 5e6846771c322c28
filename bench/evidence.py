"""`python -m bench.evidence`: what it costs to prove a large ledger.

    python -m bench.evidence FOLDER fill --consents 300000     # once: a SQLite ledger in FOLDER
    python -m bench.evidence FOLDER verify                     # every event of it
    python -m bench.evidence FOLDER resume                     # what came after the last checkpoint
    python -m bench.evidence FOLDER export                     # everything, into FOLDER/export
    python -m bench.evidence FOLDER verify-export
    python -m bench.evidence FOLDER check                      # the same with check.py
    python -m bench.evidence FOLDER beside                     # calls for a minute, beside `retain`

Each step is a separate process, to measure its memory, and prints one line of JSON: what
was done, seconds, the most memory that was resident, and the machine's load. One consent is five
events, as a call stores them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import wave
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from agi_bridge.consent import (
    AgreementRules,
    Batch,
    CallMetadata,
    ConsentRecord,
    DisclosureHeard,
    LedgerUnavailable,
    NumberEntered,
    Prompt,
    RetentionRules,
    SendingFacts,
    State,
    text_sha256,
    timestamp,
)
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.evidence.export import Collector, ExportWriter, verify_export
from agi_bridge.evidence.export.pages import TEMPLATES
from agi_bridge.evidence.verify import Resume, verify_ledger

STEPS = ("fill", "verify", "resume", "export", "verify-export", "check", "beside", "retain")
BESIDE_SECONDS = 60.0
BESIDE_FIRST = 6_500_000
"""The number of the first caller beside `retain`."""
CALL_EACH = 0.05
"""Seconds between two of these calls."""
GROUP = 100
"""Calls that store at the same time."""
CHECKPOINT_EACH = 20
"""Groups between two checkpoints."""
RULES = AgreementRules(number_per_day=0, caller_per_day=0, line_per_hour=0)
TEXTS = {
    "disclosure": "Thank you for calling Example Store. You agree to receive automated texts.",
    "enter-number": "Enter your ten-digit mobile number, area code first.",
    "you-entered": "You entered",
    "confirm-number": "To agree and receive the text at this number, press 1.",
}
CONFIGURATION = '{"lines":{"shop":{}}}'
SENDING = SendingFacts(texts_from=None, platform="hook.example", first_text="Example Store: hi.")


def recording(name: str) -> bytes:
    """A prompt's recording: silence, long enough for its text."""
    made = io.BytesIO()
    with wave.open(made, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(bytes(16_000 * (1 + len(TEXTS[name]) // 12)) + name.encode().ljust(64))
    return made.getvalue()


def prompt(name: str) -> Prompt:
    """What an entry says of a prompt."""
    wav = recording(name)
    with wave.open(io.BytesIO(wav)) as opened:
        samples = opened.getnframes()
    return Prompt(
        name=name,
        language="en",
        text_sha256=text_sha256(TEXTS[name]),
        audio_sha256=sha256(wav).hexdigest(),
        samples=samples,
    )


PROMPTS = {name: prompt(name) for name in TEXTS}
TOLD = PROMPTS["disclosure"]
HEARD = DisclosureHeard(
    text=TEXTS["disclosure"],
    language="en",
    audio_sha256=TOLD.audio_sha256,
    samples=TOLD.samples,
    endpos=TOLD.samples,
)


def consent(number: int) -> ConsentRecord:
    """One caller's agreement; every caller is another one."""
    e164 = f"+1415{2_000_000 + number % 7_000_000:07d}"
    call = CallMetadata(
        line_id="shop",
        did="+14155550111",
        brand="Example Store",
        legal_name="Example Store Inc.",
        purpose="info",
        call_uid=f"pbx-{number}",
        channel="PJSIP",
        software="agi-bridge bench",
        config_sha256=text_sha256(CONFIGURATION),
        caller_id=e164,
    )
    record = ConsentRecord(call, RULES)
    record.disclosed(HEARD)
    record.dialogue.played(PROMPTS["enter-number"], PROMPTS["enter-number"].samples)
    record.dialogue.digits_keyed(10, "full")
    record.entered(
        NumberEntered(
            e164=e164,
            digits=e164[2:],
            number_type="MOBILE",
            region="US",
            library="phonenumbers 9",
            tries=0,
            ani_match="same",
        )
    )
    record.dialogue.played(PROMPTS["you-entered"], PROMPTS["you-entered"].samples)
    record.dialogue.digits_spoken(10, whole=True)
    record.dialogue.played(PROMPTS["confirm-number"], PROMPTS["confirm-number"].samples)
    record.dialogue.key_pressed("1")
    record.confirmed("number_then_1")
    record.submitting(SENDING)
    return record


async def store(ledger: Ledger, number: int) -> None:
    """One call: the agreement, then what the hook answered."""
    record = consent(number)
    await ledger.append(record.take())
    record.submission_ended(State.ACCEPTED, reason="dial", status=200, attempts=1, answer="a" * 64)
    await ledger.append(record.take())


async def fill(ledger: Ledger, consents: int, first: int) -> dict[str, object]:
    """Store so many consents, of callers who are numbered from `first` on."""
    await ledger.register_disclosure("en", HEARD.text, HEARD.audio_sha256, recording("disclosure"))
    await ledger.register(
        {text_sha256(each): each for each in (*TEXTS.values(), CONFIGURATION, SENDING.first_text)},
        {PROMPTS[name].audio_sha256: recording(name) for name in TEXTS},
    )
    for place, group in enumerate(range(first, first + consents, GROUP), 1):
        await asyncio.gather(*(store(ledger, group + n) for n in range(GROUP)))
        if place % CHECKPOINT_EACH == 0:
            await ledger.checkpoint()
    await ledger.checkpoint()
    return {"consents": consents}


async def verify(ledger: Ledger, noted: Path, *, since: bool) -> dict[str, object]:
    """Verify the ledger, whole or from where the last verification got to."""
    done = 0

    def progress(now: int, of: int) -> None:
        nonlocal done
        done = now
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{now:,} of {of:,} events")

    text = await asyncio.to_thread(noted.read_text) if since else "[]"
    before = [Resume(**each) for each in json.loads(text)]
    report, resume = await verify_ledger(ledger, since=before, progress=progress)
    await asyncio.to_thread(noted.write_text, json.dumps([asdict(each) for each in resume]))
    read = done - sum(each.seq for each in before)
    return {"events": read, "value": report.value.value, "integrity": report.integrity.text}


def folder_size(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def export(ledger: Ledger, keys: Keys, out: Path) -> dict[str, object]:
    """Export everything."""
    await ledger.checkpoint()
    await asyncio.to_thread(out.mkdir)
    writer = ExportWriter(out)
    records = await Collector(ledger, writer, everything=True).collect(())
    collected = time.perf_counter()
    report = await asyncio.to_thread(writer.finish, keys)
    size = await asyncio.to_thread(folder_size, out)
    return {
        "records": records,
        "megabytes": round(size / 1e6),
        "value": report.value.value,
        "verified_in_seconds": round(time.perf_counter() - collected, 1),
    }


def check(out: Path) -> dict[str, object]:
    """Check the export with the standalone program."""
    program = [sys.executable, "-I", str(TEMPLATES / "check.txt"), "--in", str(out)]
    done = subprocess.run(program, check=False, capture_output=True, text=True)
    return {"status": done.returncode, "said": done.stdout.splitlines()[-1:]}


async def retain(ledger: Ledger) -> dict[str, object]:
    """Erase the details of every consent, as `consents retain` does for old ones."""
    checking = vars(importlib.import_module("agi_bridge.consent.ledger.clock_check"))
    assert "ask_kernel" in checking  # noqa: S101 - else it would be replaced without effect
    checking["ask_kernel"] = lambda: True  # the machine of a benchmark may have no NTP
    rules = RetentionRules(now=time.time(), personal_before="1999", details_before=timestamp())
    done = await ledger.retain(rules, dry_run=False)
    return {"erased": done.erase, "trimmed": done.trim}


async def beside(ledger: Ledger, folder: Path) -> dict[str, object]:
    """Calls for a minute, while another process erases details: is an outcome lost, who waits?"""
    program = (sys.executable, "-m", "bench.evidence", str(folder), "retain")
    retaining = await asyncio.create_subprocess_exec(*program, start_new_session=True)
    waits: list[float] = []
    refused = number = 0
    until = time.perf_counter() + BESIDE_SECONDS
    while time.perf_counter() < until:
        record = consent(BESIDE_FIRST + number)
        number += 1
        await timed(ledger, record.take(), waits)
        record.submission_ended(
            State.ACCEPTED, reason="dial", status=200, attempts=1, answer="a" * 64
        )
        outcome = record.take()
        while not await timed(ledger, outcome, waits):
            refused += 1
        await asyncio.sleep(CALL_EACH)
    under_way = retaining.returncode is None
    if under_way:
        os.killpg(retaining.pid, signal.SIGTERM)
    if await retaining.wait() not in {0, -signal.SIGTERM}:
        raise SystemExit("retain failed: nothing was measured")
    open_ = await ledger.recover()
    waits.sort()
    return {
        "calls": number,
        "retain_was_under_way": under_way,
        "outcomes_refused_and_stored_later": refused,
        "outcomes_lost": open_,
        "median_ms": round(1000 * waits[len(waits) // 2], 1),
        "slowest_ms": round(1000 * waits[-1]),
    }


async def timed(ledger: Ledger, batch: Batch, waits: list[float]) -> bool:
    """Store a batch; whether the ledger took it. How long that took goes into `waits`."""
    began = time.perf_counter()
    try:
        await ledger.append(batch)
    except LedgerUnavailable:
        return False
    finally:
        waits.append(time.perf_counter() - began)
    return True


async def run(folder: Path, step: str, consents: int, first: int) -> dict[str, object]:
    """One step."""
    out, noted = folder / "export", folder / "verified.json"
    if step == "verify-export":
        report, _ = await asyncio.to_thread(verify_export, out)
        return {"value": report.value.value, "integrity": report.integrity.text}
    if step == "check":
        return await asyncio.to_thread(check, out)
    keys, _ = Keys.load(folder / "keys", create=step == "fill")
    async with await Ledger.open(folder / "ledger.db", keys) as ledger:
        if step == "fill":
            return await fill(ledger, consents, first)
        others = {
            "export": lambda: export(ledger, keys, out),
            "retain": lambda: retain(ledger),
            "beside": lambda: beside(ledger, folder),
        }
        if step in others:
            return await others[step]()
        if step == "resume":
            for number in range(GROUP):
                await store(ledger, 6_900_000 + number)
        return await verify(ledger, noted, since=step == "resume")


def main() -> None:
    """Run one step, and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--consents", type=int, default=300_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first caller")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    results = asyncio.run(run(given.folder, given.step, given.consents, given.first))
    most = max(getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    cost = {
        "step": given.step,
        **results,
        "seconds": round(time.perf_counter() - began, 1),
        "resident_megabytes": round(most / 1024),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(cost))


if __name__ == "__main__":
    main()
