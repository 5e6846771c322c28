"""Bridges that are killed with a full outbox lose nothing, and repeat only what they announced."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import PUSHED
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.push import Endpoint
from agi_bridge.push.pusher import MOST
from tests.support.consent_builders import revocation, settle, submitting
from tests.support.push_receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PEOPLE = 40
KILLS = 4


def bridges(folder: Path, count: int) -> list[Path]:
    """Make the keys of some bridges that share a database; return their folders."""
    folders = [folder / f"keys-{number}" for number in range(count)]
    for each in folders:
        Keys.load(each, create=True)  # each has its own chain
    for other in folders[1:]:
        for shared in ("vault.key", "lookup.key"):
            shutil.copy(folders[0] / shared, other)
    return folders


async def fill(where: Path | str, keys_folder: Path) -> dict[str, str]:
    """Store a consent and a revocation of many people; return the messages' ids and types."""
    keys, _ = Keys.load(keys_folder, create=False)
    async with await Ledger.open(where, keys) as ledger:
        ledger.push_to(dict.fromkeys(PUSHED, ("crm",)))
        for person in range(PEOPLE):
            number = f"+1415555{1000 + person}"
            record = submitting(number)
            await ledger.append(record.take())
            settle(record)
            await ledger.append(record.take())
            await ledger.revoke(revocation(number))
        return {
            row.fields["event_id"]: row.type for row in await ledger.rows() if row.type in PUSHED
        }


@asynccontextmanager
async def running(
    keys_folder: Path, where: Path | str, url: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A bridge that sends; killed (SIGKILL) at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.push_process", str(keys_folder), str(where), url),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


def check(receiver: Receiver, ids: dict[str, str], *, repeated: int) -> None:
    """Everything arrived, in order for each person, and repeated as often as announced."""
    assert set(receiver.ids) == set(ids)
    assert sum(count - 1 for count in Counter(receiver.ids).values()) <= repeated
    for person in range(PEOPLE):
        number = f"+1415555{1000 + person}"
        seen = [each.type for each in receiver.received if each.number == number]
        assert list(dict.fromkeys(seen)) == ["consent.accepted", "consent.revoked"]


async def all_arrived(receiver: Receiver, ids: dict[str, str]) -> None:
    """Wait until each message has arrived at least once."""
    async with receiver.arrived:
        await receiver.arrived.wait_for(lambda: set(receiver.ids) == set(ids))


@pytest.mark.programs
@pytest.mark.timeout(300)
async def test_a_killed_bridge_with_a_full_outbox_loses_nothing(file: Path, tmp_path: Path) -> None:
    [keys] = bridges(tmp_path, 1)
    ids = await fill(file, keys)
    async with Receiver().listening() as receiver:
        for kill in range(KILLS):
            async with running(keys, file, receiver.url):
                await receiver.wait_for(kill * 9 + 1)  # with up to eight messages under way
        before = len(receiver.received)
        async with running(keys, file, receiver.url):
            await all_arrived(receiver, ids)
    assert before < len(receiver.received)
    check(receiver, ids, repeated=KILLS * MOST)


@pytest.mark.programs
@pytest.mark.timeout(300)
async def test_two_bridges_are_killed_with_all_that_they_may_send_under_way(
    emptied_url: str, tmp_path: Path
) -> None:
    first, second = bridges(tmp_path, 2)
    ids = await fill(emptied_url, first)
    answer = asyncio.Event()
    async with Receiver(answer=answer).listening() as receiver:
        for start in (1, 2):
            async with (
                running(first, emptied_url, receiver.url),
                running(second, emptied_url, receiver.url),
            ):
                await receiver.wait_for(start * 2 * MOST)
            assert len(set(receiver.ids)) == 2 * MOST, "each takes up what it held"
        answer.set()
        async with (
            running(first, emptied_url, receiver.url),
            running(second, emptied_url, receiver.url),
        ):
            await all_arrived(receiver, ids)
    check(receiver, ids, repeated=4 * MOST)


@pytest.mark.programs
@pytest.mark.timeout(300)
async def test_a_bridge_that_is_killed_while_its_receiver_is_down_keeps_its_pause(
    file: Path, tmp_path: Path
) -> None:
    [keys] = bridges(tmp_path, 1)
    ids = await fill(file, keys)
    async with Receiver(status=503, headers={"retry-after": "600"}).listening() as receiver:
        async with running(keys, file, receiver.url) as process:
            assert process.stdout is not None
            while b"push.endpoint_failing" not in await process.stdout.readline():
                assert not process.stdout.at_eof()
        opened, _ = Keys.load(keys, create=False)
        async with await Ledger.open(file, opened) as ledger:
            address = Endpoint("crm", receiver.url, ()).address
            claim = await ledger.outbox.claim("crm", address, MOST, 60.0)
            assert (list(claim.messages), claim.failures) == ([], 1)
            assert 500 < claim.pause <= 600
            await ledger.outbox.retry(endpoint="crm")
        tried = len(receiver.received)
        receiver.status = 200
        async with running(keys, file, receiver.url):
            await all_arrived(receiver, ids)
    assert tried == MOST
    assert len(receiver.received) == len(ids) + tried
