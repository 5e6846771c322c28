"""A bridge that is frozen in the middle of a transaction, and what another one waits for."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

import pytest

from agi_bridge.consent import State, Withheld
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.ledger.transaction import IDLE_MS
from agi_bridge.consent.signing import Keys, generate_keys
from tests.support.consent_builders import HEARD, NUMBER, revocation, submitting
from tests.support.external_db import execute
from tests.support.frozen_bridge import LIMITED, frozen_bridge

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator
    from pathlib import Path

OTHER: Final = "+14155550124"
OPEN: Final = (
    "select count(*) from pg_stat_activity where state = 'idle in transaction' "
    "and datname = current_database()"
)
"""How many transactions PostgreSQL waits in for a client."""


def outcome(process: subprocess.Popen[str]) -> str:
    """What became of the agreement, once the process has ended."""
    return process.communicate()[0].splitlines()[-1]


@pytest.fixture
def frozen_keys(tmp_path: Path) -> Path:
    """The folder with the keys of the bridge that is frozen."""
    Keys.load(tmp_path / "keys", create=True)
    return tmp_path / "keys"


@pytest.fixture
async def well(emptied_url: str, frozen_keys: Path) -> AsyncIterator[Ledger]:
    """The other bridge's ledger on the same database."""
    theirs = Keys.load(frozen_keys, create=False)[0]
    keys = Keys(theirs.vault, theirs.lookup, generate_keys().signing)
    async with await Ledger.open(emptied_url, keys) as opened:
        await opened.register_disclosure(HEARD.language, HEARD.text, HEARD.audio_sha256, b"wav")
        yield opened


@pytest.mark.programs
@pytest.mark.parametrize("point", ["locked", "inserted"])
async def test_a_line_waits_for_nobody_who_is_frozen(
    well: Ledger, emptied_url: str, frozen_keys: Path, point: str
) -> None:
    with frozen_bridge(emptied_url, frozen_keys, point, NUMBER) as process:
        for n in range(8):
            await well.append(submitting(f"+1415555{200 + n:04}", rules=LIMITED).take())
        assert execute(emptied_url, OPEN) == [(1,)]  # it is at it still, and held nobody up
        process.send_signal(signal.SIGCONT)
        assert outcome(process) == "stored"
    with pytest.raises(Withheld, match="line_limit"):
        await well.append(submitting(OTHER, rules=LIMITED).take())


@pytest.mark.programs
async def test_what_it_decided_before_the_freeze_is_decided_again_after_it(
    well: Ledger, emptied_url: str, frozen_keys: Path
) -> None:
    with frozen_bridge(emptied_url, frozen_keys, "inserted", NUMBER) as process:
        for n in range(9):
            await well.append(submitting(f"+1415555{200 + n:04}", rules=LIMITED).take())
        process.send_signal(signal.SIGCONT)
        assert outcome(process) == "line_limit"
    assert len([each for each in await well.events() if each.type == "confirmed"]) == 9


@pytest.mark.programs
async def test_a_number_that_was_revoked_meanwhile_is_not_agreed_to(
    well: Ledger, emptied_url: str, frozen_keys: Path
) -> None:
    with frozen_bridge(emptied_url, frozen_keys, "inserted", NUMBER) as process:
        revoking = asyncio.create_task(well.revoke(revocation(NUMBER)))
        await asyncio.wait([revoking], timeout=0.05)
        process.send_signal(signal.SIGCONT)
        word = outcome(process)
        result = await revoking
    stored = [each.type.value for each in await well.events() if each.type == "confirmed"]
    assert (word, result.consents, len(stored)) in {("suppressed", 0, 0), ("stored", 1, 1)}


@pytest.mark.programs
async def test_the_same_number_waits_for_it_no_longer_than_postgresql_does(
    well: Ledger, emptied_url: str, frozen_keys: Path
) -> None:
    """Both have a person to store who is new. The one that thaws is stored behind the other."""
    with frozen_bridge(emptied_url, frozen_keys, "inserted", NUMBER, idle_ms=IDLE_MS) as process:
        await well.append(submitting(rules=LIMITED).take())
        assert execute(emptied_url, OPEN) == [(0,)]
        process.send_signal(signal.SIGCONT)
        assert outcome(process) == "stored"
    assert [each.type for each in await well.events()].count(State.CONFIRMED) == 2


@pytest.mark.programs
async def test_what_waits_for_one_that_is_frozen_delays_nobody_else(
    well: Ledger, emptied_url: str, frozen_keys: Path
) -> None:
    with frozen_bridge(emptied_url, frozen_keys, "revoking", NUMBER) as process:
        waiting = asyncio.create_task(well.append(submitting(rules=LIMITED).take()))
        for n in range(8):
            await well.append(submitting(f"+1415555{200 + n:04}", rules=LIMITED).take())
        assert not waiting.done()
        process.kill()
        await waiting
