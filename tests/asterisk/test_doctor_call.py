"""The doctor's test calls on a real Asterisk: which step fails, what rings, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.doctor import Ear, Id, Level
from tests.support.call_env import DID
from tests.support.canned_bridge import CannedBridge, result
from tests.support.doctors_pbx import wrong

if TYPE_CHECKING:
    from tests.support.doctors_pbx import Surgery

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("doctor_call"),
]

FAULT, UNSEEN = Level.FAULT, Level.NOT_LOOKED_AT


async def test_the_ear_listens_where_it_is_told(surgery: Surgery) -> None:
    assert wrong(await surgery.look(call=f"{DID}@from-trunk", host="127.0.0.2")) == {}
    # An address that is not this machine's (RFC 5737) is one fault, and no call is placed.
    report = await surgery.look(call=f"{DID}@from-trunk", host="192.0.2.1")
    assert wrong(report) == {Id.CALL: FAULT}
    assert report.call == ()


async def test_freepbx_is_followed_and_called_through_its_custom_destination(
    surgery: Surgery,
) -> None:
    given = surgery.settings(
        did=["+1 415 555 0113"], dial="dialplan", dial_template="Local/{number}@from-internal/n"
    )
    # Its trunks' context needs no setting; outbound routes are not part of the fixture.
    report = await surgery.look(given, call="14155550113@from-pstn")
    assert wrong(report) == {Id.DIAL_TEMPLATE: FAULT}
    assert report.call is not None
    assert all(step.ok for step in report.call)
    assert len(report.call) == 6


async def test_no_telephone_of_a_freepbx_rings_for_a_test_call_that_is_lost(
    surgery: Surgery, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost(monkeypatch)
    given = surgery.settings(did=["+1 415 555 0113"])
    report = await surgery.look(given, call="14155550113@from-pstn", arrive_seconds=2.0)
    assert wrong(report) == {Id.DIALPLAN_URL: FAULT}
    assert surgery.phones["100"].calls == []


def lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a firewall: the PBX does not reach the called end."""
    url = Ear.url
    monkeypatch.setattr(
        Ear,
        "url",
        lambda ear, end, call: "agi://127.0.0.1:9/x" if end == "called" else url(ear, end, call),
    )


@pytest.mark.parametrize("context", ["own-fallback", "own-handler", "from-trunk"])
async def test_no_telephone_rings_for_a_test_call_that_is_lost(
    surgery: Surgery, monkeypatch: pytest.MonkeyPatch, context: str
) -> None:
    lost(monkeypatch)
    report = await surgery.look(call=f"{DID}@{context}", arrive_seconds=2.0)
    assert wrong(report) == {Id.DIALPLAN_URL: FAULT}
    assert surgery.phones["100"].calls == surgery.phones["200"].calls == []
    assert await surgery.asterisk.channels() == 0


async def test_a_test_call_goes_to_no_other_bridge(surgery: Surgery) -> None:
    async with (
        CannedBridge(*result("default", default="PJSIP/200")) as bridge,
        surgery.variable("OWN_URL", bridge.url, ""),
    ):
        report = await surgery.look(call=f"{DID}@own-bridge", arrive_seconds=2.0)
        assert bridge.calls == []
    assert wrong(report) == {Id.DIALPLAN_URL: FAULT}
    assert surgery.phones["100"].calls == surgery.phones["200"].calls == []


async def test_a_dialplan_of_version_2_takes_test_calls_and_is_named(surgery: Surgery) -> None:
    async with surgery.version_2():
        report = await surgery.look(call=f"{DID}@from-trunk")
        assert wrong(report) == {Id.DIALPLAN_CONTEXTS: Level.NOTE}
        assert report.call is not None
        assert all(step.ok for step in report.call)
        # There, the fallback of the number's own way would ring.
        unplaced = await surgery.look(call=f"{DID}@own-fallback")
    assert wrong(unplaced) == {Id.DIALPLAN_CONTEXTS: Level.NOTE, Id.CALL: UNSEEN}
    assert unplaced.call == ()
    assert surgery.phones["100"].calls == []


async def test_on_freepbx_a_destination_without_return_leaves_nobody_to_ring(
    surgery: Surgery,
) -> None:
    given = surgery.settings(
        {"ami": {"contexts": ["from-pstn"]}}, did=["+1 415 555 0115"], dial="dialplan"
    )
    assert wrong(await surgery.look(given)) == {Id.FALLBACK: FAULT}


async def test_a_bridge_that_the_pbx_does_not_reach_is_found_by_the_call(
    surgery: Surgery,
) -> None:
    # hagi:// is looked up in DNS by the PBX: without a call the doctor cannot tell where it leads.
    async with surgery.variable("AGI_BRIDGE_URL", "hagi://nowhere.invalid/consent", surgery.url):
        assert wrong(await surgery.look()) == {}
        report = await surgery.look(call=f"{DID}@from-trunk")
    assert wrong(report) == {Id.DIALPLAN_URL: FAULT}
    assert report.call is not None
    assert [step.name for step in report.call if not step.ok] == ["bridge"]


@pytest.mark.parametrize(
    ("context", "which", "failed"),
    [
        ("overrides", Id.DIALPLAN_URL, "arrival"),
        ("never-arrives", Id.DIALPLAN_URL, "arrival"),
        ("has-no-token", Id.DIALPLAN_URL, "arrival"),
        ("keeps-the-call", Id.CALL, "result"),
        ("loses-the-number", Id.DIALPLAN_DID, "did"),
        ("nowhere", Id.DIALPLAN_DID, None),
    ],
)
async def test_a_test_call_names_the_step_that_fails(
    surgery: Surgery, context: str, which: Id, failed: str | None
) -> None:
    report = await surgery.look(call=f"{DID}@{context}", arrive_seconds=1.0)
    assert wrong(report) == {which: FAULT}
    assert report.call is not None
    assert next((step.name for step in report.call if not step.ok), None) == failed
    # However it went, nothing is left of it, and no telephone has rung.
    assert await surgery.asterisk.channels() == 0


async def test_a_test_call_finds_prompts_that_the_pbx_cannot_read(surgery: Surgery) -> None:
    given = surgery.settings({"speech": {"pbx_prompts": "/nowhere/prompts"}})
    assert wrong(await surgery.look(given, call=f"{DID}@from-trunk")) == {Id.SOUNDS: FAULT}


async def test_a_test_call_hears_what_the_doctor_cannot_see(
    surgery: Surgery, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with a PBX on another machine, whose files are not here.
    monkeypatch.setattr("agi_bridge.doctor.pbx_checks.find_data_folder", lambda *_: None)
    assert wrong(await surgery.look()) == {Id.SOUNDS: UNSEEN}
    assert wrong(await surgery.look(call=f"{DID}@from-trunk")) == {}


async def test_a_load_of_calls_is_carried_and_counted(surgery: Surgery) -> None:
    report = await surgery.look(call=f"{DID}@from-trunk", load=20)
    assert wrong(report) == {}
    (found,) = (each.what for each in report.findings if each.id is Id.LOAD)
    assert found.startswith("20 of 20 ")
    short = await surgery.look(call=f"{DID}@never-arrives", load=3, arrive_seconds=1.0)
    assert wrong(short) == {Id.LOAD: FAULT}
    assert await surgery.asterisk.channels() == 0
