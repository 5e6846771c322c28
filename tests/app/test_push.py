"""What a configuration stores for whom, and a service that sends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, get_args

from agi_bridge.app.push import Pushing, push_routes
from agi_bridge.app.service import running
from agi_bridge.consent import PUSHED, Act, PushType, State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from agi_bridge.observe import Metrics
from agi_bridge.settings import Settings
from agi_bridge.settings.push import PushEvent
from tests.support.call_env import KEY, toml
from tests.support.consent_builders import revocation
from tests.support.push_receiver import SECRET, Receiver

if TYPE_CHECKING:
    from pathlib import Path

PUSH = """
[[push]]
name = "{name}"
url = "{url}"
signing_secret = {{env = "SECRET"}}
events = {events}
"""


def configured(folder: Path, *receivers: tuple[str, str, str]) -> Settings:
    config = folder / "agi-bridge.toml"
    tables = [PUSH.format(name=name, url=url, events=events) for name, url, events in receivers]
    config.write_text(toml(folder / "state") + "".join(tables), encoding="utf-8")
    return Settings.load(config, {"SHOP_KEY": KEY, "SECRET": SECRET})


def test_a_configuration_names_the_events_that_there_are() -> None:
    assert set(get_args(PushEvent)) == {type_.value for type_ in PushType}
    assert set(PUSHED.values()) == set(PushType)


def test_each_receiver_gets_the_events_that_it_asked_for(tmp_path: Path) -> None:
    settings = configured(
        tmp_path,
        ("crm", "http://127.0.0.1:9/", '["accepted", "revoked"]'),
        ("shop", "http://127.0.0.1:9/", '["revoked"]'),
    )
    assert push_routes(settings) == {
        State.ACCEPTED: ("crm",),
        Act.RESOLVED: ("crm",),
        Act.REVOCATION: ("crm", "shop"),
    }
    assert push_routes(configured(tmp_path)) == {}


async def test_a_reload_names_a_receiver_and_takes_it_away_again(tmp_path: Path) -> None:
    async with (
        Receiver().listening() as receiver,
        await Ledger.open(tmp_path / "consents.db", generate_keys()) as ledger,
        Pushing(ledger, configured(tmp_path), Metrics()) as pushing,
    ):
        await ledger.revoke(revocation())
        assert await ledger.outbox.entries() == []  # nobody is named: nothing is stored
        await pushing.use(configured(tmp_path, ("crm", receiver.url, '["revoked"]')))
        told = await ledger.revoke(revocation("+14155550199"))
        async with asyncio.timeout(60):
            await receiver.wait_for(1)
        assert receiver.received[0].body["data"]["revocation_id"] == told.revocation_id
        await pushing.use(configured(tmp_path))
        await ledger.revoke(revocation("+14155550198"))
        assert len(receiver.received) == 1


async def test_a_running_service_tells_a_receiver_of_a_revocation(tmp_path: Path) -> None:
    async with Receiver().listening() as receiver:
        settings = configured(tmp_path, ("crm", receiver.url, '["revoked"]'))
        async with running(settings) as service:
            told = await service.current.services.ledger.revoke(revocation())
            async with asyncio.timeout(60):
                await receiver.wait_for(1)
    assert [each.body["data"]["revocation_id"] for each in receiver.received] == [
        told.revocation_id
    ]
