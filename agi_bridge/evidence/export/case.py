"""All that the ledger holds of one consent, revocation or message: what is shown and exported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import Act, NotOnRecord, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent import Disclosure, Row
    from agi_bridge.consent.ledger import Ledger


KINDS: Final[Mapping[str, str]] = {
    State.DISCLOSED: "consent",
    State.RETURNED: "returned",
    Act.REVOCATION: "revocation",
    Act.MESSAGE: "message",
}
"""The kinds of records, by the type of their first event; other ids are the ledger's own acts."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """One consent with what belongs to it.

    Attributes:
        consent_id: its id; a revocation and a message have one of their own.
        rows: its events in the order they were stored.
        related: events of others that its own refer to: the request that revoked it, the consent
            that a returning caller had given.
        personal: opened, by id: of itself, and of those others; erased ones are not in it.
        disclosure: the text that was played, if one was.
    """

    consent_id: str
    rows: tuple[Row, ...]
    related: tuple[Row, ...] = ()
    personal: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    disclosure: Disclosure | None = None

    @property
    def audio_sha256(self) -> str | None:
        """The recording that was played, if one was."""
        return next(
            (row.fields["audio_sha256"] for row in self.rows if row.type == State.DISCLOSED), None
        )


async def dossier(ledger: Ledger, consent_id: str) -> Dossier:
    """Take everything of one consent out of the ledger.

    Raises:
        NotOnRecord: there is no event of it, or it is no record of that kind.
        LedgerUnavailable, KeyMissing, VaultDamaged: as the ledger says.
    """
    rows = await ledger.rows_of(consent_id)
    if not rows or rows[0].type not in KINDS:
        raise NotOnRecord(f"{consent_id}: no such consent is on record")
    others = dict.fromkeys(filter(None, map(_refers_to, rows)))
    related = [row for each in others for row in await ledger.rows_of(each)]
    personal = {each: await ledger.personal_data(each) for each in (consent_id, *others)}
    played = next(
        (row.fields["disclosure_sha256"] for row in rows if row.type == State.DISCLOSED), None
    )
    return Dossier(
        consent_id,
        tuple(rows),
        tuple(related),
        {each: known for each, known in personal.items() if known is not None},
        None if played is None else await ledger.disclosure(played),
    )


def _refers_to(row: Row) -> str | None:
    """The id that an event names beside its own."""
    facts = row.fields
    found: str | None = facts.get("revocation") or (
        facts.get("consent") if row.type == State.RETURNED else None
    )
    return found
