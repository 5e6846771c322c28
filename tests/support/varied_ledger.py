"""A ledger of two bridges with every kind of event that a rule of verification is about.

Nearly all of it is of one number, so that the rules between records meet; `OTHER` is somebody else,
whose events an export hides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agi_bridge.consent import (
    Act,
    ConsentRecord,
    EvidenceFile,
    ImportedConsent,
    State,
)
from agi_bridge.consent.dialogue import Dialogue
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.models import UNLIMITED
from agi_bridge.consent.signing import generate_keys
from tests.support import evidence_ledger as shop

if TYPE_CHECKING:
    from tests.support.forgery import Place
    from tests.support.timestamp_authority import Authority

IMPORT = ImportedConsent(
    number=shop.NUMBER, brand=shop.BRAND, legal_name=shop.SELLER, purpose="info", method="paper",
    source="shop", given="2026-03-01T14:30:00.000Z",
    evidence=(EvidenceFile("form.txt", b"I agree to texts"),),
)  # fmt: skip
SAFE = replace(shop.SENDING, hook_kind="webhook", idempotent=True)
MINE: dict[str, Any] = {"caller_id": shop.NUMBER}
"""Of a call from the number that is keyed."""


async def fill(place: Place, authority: Authority) -> None:
    """Store all of it; `place` gets the keys of the second bridge, and the checkpoints."""
    place.other_keys = replace(place.keys, signing=generate_keys().signing)
    tsa, ids = authority.client(), place.ids
    async with await Ledger.open(place.database, place.keys) as ledger:
        await shop.begin(ledger)
        place.elsewhere.append(await shop.stamped(ledger, tsa))
        await ledger.import_consents([IMPORT], actor="admin")
        ids["first"] = await shop.accepted(ledger)
        ids["other"] = await shop.accepted(ledger, shop.OTHER)
        await shop.accepted(ledger, reply=True)
        await shop.replied(ledger)
        await _returned(ledger, ids["first"])
        await _asked_again(ledger)
        place.elsewhere.append(await shop.stamped(ledger, tsa))
        ids["split"] = await _not_sent(ledger)
        await ledger.record_act(
            Act.RESOLVED, await _unknown(ledger), **{"as": "not-texted", "actor": "me"}
        )
        await shop.declined(ledger)
        async with await Ledger.open(place.database, place.other_keys) as other:
            await _sent_by_another(other, ids["split"])
            await shop.revoked(other, brand="Another Store")
            await shop.stamped(other, tsa)
        await _revoked_under_way(ledger)
        ids["second"] = await shop.accepted(ledger, **MINE)
        await shop.revoked(ledger, scope="all", brand=None, reference="ticket 2")
        await shop.accepted(ledger, **MINE)
        await ledger.restrict(
            [ids["first"]], basis="claim", until="2031-01-01T00:00:00.000Z", actor="me"
        )
        await ledger.record_act(Act.REVEALED, ids["first"], actor="me", command="show")
        await ledger.erase([ids["split"]], basis="request", actor="me")
        message = await ledger.record_message("customer-1", "please stop", reference="message-1")
        await ledger.note_lookup(message, "not_found")
        place.elsewhere.append(await shop.stamped(ledger, tsa))


async def _returned(ledger: Ledger, consent: str) -> None:
    """A returning caller is texted under a consent."""
    record = ConsentRecord(
        replace(shop.CALL, caller_id=shop.NUMBER), UNLIMITED, Dialogue(shop.iter_ms().__next__)
    )
    record.returned(consent, region="US")
    record.submitting(shop.SENDING)
    await _ended(ledger, record, State.ACCEPTED, 200)


async def _asked_again(ledger: Ledger) -> None:
    """An idempotent receiver is asked again when the outcome is unknown."""
    record = shop.agreed(sending=SAFE)
    await _ended(ledger, record, State.UNKNOWN, None)
    record = await ledger.load_for_retry(record.id)
    record.submitting(SAFE, 2)
    await _ended(ledger, record, State.ACCEPTED, 204)


async def _not_sent(ledger: Ledger) -> str:
    record = shop.agreed()
    await _ended(ledger, record, State.NOT_SENT, None)
    return record.id


async def _unknown(ledger: Ledger) -> str:
    record = shop.agreed()
    await _ended(ledger, record, State.UNKNOWN, None)
    return record.id


async def _sent_by_another(other: Ledger, consent: str) -> None:
    """Another bridge sends what the first could not: the consent's history is in two chains."""
    record = await other.load_for_retry(consent)
    record.submitting(shop.SENDING, attempt=2)
    await _ended(other, record, State.REFUSED, 404)


async def _revoked_under_way(ledger: Ledger) -> None:
    """A revocation overtakes a text, whose outcome is settled after it."""
    record = shop.agreed()
    await ledger.append(record.take())
    await shop.revoked(ledger, scope="seller", seller=shop.SELLER, reference="ticket 1")
    record.submission_ended(State.ACCEPTED, reason="dial", status=200, attempts=1, answer="c" * 64)
    await ledger.append(record.take())


async def _ended(ledger: Ledger, record: ConsentRecord, state: State, status: int | None) -> None:
    await ledger.append(record.take())
    answer = None if status is None else "b" * 64
    record.submission_ended(state, reason="test", status=status, attempts=1, answer=answer)
    await ledger.append(record.take())
