"""Attacks on the YES by text that completes a consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.evidence.export import verify_export
from tests.support import evidence_ledger as shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.forgery import Place

THIRD = "+14155550177"


@pytest.fixture
def waiting(place: Place) -> Place:
    """With a consent of a third number that a YES has completed, and one of it that waits."""

    async def fill(ledger: Any) -> None:
        place.ids["done"] = await shop.accepted(ledger, THIRD, reply=True, purpose="info")
        assert await shop.replied(ledger, THIRD) == [place.ids["done"]]
        place.ids["waits"] = await shop.accepted(ledger, THIRD, reply=True)
        await ledger.checkpoint()

    place.use(fill)
    return place


def test_what_waits_and_what_is_done_are_told_apart(waiting: Place, tmp_path: Path) -> None:
    assert waiting.verify().failing == set()
    out = waiting.export(tmp_path / "x", waiting.ids["done"])
    assert waiting.both(out).failing == set()
    pages = {path.stem: path.read_text() for path in (out / "records").iterdir()}
    done, waits = pages[waiting.ids["done"]], pages[waiting.ids["waits"]]
    assert "completed by a YES by text" in done
    assert "Consent given" in done
    assert "unfinished: no YES has come back by text" in waits
    assert "Consent given" not in waits
    assert all("written consent" not in page.casefold() for page in pages.values())
    assert verify_export(out)[0].integrity.faults == ()


def _of_a_consent_that_asks_for_none(place: Place, bodies: list[dict[str, Any]]) -> None:
    for body in bodies:
        if body["consent_id"] == place.ids["done"]:
            body.pop("confirm_by_reply", None)


def _before_the_agreement(place: Place, bodies: list[dict[str, Any]]) -> None:
    place_of = {body["type"]: n for n, body in enumerate(bodies) if _is_done(place, body)}
    reply = bodies.pop(place_of["replied"])
    bodies.insert(place_of["disclosed"] + 1, reply)


def _twice(_: Place, bodies: list[dict[str, Any]]) -> None:
    [reply] = [body for body in bodies if body["type"] == "replied"]
    bodies.append({**reply, "written": bodies[-1]["written"]})


def _moved_to_the_one_that_waits(place: Place, bodies: list[dict[str, Any]]) -> None:
    [reply] = [body for body in bodies if body["type"] == "replied"]
    bodies.remove(reply)
    bodies.append({**reply, "consent_id": place.ids["waits"], "written": bodies[-1]["written"]})


def _is_done(place: Place, body: dict[str, Any]) -> bool:
    return bool(body["consent_id"] == place.ids["done"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_of_a_consent_that_asks_for_none, "reply_unfounded"),
        (_before_the_agreement, "reply_unfounded"),
        (_twice, "reply_unfounded"),
        (_moved_to_the_one_that_waits, "value_missing"),
    ],
)
def test_the_owner_cannot_move_a_reply(
    waiting: Place,
    tmp_path: Path,
    change: Callable[[Place, list[dict[str, Any]]], None],
    code: str,
) -> None:
    waiting.forge(lambda bodies: change(waiting, bodies))
    waiting.elsewhere = []
    for found in (
        waiting.verify(),
        waiting.both(waiting.export(tmp_path / "x", waiting.ids["done"])),
    ):
        assert code in found.codes
        assert found.status == 1


def test_a_reply_after_the_revocation_completes_nothing(waiting: Place, tmp_path: Path) -> None:
    def change(bodies: list[dict[str, Any]]) -> None:
        [reply] = [body for body in bodies if body["type"] == "replied"]
        bodies.remove(reply)
        bodies.append({**reply, "written": bodies[-1]["written"]})

    waiting.use(lambda ledger: shop.revoked(ledger, THIRD))
    waiting.use(lambda ledger: ledger.checkpoint())
    assert waiting.verify().failing == set()
    waiting.forge(change)
    waiting.elsewhere = []
    for found in (
        waiting.verify(),
        waiting.both(waiting.export(tmp_path / "x", waiting.ids["done"])),
    ):
        assert "reply_unfounded" in found.codes


def test_the_words_of_a_reply_are_bound(waiting: Place) -> None:
    waiting.reseal(waiting.ids["done"], lambda values: values.update(reply="YES to anything"))
    assert "commitment_mismatch" in waiting.verify().codes
