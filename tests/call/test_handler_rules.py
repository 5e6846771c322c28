"""Whole calls under the rules of consent: revoked numbers, limits, hours, returning callers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi.testing import FakeAsterisk, KeySequence
from agi_bridge.call.metadata import SERVER
from agi_bridge.consent import LedgerUnavailable, Revocation, Scope, State
from tests.support.call_env import DID, CallEnv, prompts_heard, shipped_milliseconds

if TYPE_CHECKING:
    from agi_bridge.agi.testing import CallEvent, CallRecord, KeysBySound
    from agi_bridge.consent import ActiveConsent, Batch

NUMBER, DIGITS, AGREES = "+14155550123", "4155550123", "4155550123,1"
DEFAULT = "PJSIP/100"
SKIP = {"consent": {"returning": "skip", "caller_id_trust": "any", "opt_out_key": "9"}}
AGREES_ASKED: KeysBySound = {"enter-number": DIGITS, "confirm-number": KeySequence("1", 1.5)}
"""Keys the number and agrees, on a line that offers the opt-out key first."""
OFFER = ["returning", "opt-out-offer", "9"]
"""What a returning caller hears."""


def revocation(number: str = NUMBER, brand: str | None = "Example Store") -> Revocation:
    scope: Scope = "all" if brand is None else "brand"
    return Revocation(number=number, scope=scope, brand=brand, channel="command", actor="test")


def closed_now() -> dict[str, str]:
    """Hours that hold at no time near now in California."""
    morning = datetime.now(UTC).astimezone(ZoneInfo("America/Los_Angeles")).hour < 12
    return (
        {"opens": "20:00", "closes": "21:00"} if morning else {"opens": "03:00", "closes": "04:00"}
    )


async def declines(call_env: CallEnv, call: CallRecord, reason: str, *, sent: int = 0) -> None:
    """The caller is told that no text will come, and connected; nothing was sent."""
    assert prompts_heard(call)[-1] == "declined"
    assert [dial.destination for dial in call.dialled] == [DEFAULT]
    assert "AGI_BRIDGE_CONSENT" not in call.variables
    assert len(call_env.fake_hook.requests) == sent
    last = [event for event in await call_env.events() if isinstance(event.type, State)][-1]
    assert (last.type, last.body["reason"]) == (State.DECLINED, reason)
    assert await call_env.ledger.personal_data(last.consent_id) is None


# RevocationResult numbers


@pytest.mark.parametrize("brand", ["Example Store", None], ids=["this brand", "every brand"])
async def test_a_revoked_number_is_not_texted_for_any_caller(
    call_env: CallEnv, brand: str | None
) -> None:
    await call_env.ledger.revoke(revocation(brand=brand))
    with capture_logs() as logs:
        call = await call_env(AGREES)
    await declines(call_env, call, "suppressed")
    stored = [event for event in await call_env.events() if isinstance(event.type, State)]
    assert [event.type for event in stored] == ["disclosed", "entered", "declined"]
    (line,) = [log for log in logs if log["event"] == "call"]
    assert line["declined"] == "suppressed"
    assert [log for log in logs if log["log_level"] == "error"] == []


async def test_a_revoked_number_may_agree_again_from_its_own_telephone(call_env: CallEnv) -> None:
    await call_env.ledger.revoke(revocation())
    call = await call_env(AGREES, caller_id=NUMBER)
    assert prompts_heard(call)[-1] == "accepted"
    assert [request.from_ for request in call_env.fake_hook.requests] == [NUMBER]


@pytest.mark.parametrize("attestation", ["", "&attestation=B", "&attestation=C"])
async def test_a_caller_id_that_anyone_may_have_shown_lifts_no_revocation(
    call_env: CallEnv, attestation: str
) -> None:
    await call_env.ledger.revoke(revocation())
    path = f"consent?to=%2B14155550111{attestation}"
    call = await call_env(AGREES, caller_id=NUMBER, path=path)
    await declines(call_env, call, "suppressed")


async def test_a_number_revoked_for_another_brand_is_texted(call_env: CallEnv) -> None:
    await call_env.ledger.revoke(revocation(brand="Another Store"))
    await call_env(AGREES)
    assert len(call_env.fake_hook.requests) == 1


async def test_a_number_revoked_while_the_caller_keys_it_is_not_texted(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = call_env.ledger.append

    async def just_before(batch: Batch) -> None:
        await call_env.ledger.revoke(revocation())
        await append(batch)

    monkeypatch.setattr(call_env.ledger, "append", just_before)
    await declines(call_env, await call_env(AGREES), "suppressed")


# Limits


@pytest.mark.parametrize(
    ("limits", "second", "reason"),
    [
        ({"number_per_day": 1}, {"caller_id": "15145550101"}, "number_limit"),
        ({"caller_id_per_day": 1}, {"keys": "4155550124,1"}, "caller_limit"),
        (
            {"line_per_hour": 1},
            {"keys": "4155550124,1", "caller_id": "15145550101"},
            "line_limit",
        ),
        (
            {"line_per_hour": 4, "other_number_share": 25, "unidentified_share": 25},
            {"keys": "4155550124,1", "caller_id": "15145550101"},
            "line_share",
        ),
    ],
)
async def test_beyond_a_limit_no_text_is_sent(
    call_env: CallEnv, limits: dict[str, int], second: dict[str, str], reason: str
) -> None:
    await call_env(AGREES, {"limits": limits})
    call = await call_env(second.pop("keys", AGREES), {"limits": limits}, **second)
    await declines(call_env, call, reason, sent=1)


@pytest.mark.parametrize("hidden", ["unknown", "anonymous", "", "restricted", "1000"])
async def test_callers_who_show_no_number_have_a_limit_together(
    call_env: CallEnv, hidden: str
) -> None:
    limits = {"unidentified_per_day": 1}
    await call_env(AGREES, {"limits": limits}, caller_id="unknown")
    call = await call_env("4155550124,1", {"limits": limits}, caller_id=hidden)
    await declines(call_env, call, "unidentified_limit", sent=1)


@pytest.mark.parametrize(
    "shown",
    ["14155550100", "4155550100", "0014155550100", "011 1 415 555 0100", '"x" <4155550100>',
     "sip:+14155550100@pbx.example", "(415) 555-0100"],
)  # fmt: skip
async def test_a_caller_has_one_limit_however_the_number_is_spelt(
    call_env: CallEnv, shown: str
) -> None:
    limits = {"caller_id_per_day": 1}
    await call_env(AGREES, {"limits": limits}, caller_id="+14155550100")
    call = await call_env("4155550124,1", {"limits": limits}, caller_id=shown)
    await declines(call_env, call, "caller_limit", sent=1)


async def test_a_limit_of_0_disables_the_limit(call_env: CallEnv) -> None:
    limits = {"number_per_day": 0, "caller_id_per_day": 0, "line_per_hour": 0}
    for _ in range(7):
        await call_env(AGREES, {"limits": limits})
    assert len(call_env.fake_hook.requests) == 7


# Hours


async def test_with_strict_hours_a_number_is_not_texted_at_night(call_env: CallEnv) -> None:
    line = {"consent": {"quiet_hours": "strict"}, "hours": closed_now()}
    call = await call_env(AGREES, line)
    assert "you-entered" not in prompts_heard(call)
    await declines(call_env, call, "quiet_hours")


async def test_with_strict_hours_a_returning_caller_is_not_texted_at_night(
    call_env: CallEnv,
) -> None:
    await call_env(AGREES, caller_id=NUMBER)
    line = {
        "consent": {"quiet_hours": "strict", **SKIP["consent"]},
        "hours": closed_now(),
    }
    call = await call_env("", line, caller_id=NUMBER)
    assert prompts_heard(call) == ["declined"]
    assert len(call_env.fake_hook.requests) == 1
    assert (await call_env.states())[-1] == "accepted", "and nothing of it is stored"


async def test_otherwise_a_caller_is_texted_at_any_hour(call_env: CallEnv) -> None:
    await call_env(AGREES, {"hours": closed_now()})
    assert len(call_env.fake_hook.requests) == 1


# Returning callers


async def test_a_returning_caller_goes_straight_to_the_hook(call_env: CallEnv) -> None:
    first = await call_env(AGREES_ASKED, SKIP, caller_id=NUMBER)
    with capture_logs() as logs:
        call = await call_env("", SKIP, caller_id=NUMBER)
    assert prompts_heard(call) == [*OFFER, "accepted"]
    assert [request.from_ for request in call_env.fake_hook.requests] == [NUMBER, NUMBER]
    returned, submitting, accepted = (await call_env.events())[-3:]
    assert [returned.type, submitting.type, accepted.type] == ["returned", "submitting", "accepted"]
    assert returned.body["consent"] == first.variables["AGI_BRIDGE_CONSENT"]
    assert returned.body["region"] == "US"
    assert call.variables["AGI_BRIDGE_CONSENT"] == returned.consent_id
    (line,) = [log for log in logs if log["event"] == "call"]
    assert "returned" in [step for step, _ in line["steps"]]


@pytest.mark.parametrize(
    ("line", "caller_id"),
    [
        ({}, NUMBER),
        (SKIP, "unknown"),
        (SKIP, "15145550100"),
        ({**SKIP, "brand": "Other"}, NUMBER),
        ({**SKIP, "purpose": "marketing"}, NUMBER),
    ],
    ids=["not allowed", "hidden", "another number", "another brand", "another purpose"],
)
async def test_a_caller_without_an_active_consent_is_asked(
    call_env: CallEnv, line: dict[str, Any], caller_id: str
) -> None:
    await call_env(AGREES, caller_id=NUMBER)
    call = await call_env("*", line, caller_id=caller_id)
    assert "disclosure" in prompts_heard(call)
    assert "returning" not in prompts_heard(call)


async def test_a_caller_who_revoked_is_asked_again(call_env: CallEnv) -> None:
    await call_env(AGREES_ASKED, SKIP, caller_id=NUMBER)
    await call_env.ledger.revoke(revocation())
    call = await call_env(AGREES_ASKED, SKIP, caller_id=NUMBER)
    assert "disclosure" in prompts_heard(call)
    assert "returning" not in prompts_heard(call)
    assert len(call_env.fake_hook.requests) == 2


async def test_a_returning_caller_may_opt_out_or_go_without_a_text(call_env: CallEnv) -> None:
    await call_env(AGREES_ASKED, SKIP, caller_id=NUMBER)
    for keys in ({"returning": "*"}, {"opt-out-offer": "*"}):
        call = await call_env(keys, SKIP, caller_id=NUMBER)
        assert prompts_heard(call)[-1] == "declined"
        assert [dial.destination for dial in call.dialled] == [DEFAULT]
    assert (await call_env.states())[-1] == "accepted", "star revokes nothing"
    call = await call_env({"returning": "9"}, SKIP, caller_id=NUMBER)
    assert prompts_heard(call) == ["returning", "opted-out"]
    assert (await call_env.states())[-1] == "revoked"
    assert len(call_env.fake_hook.requests) == 1


async def test_what_a_returning_caller_heard_is_in_the_record(call_env: CallEnv) -> None:
    await call_env(AGREES_ASKED, SKIP, caller_id=NUMBER)
    await call_env("", SKIP, caller_id=NUMBER)
    [returned] = [event for event in await call_env.events() if event.type == "returned"]
    dialogue: Any = returned.body["dialogue"]
    heard = [entry[2] for entry in dialogue if entry[0] == "play"]
    assert heard == ["returning", "opt-out-offer"]


async def test_a_new_wording_asks_a_returning_caller_again(call_env: CallEnv) -> None:
    await call_env(AGREES_ASKED, SKIP, caller_id=NUMBER)
    reworded = {**SKIP, "disclosure": "disclosure-example-store"}
    call = await call_env("*", reworded, caller_id=NUMBER)
    assert "disclosure-example-store" in prompts_heard(call)
    call = await call_env("", SKIP, caller_id=NUMBER)
    assert prompts_heard(call) == [*OFFER, "accepted"], "the old wording is in force again"


async def test_a_returning_caller_beyond_a_limit_is_not_texted(call_env: CallEnv) -> None:
    line = {**SKIP, "limits": {"number_per_day": 1}}
    await call_env(AGREES_ASKED, line, caller_id=NUMBER)
    call = await call_env("", line, caller_id=NUMBER)
    assert prompts_heard(call) == [*OFFER, "declined"]
    await declines(call_env, call, "number_limit", sent=1)


async def test_a_returning_caller_is_asked_to_wait_while_the_ledger_is_slow(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = asyncio.Event()

    async def slow(*_asked: object, **_named: object) -> ActiveConsent | None:
        await heard.wait()
        return None

    def listen(event: CallEvent) -> None:
        if event.kind == "playing" and event.text.endswith("/please-hold"):
            heard.set()

    monkeypatch.setattr("agi_bridge.call.submission.HOLD_AFTER", 0)
    monkeypatch.setattr(call_env.ledger, "active_consent", slow)
    call = await call_env(AGREES_ASKED, SKIP, caller_id=NUMBER, on_event=listen)
    prompts = prompts_heard(call)
    assert "please-hold" in prompts[: prompts.index("disclosure")]
    assert len(call_env.fake_hook.requests) == 1


async def test_when_the_ledger_cannot_say_the_caller_is_asked(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_asked: object, **_named: object) -> ActiveConsent | None:
        raise LedgerUnavailable("the database is gone")

    monkeypatch.setattr(call_env.ledger, "active_consent", down)
    with capture_logs() as logs:
        call = await call_env("*", SKIP, caller_id=NUMBER)
    assert "disclosure" in prompts_heard(call)
    assert "returning" not in prompts_heard(call)
    assert [log["event"] for log in logs if log["log_level"] == "error"] == [
        "call.consent_lookup_failed"
    ]


async def test_a_returning_caller_is_spoken_to_in_the_language_of_the_consent(
    call_env: CallEnv,
) -> None:
    await call_env(AGREES, {"languages": ["es"]}, caller_id=NUMBER)
    call = await call_env("", {**SKIP, "languages": ["en", "es"]}, caller_id=NUMBER)
    assert call.heard[0].name.endswith("/es/returning")
    assert call.variables["CHANNEL(language)"] == "es"


async def test_a_consent_in_a_language_that_the_line_no_longer_has_is_asked_for_again(
    call_env: CallEnv,
) -> None:
    await call_env(AGREES, {"languages": ["es"]}, caller_id=NUMBER)
    call = await call_env("*", {**SKIP, "languages": ["en", "fr"]}, caller_id=NUMBER)
    assert "disclosure" in prompts_heard(call)


# What the record says of the call


@pytest.mark.parametrize(
    ("given", "kept"), [("a", "A"), ("C", "C"), ("D", None), ("", None), ("A%0a", "A")]
)
async def test_the_record_holds_what_the_trunk_vouches_for(
    call_env: CallEnv, given: str, kept: str | None
) -> None:
    await call_env("*", path=f"x?to={DID}&linkedid=pbx-17.5&attestation={given}")
    (disclosed, _) = await call_env.events()
    assert disclosed.body["attestation"] == kept
    assert disclosed.body["linked_id"] == "pbx-17.5"


async def test_the_record_says_where_when_and_for_what_the_caller_was_asked(
    call_env: CallEnv,
) -> None:
    await call_env("*", {"purpose": "marketing", "timezone": "America/New_York"})
    body = (await call_env.events())[0].body
    assert (body["purpose"], body["tz"], body["server"]) == (
        "marketing",
        "America/New_York",
        SERVER,
    )
    assert body["clock_synced"] in (True, False)
    assert (body["attestation"], body["caller_id_trust"], body["linked_id"]) == ("A", "A", "")


async def test_the_record_holds_the_context_and_where_the_caller_was_sent(
    call_env: CallEnv,
) -> None:
    handler = await call_env.handler({"hook": {"context": "spring"}})
    fake = FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds)
    await fake.run(handler, f"x?to={DID}")
    submitting, accepted = (await call_env.events())[-2:]
    assert submitting.body["context"] == "spring"
    assert "forward_c" in accepted.body
    assert (await call_env.ledger.personal_data(accepted.consent_id) or {})[
        "forward"
    ] == "+14155550199"


async def test_a_consent_left_unsent_is_news(call_env: CallEnv) -> None:
    call_env.fake_hook.scenario = "refuse"
    await call_env.fake_hook.settled()
    await call_env(AGREES)
    assert call_env.services.resubmission_due.is_set()


async def test_a_consent_that_was_sent_is_not_resubmitted(call_env: CallEnv) -> None:
    await call_env(AGREES)
    assert not call_env.services.resubmission_due.is_set()
