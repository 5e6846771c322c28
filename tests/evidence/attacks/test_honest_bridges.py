"""Whatever honest bridges do, and however wrong their clocks are, integrity holds."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import ConsentError
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.ledger.chain_writer import ChainWriter
from agi_bridge.consent.signing import Keys, generate_keys
from agi_bridge.evidence.export import Collector, ExportWriter, verify_export
from agi_bridge.evidence.verify import verify_ledger
from tests.support import evidence_ledger as shop
from tests.support.forgery import check, judgement

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.evidence.verify import Report

FEW, MANY = 6, 200
"""Stories: the first ones on every run, all of them in the long one."""
EACH = 20
"""Stories of one long test."""
NUMBERS = ("+14155550101", "+14155550102", "+14155550103")
WRONG = (0, 0, 0, 200, -200, 400, 3600, -3600, 86_400, -86_400)
"""Seconds by which a clock is wrong."""
STEPS = (
    "agree", "agree", "return", "return", "with reply", "yes", "revoke", "revoke", "revoke all",
    "checkpoint", "checkpoint", "clock", "stop",
)  # fmt: skip


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


async def step(dice: random.Random, bridge: Bridge) -> None:
    """Something that happens to a bridge; what it refuses, as it may, does not happen."""
    ledger, number = await bridge.running(), dice.choice(NUMBERS)
    with suppress(ConsentError):
        match dice.choice(STEPS):
            case "agree":
                await shop.accepted(ledger, number)
            case "return":
                await shop.accepted(ledger, number, caller_id=number)
            case "with reply":
                await shop.accepted(ledger, number, reply=True)
            case "yes":
                await shop.replied(ledger, number)
            case "revoke":
                await shop.revoked(ledger, number)
            case "revoke all":
                await shop.revoked(ledger, number, scope="all", brand=None)
            case "checkpoint":
                await ledger.checkpoint()
            case "clock":
                bridge.wrong = dice.choice(WRONG)
            case _:
                await bridge.stop()
                bridge.wrong = dice.choice((bridge.wrong, *WRONG))


async def lived(dice: random.Random, folder: Path, clock: shop.Clock) -> tuple[Report, Any]:
    """What is said of a ledger and of an export after a day of some bridges; their keys' ids."""
    keys = generate_keys()
    bridges = [
        Bridge(folder / "ledger.db", each, clock, dice.choice(WRONG))
        for each in (keys, *(replace(keys, signing=generate_keys().signing) for _ in range(2)))
    ][: dice.choice((2, 2, 3))]
    try:
        await shop.begin(await bridges[0].running())
        for _ in range(dice.randrange(6, 22)):
            await step(dice, dice.choice(bridges))
        for bridge in bridges:
            await (await bridge.running()).checkpoint()
        ids = {bridge.keys.ledger_id for bridge in bridges}
        ledger = await bridges[0].running()
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
