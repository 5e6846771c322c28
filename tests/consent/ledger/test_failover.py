"""The primary moves to another server, and poolers that do not pass our settings on."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import Ledger, engines
from tests.support.call_env import prompts_heard
from tests.support.error_codes import coded
from tests.support.fault_calls import AGREES, FORWARD, FaultBridge, went_to
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


async def test_a_pooler_that_drops_our_settings_is_refused(
    emptied_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them commits may be lost, and a frozen bridge keeps its locks for good."""
    monkeypatch.setattr(engines, "_POSTGRESQL_OPTIONS", "")
    with pytest.raises(LedgerUnavailable, check=coded("settings_dropped")):
        await Ledger.open(emptied_url, keys)
