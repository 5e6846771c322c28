"""One running web for a module of tests, and what its ledger was told in this test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis
import pytest
import pytest_asyncio

from agi_bridge.web import tokens
from tests.support.lookup_env import env  # noqa: F401 - a fixture, which pytest finds by name
from tests.support.web_serving import (
    BOTH,
    INSTAPLY,
    NUMBER,
    TOKEN,
    KeptRevocations,
    Services,
    serving,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

hypothesis.settings.register_profile("web", deadline=None)  # a slow machine is not a failure
hypothesis.settings.load_profile("web")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    """A web with both tokens and a file of customers: starting and ending one takes 0.2 s."""
    folder = tmp_path_factory.mktemp("web")
    file = folder / "customers.csv"
    rows = f"customer_id,number\ncust_001,{NUMBER}\n77,(415) 555-0124\n"
    file.write_text(rows, encoding="utf-8")
    configured = settings(folder, f'{BOTH}customers = "{file}"\n')
    ledger = KeptRevocations()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tokens, "MOST", 10_000)  # all tests of a module share one address
        async with serving(configured, ledger, None) as client:
            yield Services(client, ledger)


@pytest.fixture
def ledger(house: Services) -> KeptRevocations:
    house.ledger.forget()
    return house.ledger


@pytest.fixture
def client(house: Services, ledger: KeptRevocations) -> httpx.AsyncClient:
    """A client that may revoke."""
    del ledger
    house.client.headers["Authorization"] = f"Bearer {TOKEN}"
    return house.client


@pytest.fixture
def instaply(house: Services, ledger: KeptRevocations) -> httpx.AsyncClient:
    """Instaply's client."""
    del ledger
    house.client.headers["Authorization"] = f"Bearer {INSTAPLY}"
    return house.client
