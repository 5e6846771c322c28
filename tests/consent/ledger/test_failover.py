"""The primary moves to another server, and poolers that do not pass our settings on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlsplit

import pytest

from agi_bridge.app.database_checks import check_database
from agi_bridge.app.findings import Level
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import Ledger
from agi_bridge.settings.ledger import LedgerSettings
from tests.support.call_env import prompts_heard
from tests.support.error_codes import coded
from tests.support.external_db import execute
from tests.support.failover import FORMS, Pair
from tests.support.fault_calls import AGREES, FORWARD, FaultBridge, went_to
from tests.support.pgbouncer import PgBouncer
from tests.support.postgresql import PostgreSQL

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.agi.testing import CallEvent
    from agi_bridge.consent.signing import Keys

pytestmark = pytest.mark.programs


async def test_a_primary_that_moves_in_mid_call_costs_nothing(keys: Keys, tmp_path: Path) -> None:
    """The caller hears the number read back while the standby takes over; nothing is lost."""
    with PostgreSQL.running() as first, PostgreSQL.running() as second, first.database() as url:
        second.stop()
        place = urlsplit(url)
        hosts = f"{place.query}&host={second.folder}&target_session_attrs=read-write"
        both = place._replace(query=hosts).geturl()
        assert [name for name, _ in parse_qsl(hosts)].count("host") == 2

        def moves(event: CallEvent) -> None:
            if event.kind == "playing" and event.text.endswith("/you-entered"):
                second.succeed(first)

        async with FaultBridge.running(both, keys, tmp_path) as bridge:
            assert went_to(await bridge.call("4155550124,1")) == [FORWARD]
            call = await bridge.call(AGREES, on_event=moves)
            assert "accepted" in prompts_heard(call)
            assert went_to(call) == [FORWARD]
            states = await bridge.states()
            assert [story[-1] for story in states] == ["accepted", "accepted"]
            assert await bridge.is_whole()
        first.succeed(second)  # `database` drops it there


@pytest.mark.parametrize("form", FORMS)
async def test_a_standby_that_is_promoted_in_mid_call_has_the_consent(
    keys: Keys, tmp_path: Path, form: str
) -> None:
    """The primary crashes; its synchronous standby, to which it streamed, takes its place."""
    with Pair.running() as pair:
        place = LedgerSettings(url=pair.url(form)).database_url()

        def moves(event: CallEvent) -> None:
            if event.kind == "playing" and event.text.endswith("/you-entered"):
                pair.lose_primary()

        async with FaultBridge.running(place, keys, tmp_path) as bridge:
            assert went_to(await bridge.call("4155550124,1")) == [FORWARD]
            call = await bridge.call(AGREES, on_event=moves)
            assert "accepted" in prompts_heard(call)
            assert went_to(call) == [FORWARD]
            assert [story[-1] for story in await bridge.states()] == ["accepted", "accepted"]
            assert await bridge.is_whole()
        assert execute(pair.second.url("postgres"), "SELECT pg_is_in_recovery()") == [(False,)]


@pytest.mark.parametrize("ignored", ["", "options"])
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_is_refused_with_its_reason(
    postgresql_server: PostgreSQL,
    postgresql_url: str,
    keys: Keys,
    mode: Literal["session", "transaction"],
    ignored: str,
) -> None:
    """Without our settings commits may be lost, and a frozen bridge keeps its locks for good."""
    name = urlsplit(postgresql_url).path[1:]
    with PgBouncer.running(postgresql_server, mode=mode, ignored=ignored) as pooler:
        assert execute(pooler.url(name), "SELECT 1") == [(1,)]
        with pytest.raises(LedgerUnavailable, check=coded("settings_dropped", "PgBouncer")):
            await Ledger.open(pooler.url(name), keys)
        assert execute(postgresql_url, "SELECT to_regclass('event')") == [(None,)]
        findings, _, _ = check_database(pooler.url(name))
        assert [(each.level, each.reason) for each in findings] == [
            (Level.FAULT, "settings_dropped")
        ]
