"""A bridge that is killed with a full outbox loses nothing, and repeats only what it announced."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import PUSHED
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from tests.support.consent_builders import revocation, settle, submitting
from tests.support.push_receiver import Receiver

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = 40
KILLS = 6


@pytest.mark.programs
@pytest.mark.timeout(300)
async def test_killed_bridges_with_a_full_outbox_lose_nothing(tmp_path: Path) -> None:
    keys, _ = Keys.load(tmp_path / "keys", create=True)
    expected: dict[str, list[str]] = {}
    async with await Ledger.open(tmp_path / "consents.db", keys) as ledger:
        ledger.push_to(dict.fromkeys(PUSHED, ("crm",)))
        for person in range(PEOPLE):
            number = f"+1415555{1000 + person}"
            record = submitting(number)
            await ledger.append(record.take())
            settle(record)
            await ledger.append(record.take())
            await ledger.revoke(revocation(number))
            expected[number] = ["consent.accepted", "consent.revoked"]
        ids = {row.fields["event_id"] for row in await ledger.rows() if row.type in PUSHED}
    async with Receiver().listening() as receiver:
        for kill in range(KILLS):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.push_process", str(tmp_path), receiver.url
            )
            await receiver.wait_for(kill * 9 + 1)
            process.kill()  # SIGKILL, with up to eight messages under way
            await process.wait()
        before = len(receiver.received)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.push_process", str(tmp_path), receiver.url
        )
        async with receiver.arrived:
            await receiver.arrived.wait_for(lambda: set(receiver.ids) == ids)
        process.kill()
        await process.wait()
    assert before < len(receiver.received)
    # Each kill leaves eight messages at most whose answers were not stored.
    repeated = sum(count - 1 for count in Counter(receiver.ids).values())
    assert repeated <= KILLS * 8
    for number, types in expected.items():
        seen = [each.type for each in receiver.received if each.number == number]
        assert list(dict.fromkeys(seen)) == types
