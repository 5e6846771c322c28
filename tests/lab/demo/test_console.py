"""What the demonstration tells."""

from __future__ import annotations

import asyncio
import io
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from agi_bridge.consent import ConsentRecord, LedgerUnavailable, State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.hook.testing import BY_NUMBER, FakeHook, Received, Scenario
from agi_bridge.lab.demo import console
from agi_bridge.lab.demo.console import STATES, BridgeLog
from agi_bridge.lab.demo.environment import DID, MENU_DID
from agi_bridge.lab.errors import DemoError
from tests.support import evidence_ledger
from tests.support.consent_builders import FACTS, HEARD, NUMBER, SENDING, confirmed
from tests.support.external_db import execute
from tests.support.screen import Screen, bridge, on, reporter

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_consent_is_told_as_the_ledger_has_it(tmp_path: Path) -> None:
    screen = io.StringIO()
    printer = reporter(screen)
    agreed = confirmed()
    agreed.submitting(SENDING)
    agreed.submission_ended(State.ACCEPTED, reason="dial", status=200, attempts=1, answer=None)
    keys, _ = Keys.load(tmp_path / "keys", create=True)
    async with await Ledger.open(tmp_path / "ledger.db", keys) as ledger:
        with pytest.raises(DemoError, match="no consent is stored"):
            await printer.print_consent(tmp_path / "ledger.db")
        await ledger.append(agreed.take())
        other = ConsentRecord(FACTS)
        other.disclosed(HEARD)
        await ledger.append(other.take())

    assert await printer.print_consent(tmp_path / "ledger.db") is State.DISCLOSED
    assert await printer.print_consent(tmp_path / "ledger.db", agreed.id) is State.ACCEPTED
    assert (
        await printer.print_consent(tmp_path / "ledger.db", agreed.id, before_hook=True)
        is State.SUBMITTING
    )
    printer.mask_numbers = True
    await printer.print_consent(tmp_path / "ledger.db", agreed.id)

    printed = [line.split(maxsplit=1)[1] for line in screen.getvalue().splitlines()]
    assert printed[0] == f"consent {other.id} of no number: disclosed"
    assert printed[1].endswith(f"{NUMBER}: disclosed > entered > confirmed > submitting > accepted")
    assert printed[2].endswith("> confirmed > submitting")
    assert NUMBER not in printed[3]


async def test_a_ledger_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"the ledger cannot be read: .*vault.key: not there"):
        await reporter(io.StringIO()).print_consent(tmp_path / "ledger.db")
    Keys.load(tmp_path / "keys", create=True)
    with pytest.raises(
        DemoError, match=r"the ledger cannot be read: .*no ledger is there"
    ) as caught:
        await reporter(io.StringIO()).print_consent(tmp_path / "ledger.db")
    assert isinstance(caught.value.__cause__, LedgerUnavailable)


async def test_the_proof_is_told_verdict_by_verdict(tmp_path: Path) -> None:
    screen = io.StringIO()
    keys, _ = Keys.load(tmp_path / "keys", create=True)
    async with await Ledger.open(tmp_path / "ledger.db", keys) as ledger:
        await evidence_ledger.begin(ledger)
        await evidence_ledger.accepted(ledger)
    await reporter(screen).verify(tmp_path / "ledger.db")
    printed = [line.split(maxsplit=1)[1] for line in screen.getvalue().splitlines()]
    chain = f"chain {keys.ledger_id[:8]}"
    assert printed[0] == "integrity holds: 6 events as written"
    assert printed[1] == f"anchored holds: {chain}: up to event 6 of 6"
    assert printed[2] == f"completeness holds: {chain}: events 1 to 6, none missing"
    assert printed[3].startswith("time trusting: unwitnessed")


async def test_a_proof_that_fails_ends_the_demonstration(tmp_path: Path) -> None:
    screen = io.StringIO()
    place = tmp_path / "ledger.db"
    keys, _ = Keys.load(tmp_path / "keys", create=True)
    async with await Ledger.open(place, keys) as ledger:
        await ledger.append(confirmed().take())
        await ledger.checkpoint()
    execute(place, "drop trigger event_no_delete")
    execute(place, "delete from event where seq = 4")
    with pytest.raises(DemoError, match="does not verify"):
        await reporter(screen).verify(place)
    assert "completeness FAILS" in screen.getvalue()


async def test_a_proof_needs_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="the ledger cannot be read"):
        await reporter(io.StringIO()).verify(tmp_path / "ledger.db")


async def test_what_the_hook_is_asked_comes_after_what_is_stored(tmp_path: Path) -> None:
    screen = Screen()
    printer = reporter(screen)
    async with FakeHook() as hook:
        asked = asyncio.create_task(printer.report_requests(hook, tmp_path / "ledger.db"))
        await hook._note(Received("POST", "+14155550123", DID, "k", None, Scenario.SAY))
        await screen.shows("define voice call forwarding")
        asked.cancel()
    assert "request: POST from=+14155550123" in screen.getvalue()


@pytest.mark.parametrize("scenario", list(Scenario))
def test_every_answer_of_the_hook_is_one_line(scenario: Scenario) -> None:
    line = console.answer(Received("POST", "1", "2", "3", None, scenario))
    assert line
    assert line.isprintable()
    assert scenario in STATES


async def test_the_bridges_log_is_sorted_into_calls_and_complaints() -> None:
    screen = Screen()
    calls = BridgeLog(reporter(screen))
    call = {"event": "call", "line": "demo", "dialled": ["+1***99"], "result": "done", "ms": 1500}
    calls.take({"event": "listening", "level": "info"})
    calls.take({"event": "hook refused", "level": "error", "at": "now", "line": "demo"})
    calls.take({**call, "level": "info", "steps": [["disclosure", 3]]})
    calls.take({"event": "call", "level": "info"})
    assert await calls.next(1) == {**call, "level": "info", "steps": [["disclosure", 3]]}
    printer = asyncio.create_task(calls.report_calls())
    await screen.shows("0.0 s")
    calls.take({**call, "steps": [["disclosure", 3]]})
    await screen.shows("seconds to each step: disclosure 0.0")
    printer.cancel()
    printed = screen.getvalue()
    assert "error  hook refused line=demo" in printed
    assert "log    line demo; dialled +1***99; result done; 1.5 s" in printed


async def test_a_call_that_the_bridge_never_logs_is_an_error() -> None:
    with pytest.raises(DemoError, match="not logged"):
        await BridgeLog(reporter(io.StringIO())).next(0)


def test_people_are_told_how_to_register_and_what_to_key(tmp_path: Path) -> None:
    screen = io.StringIO()
    asterisk = SimpleNamespace(sip=("127.0.0.1", 5060), accounts={"softphone": "s[e]cret"})
    console.print_instructions(on(screen), cast("Any", asterisk), bridge(tmp_path), None)
    printed = screen.getvalue()
    for expected_text in ("127.0.0.1:5060", "s[e]cret", DID, MENU_DID, "agi-bridge softphone"):
        assert expected_text in printed
    for last, scenario in BY_NUMBER.items():
        assert f"+141555501{last}    {scenario}" in printed
    screen = io.StringIO()
    console.print_fake_instructions(on(screen), bridge(tmp_path), Scenario.SAY)
    assert "the hook answers say" in screen.getvalue()
    assert "register" not in screen.getvalue()
