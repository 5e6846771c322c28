"""Bridges killed at random moments: nothing is lost, invented or sent twice.

After each restart `Watch.check` compares what the PBX and the hook have seen with the records.
"""

from __future__ import annotations

import socket
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.evidence.verify.verifier import Verifier
from agi_bridge.hook.testing import PATH, FakeHook
from tests.support.crash_oracle import Database, Nursery, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIVES: Final = 50
LONG: Final = 500
SEED: Final = 4580
LEAST: Final = {"starting": 40, "before confirmed": 100, "submitting": 40, "thanked": 20}
"""How many of `LONG` lives at least have to end with a call in each of these stages, to prove
anything. Of fewer lives as many in proportion, or chance gets some more lives to come to that."""
LEAST_SENT_AGAIN: Final = 20
MOST: Final = 3
"""How many times as many lives as asked for chance may have at most."""


@pytest.fixture
def closed() -> Iterator[str]:
    """The URL of a hook that refuses connections: its port is bound, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}{PATH}"


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty place for a ledger."""
    if request.param == "sqlite":
        return tmp_path / "consents.db"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def lives(request: pytest.FixtureRequest) -> int:
    """How many bridges are killed, if chance is kind."""
    return LONG if request.config.getoption("long") else LIVES


def proves(watch: Watch, lives: int) -> bool:
    """Whether every stage was met as often as it has to be."""
    least = {stage: count * lives // LONG for stage, count in LEAST.items()}
    return watch.sent_again >= LEAST_SENT_AGAIN * lives // LONG and all(
        watch.stages[stage] >= count for stage, count in least.items()
    )


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_a_bridge_that_is_killed_at_any_moment_keeps_its_promises(
    where: Path | str, tmp_path: Path, closed: str, lives: int
) -> None:
    keys, _ = Keys.load(tmp_path / "keys", create=True)
    async with await Ledger.open(where, keys):
        pass  # there are tables before anybody looks into them
    chance = Random(SEED)  # noqa: S311 - chosen to be repeated
    with closing(Database(where)) as database:
        watch = Watch(database, keys)
        async with (
            FakeHook(on_request=watch.heard) as hook,
            Nursery(tmp_path, where, hook.url, closed, watch) as nursery,
        ):
            for life in range(1, MOST * lives + 1):
                await nursery.life(life, chance)
                if life >= lives and proves(watch, lives):
                    break
        async with await Ledger.open(where, keys) as ledger:
            await ledger.recover()
            (chain,) = await ledger.chains()
            watch.check(chain.seq)
            checkpoint = await ledger.checkpoint()
            assert checkpoint is not None
            verifier = Verifier([checkpoint])
            verifier.read(await ledger.rows())
    assert verifier.verdicts().ok
    assert proves(watch, lives), (watch.stages, watch.sent_again)
