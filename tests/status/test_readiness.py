"""Ready, degraded, not ready: what takes a bridge out of service, and what never does."""

from __future__ import annotations

import pytest

from agi_bridge.status import Level
from tests.support.statuses import Pretended


def test_a_service_that_takes_calls_is_ready() -> None:
    judged = Pretended().status.readiness()
    assert judged.level is Level.READY
    assert set(judged.checks.values()) == {"ok"}


def test_a_service_that_drains_or_does_not_listen_yet_is_not_ready() -> None:
    service = Pretended()
    service.state.draining = True
    assert service.status.readiness().checks["calls"] == "draining"
    assert not service.status.readiness().is_ready
    service.state.draining = service.state.listening = False
    assert service.status.readiness().checks["calls"] == "not_listening"
    assert not service.status.readiness().is_ready


def test_a_hook_that_is_down_degrades_and_takes_no_bridge_out_of_service() -> None:
    service = Pretended(hook_open=True)
    assert service.status.readiness().level is Level.DEGRADED
    assert service.status.readiness().checks["hook"] == "circuit_open"


@pytest.mark.parametrize(
    ("service", "level"),
    [(Pretended(shared=True), Level.DEGRADED), (Pretended(), Level.NOT_READY)],
)
def test_a_ledger_that_is_gone_counts_only_if_it_is_this_bridges_own(
    service: Pretended, level: Level
) -> None:
    service.state.ledger_error = "consents.db was moved"
    assert service.status.readiness().level is level
    service.state.ledger_error = None
    service.ledger_open = True
    assert service.status.readiness().level is level


def test_one_line_without_its_disclosure_degrades_and_all_lines_make_it_not_ready() -> None:
    service = Pretended(lines=("shop", "paris"))
    service.state.lost_prompts = ("paris",)
    assert service.status.readiness().level is Level.DEGRADED
    service.state.lost_prompts = ("paris", "shop")
    assert service.status.readiness().level is Level.NOT_READY


def test_a_refused_reload_degrades() -> None:
    service = Pretended()
    service.state.stale = "lines.shop.brand: is missing"
    assert service.status.readiness().level is Level.DEGRADED
    assert service.status.readiness().checks["config"] == "stale"
