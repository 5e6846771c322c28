"""`agi-bridge push`: what waits, and what a person does about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import invoke

if TYPE_CHECKING:
    from tests.support.sample_ledger import SampleLedger

NUMBER = "+14155550177"
PUSH = """
[[push]]
name = "crm"
url = "http://127.0.0.1:9/events"
signing_secret = {file = "/nonexistent/crm.secret"}
"""


@pytest.fixture
def told(sample: SampleLedger) -> SampleLedger:
    """A ledger whose configuration names a receiver; its secret is not for commands."""
    with sample.shell.config.open("a", encoding="utf-8") as file:
        file.write(PUSH)
    return sample


def push(sample: SampleLedger, *arguments: object) -> tuple[int, str, str]:
    return invoke("push", *arguments, "--config", sample.shell.config)


def listed(sample: SampleLedger, *arguments: object) -> list[dict[str, Any]]:
    code, out, err = push(sample, "list", "--json", *arguments)
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)
    return found


def revoke(sample: SampleLedger, number: str = NUMBER) -> str:
    result = sample.shell("revoke", "--number", number, "--json")
    assert result.status == 0, result
    return str(result.json["revocation"])


def test_a_command_stores_messages_as_the_service_does(told: SampleLedger) -> None:
    assert push(told, "list")[:2] == (0, "none\n")
    id_ = revoke(told)
    [entry] = listed(told)
    assert (entry["endpoint"], entry["type"], entry["record"]) == ("crm", "revoked", id_)
    assert (entry["attempts"], entry["reason"], entry["next_at"]) == (0, None, None)
    assert entry["configured"] is True
    code, out, _ = push(told, "list")
    assert code == 0
    assert id_ in out
    assert NUMBER[2:] not in out


def test_messages_are_dropped_by_record_by_receiver_or_all(told: SampleLedger) -> None:
    first, second = revoke(told), revoke(told, "+14155550178")
    code, out, _ = push(told, "drop", "--record", first, "--json")
    assert (code, json.loads(out)) == (0, {"dropped": 1})
    assert [entry["record"] for entry in listed(told)] == [second]
    assert push(told, "drop", "--endpoint", "shop")[0] == 1  # nothing of that name waits
    assert push(told, "drop", "--all")[0] == 0
    assert listed(told) == []


def test_messages_are_made_due(told: SampleLedger) -> None:
    revoke(told)
    code, out, _ = push(told, "retry", "--endpoint", "crm", "--json")
    assert (code, json.loads(out)) == (0, {"due": 1, "endpoints_asked_again": 0})


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize("options", [[], ["--all", "--endpoint", "crm"]])
def test_nothing_is_changed_that_was_not_named(
    told: SampleLedger, command: str, options: list[str]
) -> None:
    revoke(told)
    code, _, err = push(told, command, *options)
    assert code == 2
    assert err.count("\n") == 1
    assert len(listed(told)) == 1


def test_messages_to_a_receiver_that_is_not_configured_any_more_are_shown(
    told: SampleLedger,
) -> None:
    revoke(told)
    text = told.shell.config.read_text(encoding="utf-8")
    told.shell.config.write_text(text.replace(PUSH, ""), encoding="utf-8")
    [entry] = listed(told)
    assert entry["configured"] is False
    assert "push drop --endpoint crm" in push(told, "list")[1]
