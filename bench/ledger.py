"""`python -m bench.ledger`: what a consent costs on disk, and what its proof costs later.

    python -m bench.ledger                              # SQLite, a million events
    python -m bench.ledger --url postgresql://...       # an empty database on a server that runs
    python -m bench.ledger --events 20000               # quick

One consent here is what one call stores: the dialogue and the agreement with its personal data
(four events, one append, before the hook is asked), and the hook's answer (one event).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import uvloop

from agi_bridge.consent import (
    AgreementRules,
    CallMetadata,
    ConsentRecord,
    DisclosureHeard,
    NumberEntered,
    Prompt,
    SendingFacts,
    State,
)
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from agi_bridge.evidence.verify import Verifier
from bench import machine

RATE = 500
"""Confirmations a second that a ledger is to keep up with."""
SECONDS = 6
WAITING = 100
"""Calls that store at the same time, where the most is measured that goes through."""
PAGE = 5000
EVENTS_EACH = 5
RULES = AgreementRules(number_per_day=3, caller_per_day=5, line_per_hour=0)
HEARD = DisclosureHeard(
    text="Thank you for calling. " * 12,
    language="en",
    audio_sha256="1" * 64,
    samples=160_000,
    endpos=160_000,
)
SENDING = SendingFacts(texts_from=None, platform="hook", first_text="Thank you for calling.")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on one database."""

    database: str
    cpu_ms_per_consent_at_500: float
    append_ms_p50_at_500: float
    append_ms_p99_at_500: float
    consents_per_commit_at_500: float
    consents_per_second_at_most: float
    bytes_per_consent: float
    events_verified: int
    events_verified_per_second: float
    verify_megabytes: float


def consent(number: int, line: str = "shop", rules: AgreementRules = RULES) -> ConsentRecord:
    """One caller's agreement; every caller is another one."""
    caller = f"+1415{2_000_000 + number % 7_000_000:07d}"
    record = ConsentRecord(
        CallMetadata(
            line_id=line,
            did="+14155550111",
            brand="Example Store",
            legal_name="Example Store, Inc.",
            purpose="info",
            call_uid=f"pbx-1700000000.{number}",
            linked_id=f"pbx-1700000000.{number}",
            channel="PJSIP",
            software="agi-bridge bench",
            config_sha256="0" * 64,
            caller_id=caller,
        ),
        rules,
    )
    dialogue = record.dialogue
    dialogue.played(sound("language-menu-item"), 16_000)
    dialogue.key_pressed("1")
    record.disclosed(HEARD)
    dialogue.played(sound("enter-number"), 16_000)
    dialogue.digits_keyed(10, "full")
    entered = NumberEntered(
        e164=caller, digits=caller[2:], number_type="FIXED_LINE_OR_MOBILE", region="US",
        library="phonenumbers 9", tries=0, ani_match="same",
    )  # fmt: skip
    record.entered(entered)
    dialogue.played(sound("you-entered"), 16_000)
    dialogue.digits_spoken(10, whole=True)
    dialogue.played(sound("confirm-number"), 16_000)
    dialogue.key_pressed("1")
    record.confirmed("number_then_1")
    record.submitting(SENDING)
    return record


def sound(name: str) -> Prompt:
    """A recording of the dialogue."""
    return Prompt(
        name=name, language="en", text_sha256="2" * 64, audio_sha256="3" * 64, samples=16_000
    )


class Store:
    """Stores consents and takes the time of each agreement's append."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.count = 0
        self.milliseconds: list[float] = []

    async def one(self) -> None:
        """What one call stores."""
        self.count += 1
        record = consent(self.count)
        began = time.perf_counter()
        await self.ledger.append(record.take())
        self.milliseconds.append((time.perf_counter() - began) * 1e3)
        record.submission_ended(
            State.ACCEPTED, reason="dial", status=200, attempts=1, answer="a" * 64,
            forward="+14155550199",
        )  # fmt: skip
        await self.ledger.append(record.take())

    async def at(self, rate: float, seconds: float) -> None:
        """So many a second, evenly."""
        self.milliseconds.clear()
        began = time.perf_counter()
        tasks = []
        for number in range(int(rate * seconds)):
            tasks.append(asyncio.create_task(self.one()))
            await asyncio.sleep(max(0.0, began + (number + 1) / rate - time.perf_counter()))
        await asyncio.gather(*tasks)

    async def many(self, count: int) -> None:
        """So many as fast as they go, `WAITING` at a time."""
        left = iter(range(count))

        async def caller() -> None:
            for _ in left:
                await self.one()

        await asyncio.gather(*(caller() for _ in range(WAITING)))


async def measure(where: Path | str, events: int) -> Figures:
    """All figures of an empty database."""
    async with await Ledger.open(where, generate_keys()) as ledger:
        await ledger.register_disclosure(HEARD.language, HEARD.text, HEARD.audio_sha256, b"")
        commits = 0
        write = ledger._writer.store  # noqa: SLF001 - counted here only

        def and_count(*arguments: Any) -> Any:  # noqa: ANN401 - passed on
            nonlocal commits
            commits += 1
            return write(*arguments)

        ledger._writer.store = and_count  # type: ignore[assignment, method-assign]  # noqa: SLF001 - see above
        store = Store(ledger)
        await store.many(200)  # warm
        commits, cpu, counted = 0, time.process_time(), store.count
        await store.at(RATE, SECONDS)
        cpu, steady = time.process_time() - cpu, store.count - counted
        took = sorted(store.milliseconds)
        per_commit = 2 * steady / commits  # an agreement and an outcome each
        before = size(where)
        began, counted = time.perf_counter(), store.count
        await store.many(max(events // EVENTS_EACH - store.count, 1000))
        fast = (store.count - counted) / (time.perf_counter() - began)
        stored = (size(where) - before) / (store.count - counted)
        await ledger.checkpoint()
        verified, seconds = await verify(ledger)
    return Figures(
        "SQLite" if isinstance(where, Path) else "PostgreSQL",
        cpu / steady * 1e3,
        took[len(took) // 2],
        took[int(len(took) * 0.99)],
        per_commit,
        fast,
        stored,
        verified,
        verified / seconds,
        getrusage(RUSAGE_SELF).ru_maxrss / 1024,
    )


async def most(where: Path | str, consents: int) -> float:
    """Consents a second of an empty database, as many as go, `WAITING` calls at a time."""
    async with await Ledger.open(where, generate_keys()) as ledger:
        await ledger.register_disclosure(HEARD.language, HEARD.text, HEARD.audio_sha256, b"")
        store = Store(ledger)
        await store.many(500)  # warm: statements are prepared
        began = time.perf_counter()
        await store.many(consents)
        return consents / (time.perf_counter() - began)


async def verify(ledger: Ledger) -> tuple[int, float]:
    """Replay the chain, page by page; how many events, in how many seconds."""
    began = time.perf_counter()
    verifier = Verifier(await ledger.checkpoints())
    (chain,) = await ledger.chains()
    for first in range(1, chain.seq + 1, PAGE):
        verifier.read(await ledger.rows(first=first, last=first + PAGE - 1))
    verifier.finish()
    report = verifier.report("the chain")
    verifier.close()
    if not report.integrity.ok:  # the personal values are not read here: `bench.evidence` does
        raise SystemExit(f"bench: the chain does not verify: {report}")
    return chain.seq, time.perf_counter() - began


def size(where: Path | str) -> int:
    """Bytes on disk; a PostgreSQL server's are not ours to see."""
    if isinstance(where, str):
        return 0
    return sum(file.stat().st_size for file in where.parent.iterdir())


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--url", help="postgresql://… of an empty database, instead of SQLite")
    arguments = parser.parse_args()
    print(json.dumps(machine.facts()))
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # not below /tmp: it may be memory
        where = arguments.url or Path(folder) / "consents.db"
        figures = uvloop.run(measure(where, arguments.events))
    print(json.dumps(asdict(figures), indent=2))


if __name__ == "__main__":
    main()
