"""Whatever honest bridges do, and however wrong their clocks are, integrity holds."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import Act, ConsentError, EvidenceFile, Filter, ImportedConsent, State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.ledger.chain_writer import ChainWriter
from agi_bridge.consent.signing import Keys, generate_keys
from agi_bridge.evidence.export import Collector, ExportWriter, verify_export
from agi_bridge.evidence.verify import Resume, verify_ledger
from tests.support import evidence_ledger as shop
from tests.support.forgery import check, judgement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from agi_bridge.evidence.verify import Report

FEW, MANY = 6, 200
"""Stories: the first ones on every run, all of them in the long one."""
EACH = 20
"""Stories of one long test."""
FORM = EvidenceFile("form.txt", b"I agree to texts.")
IMPORT = ImportedConsent(
    number="", brand=shop.BRAND, legal_name="Example Store Inc.", purpose="info",
    method="web_form", source="CRM export", given="2026-03-01T14:30:00.000Z", evidence=(FORM,),
    reference="4711",
)  # fmt: skip
NUMBERS = ("+14155550101", "+14155550102", "+14155550103")
WRONG = (0, 0, 0, 200, -200, 400, 3600, -3600, 86_400, -86_400)
"""Seconds by which a clock is wrong."""
STEPS = (
    "agree", "agree", "return", "return", "with reply", "yes", "revoke", "revoke", "revoke all",
    "checkpoint", "checkpoint", "clock", "stop", "import", "unknown", "resolve", "export",
    "erase",
)  # fmt: skip
LOOKS = 0.25
"""How often somebody verifies what came since the last time."""


@dataclass
class Bridge:
    """A bridge that may be stopped and started, with a clock of its own."""

    database: Path
    keys: Keys
    clock: shop.Clock
    wrong: float
    parts: AsyncExitStack = field(default_factory=AsyncExitStack)
    ledger: Ledger | None = None

    async def running(self) -> Ledger:
        self.clock.offset = self.wrong
        if self.ledger is None:
            opened = await Ledger.open(self.database, self.keys)
            self.ledger = await self.parts.enter_async_context(opened)
        return self.ledger

    async def stop(self) -> None:
        await self.parts.aclose()
        self.ledger = None


async def unknown(ledger: Ledger, number: str) -> None:
    """A text that nobody knows of."""
    record = shop.agreed(number)
    await ledger.append(record.take())
    record.submission_ended(State.UNKNOWN, reason="timeout", status=None, attempts=1, answer=None)
    await ledger.append(record.take())


async def resolve(ledger: Ledger, _: str) -> None:
    """A person settles one of what waits."""
    for each in (await ledger.summaries(Filter(open_=True)))[:1]:
        way = {"revocation": "passed-on", "message": "done"}.get(each.kind, "texted")
        await ledger.record_act(Act.RESOLVED, each.consent_id, **{"as": way, "actor": "admin"})


async def export(ledger: Ledger, number: str) -> None:
    """The newest record of a number is exported."""
    for each in (await ledger.summaries(Filter(number=number)))[:1]:
        await ledger.record_act(Act.EXPORTED, each.consent_id, actor="me")


async def erase(ledger: Ledger, number: str) -> None:
    """The oldest record of a number is erased."""
    for each in (await ledger.summaries(Filter(number=number)))[-1:]:
        await ledger.erase([each.consent_id], basis="request", actor="me")


ACTS: dict[str, Callable[[Ledger, str], Awaitable[object]]] = {
    "agree": shop.accepted,
    "return": lambda ledger, number: shop.accepted(ledger, number, caller_id=number),
    "with reply": lambda ledger, number: shop.accepted(ledger, number, reply=True),
    "yes": shop.replied,
    "revoke": shop.revoked,
    "revoke all": lambda ledger, number: shop.revoked(ledger, number, scope="all", brand=None),
    "checkpoint": lambda ledger, _: ledger.checkpoint(),
    "import": lambda ledger, number: ledger.import_consents(
        [replace(IMPORT, number=number)], actor="admin"
    ),
    "unknown": unknown,
    "resolve": resolve,
    "export": export,
    "erase": erase,
}
"""What a bridge, a caller or a person does."""


async def step(dice: random.Random, bridge: Bridge) -> None:
    """Something that happens to a bridge; what it refuses, as it may, does not happen."""
    ledger, number = await bridge.running(), dice.choice(NUMBERS)
    happens = dice.choice(STEPS)
    if happens == "clock":
        bridge.wrong = dice.choice(WRONG)
    elif happens == "stop":
        await bridge.stop()
        bridge.wrong = dice.choice((bridge.wrong, *WRONG))
    else:
        with suppress(ConsentError):
            await ACTS[happens](ledger, number)


async def lived(dice: random.Random, folder: Path, clock: shop.Clock) -> tuple[Report, Any]:
    """What is said of a ledger and of an export after a day of some bridges; their keys' ids."""
    keys = generate_keys()
    bridges = [
        Bridge(folder / "ledger.db", each, clock, dice.choice(WRONG))
        for each in (keys, *(replace(keys, signing=generate_keys().signing) for _ in range(2)))
    ][: dice.choice((2, 2, 3))]
    try:
        await shop.begin(await bridges[0].running())
        ids, since = {bridge.keys.ledger_id for bridge in bridges}, list[Resume]()
        for _ in range(dice.randrange(6, 22)):
            await step(dice, dice.choice(bridges))
            if dice.random() < LOOKS:
                looking = await dice.choice(bridges).running()
                news, since = await verify_ledger(looking, trusted=ids, since=since)
                assert judgement(news).failing <= {"time", "anchored"}, judgement(news).codes
        for bridge in bridges:
            await (await bridge.running()).checkpoint()
        ledger = await bridges[0].running()
        news, _ = await verify_ledger(ledger, trusted=ids, since=since)
        assert judgement(news).failing <= {"time"}, judgement(news).codes
        report, _ = await verify_ledger(ledger, trusted=ids)
        writer = ExportWriter(folder / "out")
        await Collector(ledger, writer, everything=True).collect(())
        writer.finish(keys)
        return report, ids
    finally:
        for bridge in bridges:
            await bridge.stop()


def stories(seeds: range, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = shop.Clock(monkeypatch)
    defaults = ChainWriter.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "clocks", clock.read)
    for seed in seeds:
        (folder / f"{seed}" / "out").mkdir(parents=True)
        dice = random.Random(seed)  # noqa: S311 - no secret
        report, ids = asyncio.run(lived(dice, folder / f"{seed}", clock))
        out = folder / f"{seed}" / "out"
        exported = judgement(verify_export(out, (), ids)[0])
        for found in (judgement(report), exported):
            assert found.failing <= {"time"}, (seed, found.codes)
        assert check(out, *sorted(ids)).values == exported.values, seed


@pytest.mark.programs
def test_wrong_clocks_cost_no_integrity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stories(range(FEW), tmp_path, monkeypatch)


@pytest.mark.long
@pytest.mark.programs
@pytest.mark.parametrize("first", range(FEW, MANY, EACH))
def test_nor_in_many_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    stories(range(first, min(first + EACH, MANY)), tmp_path, monkeypatch)
