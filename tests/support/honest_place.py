"""An honest ledger with stamped checkpoints, copied for each attack, and an export of one person.

1 opened, 2 witnessed (stamp before the calls), then: a consent of NUMBER for the brand, one of
OTHER, a declined call, NUMBER's revocation, a second consent of NUMBER from its own telephone;
checkpoints and stamps between and at the end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from tests.support import evidence_ledger as shop
from tests.support.forgery import Place
from tests.support.timestamp_authority import Authority, make_authority, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with serving(make_authority(tmp_path_factory.mktemp("tsa") / "authority")) as served:
        yield served


async def _fill(place: Place, authority: Authority) -> None:
    tsa = authority.client()
    async with await Ledger.open(place.database, place.keys) as ledger:
        await shop.begin(ledger)
        checkpoints = [await shop.stamped(ledger, tsa)]
        place.ids["first"] = await shop.accepted(ledger)
        place.ids["other"] = await shop.accepted(ledger, shop.OTHER)
        checkpoints.append(await shop.stamped(ledger, tsa))
        place.ids["declined"] = await shop.declined(ledger)
        place.ids["revocation"] = await shop.revoked(ledger)
        place.ids["second"] = await shop.accepted(ledger, caller_id=shop.NUMBER)
        checkpoints.append(await shop.stamped(ledger, tsa))
    place.elsewhere = checkpoints


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Place:
    """The original: not to be written to."""
    folder = tmp_path_factory.mktemp("honest") / "state"
    folder.mkdir()
    place = Place(folder, generate_keys(), authority.root)
    asyncio.run(_fill(place, authority))
    return place


@pytest.fixture
def place(honest: Place, tmp_path: Path) -> Place:
    """A copy of it."""
    return honest.copy(tmp_path / "state")


@pytest.fixture(scope="session")
def honest_export(honest: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of NUMBER's records: not to be written to."""
    folder = tmp_path_factory.mktemp("honest-export")
    return honest.copy(folder / "state").export(folder / "export", honest.ids["first"])
