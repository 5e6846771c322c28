"""An idempotent receiver is asked again about what is unknown; any other never is."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from agi_bridge.call.resubmit import ASKING
from agi_bridge.consent import Act, IllegalTransition, Revocation, SendingFacts, State
from agi_bridge.hook.testing import Scenario
from tests.call.test_resubmit_stored import ROUND_THE_CLOCK, later, states_of
from tests.support.call_env import AGREES, NUMBER, SECRET, WEBHOOK, settings
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from tests.support.call_env import CallEnv

IDEMPOTENT: dict[str, Any] = {
    "tables": {"hook": {**WEBHOOK, "idempotent": True}},
    **ROUND_THE_CLOCK,
}
PACIFIC = ZoneInfo("America/Los_Angeles")
"""Where the number is."""
UNKNOWN = ["disclosed", "entered", "confirmed", "submitting", "unknown"]


async def left_unknown(
    call_env: CallEnv, scenario: Scenario = Scenario.ERROR, line: dict[str, Any] = IDEMPOTENT
) -> str:
    """A consent whose receiver did not say what became of it; returns its id."""
    call_env.fake_hook.secrets = [SECRET]
    call_env.fake_hook.scenario = scenario
    call = await call_env(AGREES, line)
    call_env.fake_hook.scenario = None
    consent = call.variables["AGI_BRIDGE_CONSENT"]
    assert await states_of(call_env, consent) == UNKNOWN
    return consent


@pytest.mark.parametrize("scenario", [Scenario.ERROR, Scenario.RESET, Scenario.GARBAGE])
async def test_it_is_asked_again_under_the_same_key_until_it_says(
    call_env: CallEnv, scenario: Scenario
) -> None:
    consent = await left_unknown(call_env, scenario)
    asked = len(call_env.fake_hook.requests)
    assert asked == (2 if scenario is Scenario.RESET else 1)  # no answer: at once
    await later(call_env.services, 0).round()
    assert len(call_env.fake_hook.requests) == asked, "not before it is due"
    await later(call_env.services).round()
    assert await states_of(call_env, consent) == [*UNKNOWN, "submitting", "accepted"]
    assert call_env.fake_hook.texted == {consent: asked + 1}
    assert {each.from_ for each in call_env.fake_hook.requests} == {NUMBER}
    assert (await call_env.ledger.backlog()).waiting["consent"] == 0
    with pytest.raises(IllegalTransition, check=coded("not_waiting")):
        await call_env.ledger.record_act(Act.RESOLVED, consent, **{"as": "texted", "actor": "x"})


async def test_another_receiver_is_never_asked_again(call_env: CallEnv) -> None:
    line = {**ROUND_THE_CLOCK, "tables": {"hook": WEBHOOK}}
    consent = await left_unknown(call_env, line=line)
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == 1
    assert (await call_env.ledger.backlog()).waiting["consent"] == 1
    # Neither once it is declared idempotent: what was sent before was not under that promise.
    await call_env.handler(**IDEMPOTENT)
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == 1
    assert await states_of(call_env, consent) == UNKNOWN


async def test_a_receiver_at_another_path_of_the_host_is_another_one(call_env: CallEnv) -> None:
    consent = await left_unknown(call_env)
    moved = f"{call_env.fake_hook.url}/next"
    await call_env.handler_of(settings(call_env.state_dir, moved, **IDEMPOTENT))
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == 1
    assert await states_of(call_env, consent) == UNKNOWN


async def test_the_ledger_itself_refuses_a_repetition_that_nobody_promised(
    call_env: CallEnv,
) -> None:
    consent = await left_unknown(call_env)
    host = "127.0.0.1"
    for platform, idempotent in (("other.example.com", True), (host, False)):
        record = await call_env.ledger.load_for_retry(consent)
        sending = SendingFacts(
            texts_from=None,
            platform=platform,
            first_text="",
            hook_kind="webhook",
            idempotent=True,
        )
        record.submitting(sending, 2)
        batch = record.take()
        if not idempotent:
            body = {k: v for k, v in batch.events[0].body.items() if k != "idempotent"}
            batch = replace(batch, events=(replace(batch.events[0], body=body),))
        with pytest.raises(IllegalTransition):
            await call_env.ledger.append(batch)
    assert await states_of(call_env, consent) == UNKNOWN


async def test_a_repetition_that_does_not_leave_keeps_the_outcome_unknown(
    call_env: CallEnv,
) -> None:
    consent = await left_unknown(call_env)
    call_env.fake_hook.scenario = Scenario.REFUSE
    await call_env.fake_hook.settled()
    await later(call_env.services).round()
    assert await states_of(call_env, consent) == [*UNKNOWN, "submitting", "unknown"]
    assert (await call_env.ledger.backlog()).waiting["consent"] == 1


async def test_being_turned_away_at_the_door_settles_nothing(call_env: CallEnv) -> None:
    consent = await left_unknown(call_env)
    call_env.fake_hook.secrets = []
    await later(call_env.services).round()
    assert (await states_of(call_env, consent))[-1] == "unknown"
    assert call_env.fake_hook.requests[-1].scenario is Scenario.UNAUTHORISED
    call_env.fake_hook.secrets = [SECRET]
    call_env.fake_hook.scenario = Scenario.MISSING  # 400: as many answer a wrong signature
    await later(call_env.services, 60).round()
    assert (await states_of(call_env, consent))[-1] == "unknown"
    call_env.fake_hook.scenario = Scenario.LATE  # 410: nothing went out, and nothing will
    await later(call_env.services, 180).round()
    assert (await states_of(call_env, consent))[-1] == "refused"


def pass_time(call_env: CallEnv, seconds: float) -> None:
    """Let the receiver's clock show a later time."""
    call_env.fake_hook.now = lambda: time.time() + seconds


@pytest.mark.parametrize(("texted", "state"), [(True, "accepted"), (False, "refused")])
async def test_after_ten_minutes_it_is_asked_what_it_has_done_and_texts_nobody(
    call_env: CallEnv, *, texted: bool, state: str
) -> None:
    consent = await left_unknown(call_env)
    if not texted:
        call_env.fake_hook.texted.clear()
    pass_time(call_env, 601)
    await later(call_env.services, 601).round()
    assert await states_of(call_env, consent) == [*UNKNOWN, "submitting", state]
    assert (call_env.fake_hook.requests[-1].scenario is Scenario.LATE) is not texted
    assert (consent in call_env.fake_hook.texted) is texted
    assert (await call_env.ledger.backlog()).waiting["consent"] == 0
    assert call_env.services.metrics.hook_requests.total(outcome="refused") == 0, "nobody is woken"


async def test_an_outage_of_an_hour_ends_with_a_known_outcome(call_env: CallEnv) -> None:
    consent = await left_unknown(call_env)
    call_env.fake_hook.scenario = Scenario.ERROR
    for minutes in range(0, 61, 10):
        pass_time(call_env, minutes * 60)
        await later(call_env.services, minutes * 60).round()  # each time as after a restart
        assert (await states_of(call_env, consent))[-1] == "unknown"
    assert len(call_env.fake_hook.requests) == 7
    call_env.fake_hook.scenario = None
    call_env.fake_hook.texted.clear()  # it was down before it read any of them
    await later(call_env.services, 3660).round()
    assert (await states_of(call_env, consent))[-1] == "refused"
    assert consent not in call_env.fake_hook.texted


@pytest.mark.parametrize("seconds", [-0.5, 1.0])
async def test_after_three_days_it_stays_unknown_for_a_person(
    call_env: CallEnv, seconds: float
) -> None:
    consent = await left_unknown(call_env)
    call_env.fake_hook.scenario = Scenario.ERROR
    await later(call_env.services, ASKING.total_seconds() - 1).round()
    await later(call_env.services, ASKING.total_seconds() + seconds).round()
    states = await states_of(call_env, consent)
    assert (states[-1], "expired" in states) == ("unknown", False)
    assert len(call_env.fake_hook.requests) <= 3
    await later(call_env.services, ASKING.total_seconds() + 3600).round()
    assert await states_of(call_env, consent) == states
    assert (await call_env.ledger.backlog()).waiting["consent"] == 1


async def test_it_is_not_asked_outside_the_hours_of_the_line(call_env: CallEnv) -> None:
    hours = {"opens": "09:00", "closes": "20:00"}
    consent = await left_unknown(call_env, line={**IDEMPOTENT, "hours": hours})
    for hour in range(24):
        pass_time(call_env, (hour + 1) * 3600)
        moment = datetime.now(UTC) + timedelta(hours=hour + 1)
        before = len(call_env.fake_hook.requests)
        await later(call_env.services, (hour + 1) * 3600).round()
        if not 9 <= moment.astimezone(PACIFIC).hour < 20:
            assert len(call_env.fake_hook.requests) == before
    assert (await states_of(call_env, consent))[-1] == "accepted"


async def test_while_it_does_not_answer_one_consent_is_asked_about_at_a_time(
    call_env: CallEnv,
) -> None:
    for _ in range(3):
        await left_unknown(call_env)
    call_env.fake_hook.scenario = Scenario.ERROR
    asked = len(call_env.fake_hook.requests)
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == asked + 1
    call_env.fake_hook.scenario = None
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == asked + 3  # the first waits longer now


async def test_what_a_person_settled_is_not_asked_again(call_env: CallEnv) -> None:
    consent = await left_unknown(call_env)
    await call_env.ledger.record_act(Act.RESOLVED, consent, **{"as": "texted", "actor": "x"})
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == 1


async def test_a_revoked_number_is_not_asked_for_again(call_env: CallEnv) -> None:
    consent = await left_unknown(call_env)
    await call_env.ledger.revoke(
        Revocation(number=NUMBER, scope="all", channel="command", actor="test")
    )
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == 1
    assert (await states_of(call_env, consent))[-1] == State.REVOKED


async def test_what_a_killed_bridge_left_is_asked_again_by_the_next(call_env: CallEnv) -> None:
    consent = await left_unknown(call_env)
    record = await call_env.ledger.load_for_retry(consent)
    line = call_env.services.settings.lines["shop"]
    record.submitting(call_env.services.sending_facts(line), 2)
    await call_env.ledger.append(record.take())  # and the bridge is killed
    assert await call_env.ledger.recover() == 1
    assert (await states_of(call_env, consent))[-1] == "unknown"
    await later(call_env.services, 60).round()
    assert (await states_of(call_env, consent))[-1] == "accepted"
    assert call_env.fake_hook.texted[consent] == 2
