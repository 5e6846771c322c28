"""Bridges killed at random moments: no consent is lost, made up or sent twice.

After each restart `CrashOracle.check` compares what the PBX and the hook have seen with what is
on record.
"""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, closing
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import LOOKUP_KEY_FILE, VAULT_KEY_FILE, Keys
from agi_bridge.hook.testing import PATH, FakeHook
from tests.support.crash_beside import Beside, working_beside
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
COMMANDS: Final = 5
"""How many commands run beside the bridges."""
STOP_EVERY: Final = 5
"""After how many kills of one bridge the other on its database is stopped in order."""
OTHERS: Final = 3000
"""Its runs are numbered from here on, so that no number is keyed on both."""
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
    return (
        oracle.stops >= runs // 20
        and oracle.sent_again >= LEAST_SENT_AGAIN * runs // LONG
        and all(oracle.stages[stage] >= count for stage, count in least.items())
    )


@pytest.mark.crash
@pytest.mark.timeout(1800)
async def test_a_bridge_killed_at_any_moment_loses_and_repeats_no_consent(
    where: Path | str, tmp_path: Path, closed: str, runs: int
) -> None:
    keys, _ = Keys.load(tmp_path / "keys", create=True)
    async with await Ledger.open(where, keys):
        pass  # create the tables before the oracle reads them
    chance = Random(SEED)  # noqa: S311 - chosen to be repeated
    with closing(Database(where)) as database:
        oracle = CrashOracle(database, keys)
        beside = Beside(where, keys, oracle, Random(SEED))  # noqa: S311 - the same
        async with (
            FakeHook(on_request=oracle.on_request) as hook,
            CrashSupervisor(tmp_path, where, hook.url, closed, oracle) as supervisor,
            working_beside(beside),
        ):
            for run in range(1, MOST * runs + 1):
                await supervisor.run(run, chance)
                # On a fast ledger the runs may be over before every command has had its turn.
                if run >= runs and proves(oracle, runs) and len(beside.did) == COMMANDS:
                    break
        async with await Ledger.open(where, keys) as ledger:
            await ledger.recover()
            (chain,) = await ledger.chains()
            oracle.check(chain.seq)
            await (
                ledger.checkpoint()
            )  # none is made where the last end was orderly and left nothing new
            assert await stands(ledger)
    assert proves(oracle, runs), (oracle.stages, oracle.sent_again, oracle.stops)
    assert len(beside.did) == COMMANDS, beside.did


@pytest.mark.crash
@pytest.mark.timeout(1800)
async def test_a_bridge_that_is_killed_costs_another_on_the_same_database_nothing(
    postgresql_url: str, tmp_path: Path, closed: str, runs: int
) -> None:
    chance = Random(SEED)  # noqa: S311 - chosen to be repeated
    with closing(Database(postgresql_url)) as database:
        async with AsyncExitStack() as stack:
            pairs = []
            shared = tmp_path / "killed" / "keys"
            for name, warm_up in (("killed", 0), ("stopped", OTHERS)):
                folder = tmp_path / name
                Keys.load(folder / "keys", create=True)
                for file in (VAULT_KEY_FILE, LOOKUP_KEY_FILE):  # the first one's, for both
                    (folder / "keys" / file).write_bytes((shared / file).read_bytes())
                keys, _ = Keys.load(folder / "keys", create=False)
                async with await Ledger.open(postgresql_url, keys):
                    pass
                oracle = CrashOracle(database, keys)
                hook = await stack.enter_async_context(FakeHook(on_request=oracle.on_request))
                started = CrashSupervisor(
                    folder, postgresql_url, hook.url, closed, oracle, warm_up=warm_up
                )
                pairs.append((await stack.enter_async_context(started), oracle, keys))
            (killed, of_killed, keys_of_killed), (stopped, of_stopped, keys) = pairs
            for run in range(1, runs // STOP_EVERY + 1):
                await stopped.start(OTHERS + run)
                for each in range(STOP_EVERY):
                    await killed.run(run * STOP_EVERY + each, chance)
                await stopped.stop()
            async with await Ledger.open(postgresql_url, keys) as ledger:
                assert await ledger.recover() == 0, "what the other bridge knew, it has stored"
                of_stopped.check((await ledger.rows())[-1].seq)
                await ledger.checkpoint()
            async with await Ledger.open(postgresql_url, keys_of_killed) as ledger:
                await ledger.recover()
                await ledger.checkpoint()
                assert await stands(ledger)
    assert of_killed.stages["submitting"] > 0
    assert of_stopped.stops == runs // STOP_EVERY
