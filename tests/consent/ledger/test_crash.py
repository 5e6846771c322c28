"""Bridges killed at random moments: no consent is lost, made up or sent twice.

After each restart `CrashOracle.check` compares what the PBX and the hook have seen with what is
on record.
"""

from __future__ import annotations

import socket
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.hook.testing import PATH, FakeHook
from tests.support.crash_oracle import CrashOracle, CrashSupervisor, Database
from tests.support.verified import stands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS: Final = 50
LONG: Final = 500
SEED: Final = 4580
LEAST: Final = {"starting": 40, "before confirmed": 100, "submitting": 40, "thanked": 20}
"""How many calls at least `LONG` runs have to cut off in each stage to prove anything.

Fewer runs need proportionally fewer; further runs are added until the counts are reached."""
LEAST_SENT_AGAIN: Final = 20
MOST: Final = 3
"""Upper limit of all runs, as a multiple of the runs asked for."""


@pytest.fixture
def closed() -> Iterator[str]:
    """The URL of a hook that refuses connections: its port is bound, without a listener."""
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
def runs(request: pytest.FixtureRequest) -> int:
    """How many bridges are killed at least."""
    return LONG if request.config.getoption("long") else RUNS


def proves(oracle: CrashOracle, runs: int) -> bool:
    """Return whether every stage was reached often enough."""
    least = {stage: count * runs // LONG for stage, count in LEAST.items()}
    return oracle.sent_again >= LEAST_SENT_AGAIN * runs // LONG and all(
        oracle.stages[stage] >= count for stage, count in least.items()
    )


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_a_bridge_killed_at_any_moment_loses_and_repeats_no_consent(
    where: Path | str, tmp_path: Path, closed: str, runs: int
) -> None:
    keys, _ = Keys.load(tmp_path / "keys", create=True)
    async with await Ledger.open(where, keys):
        pass  # create the tables before the oracle reads them
    chance = Random(SEED)  # noqa: S311 - chosen to be repeated
    with closing(Database(where)) as database:
        oracle = CrashOracle(database, keys)
        async with (
            FakeHook(on_request=oracle.on_request) as hook,
            CrashSupervisor(tmp_path, where, hook.url, closed, oracle) as supervisor,
        ):
            for run in range(1, MOST * runs + 1):
                await supervisor.run(run, chance)
                if run >= runs and proves(oracle, runs):
                    break
        async with await Ledger.open(where, keys) as ledger:
            await ledger.recover()
            (chain,) = await ledger.chains()
            oracle.check(chain.seq)
            checkpoint = await ledger.checkpoint()
            assert checkpoint is not None
            assert await stands(ledger)
    assert proves(oracle, runs), (oracle.stages, oracle.sent_again)
