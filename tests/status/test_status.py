"""The document that the command shows, and the few words of sd_notify."""

from __future__ import annotations

import json

from agi_bridge.status import headline
from tests.support.statuses import Pretended


def test_the_document_is_json_and_says_what_an_administrator_asks() -> None:
    service = Pretended(calls=2)
    service.state.unsent, service.state.waiting = 1, {"message": 2, "consent": 0}
    service.metrics.hook_answered("shop", "accepted", 200, "dial", 0.1)
    service.metrics.hook_answered("shop", "unknown", None, "timeout", 8)
    document = json.loads(json.dumps(service.status.document()))
    assert document["level"] == "ready"
    assert document["service"]["started_at"] == "2026-11-27T04:52:03Z"
    assert document["calls"] == {
        "active": 2, "last_at": None, "last_hour": {}, "since_start": 0,
    }  # fmt: skip
    assert document["hook"]["last_failure"] == "timeout"
    assert document["hook"]["last_success_at"] == "2026-11-27T04:52:03Z"
    assert document["waiting"] == {"unsent": 1, "for_person": {"message": 2, "consent": 0}}
    assert [problem["kind"] for problem in document["problems"]] == ["WaitingForPerson"]


def test_the_headline_is_one_line() -> None:
    service = Pretended(calls=12)
    service.state.waiting = {"message": 0}
    assert headline(service.status.document()) == "12 calls, hook ok, 0 waiting for a person"
    service.calls, service.hook_open = 1, True
    service.state.ledger_error, service.state.stale = "gone", "wrong"
    service.state.draining = True
    service.state.waiting = {"message": 3}
    assert headline(service.status.document()) == (
        "draining, 1 call, hook down, 3 waiting for a person, ledger down, "
        "configuration on disk not in force"
    )
