"""A case: everything that the ledger holds of one consent, revocation or message.

Read from the ledger here, put into words by `summary`, written to files by `writer`.
"""

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
"""The kinds of records, by the type of their first event. Other ids are acts of the ledger."""


@dataclass(frozen=True, slots=True)
class Case:
    """One consent, revocation or message with what belongs to it.

    Attributes:
        consent_id: the record's id.
        rows: its events in the order they were stored.
        related: events of other records that its events name: the request that revoked it, the
            earlier consent of a returning caller.
        personal: the personal data, by record id, of the record and the related ones; erased data
            is left out.
        disclosure: the text that was played, if any.
    """

    consent_id: str
    rows: tuple[Row, ...]
    related: tuple[Row, ...] = ()
    personal: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    disclosure: Disclosure | None = None

    @property
    def audio_sha256(self) -> str | None:
        """The SHA-256 of the recording that was played, if any."""
        return next(
            (row.fields["audio_sha256"] for row in self.rows if row.type == State.DISCLOSED), None
        )


async def read_case(ledger: Ledger, consent_id: str) -> Case:
    """Read one case from the ledger.

    Raises:
        NotOnRecord: the ledger has no consent, revocation or message of that id.
        LedgerUnavailable, KeyMissing, VaultDamaged: as the ledger raises them.
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
    return Case(
        consent_id,
        tuple(rows),
        tuple(related),
        {each: known for each, known in personal.items() if known is not None},
        None if played is None else await ledger.disclosure(played),
    )


def _refers_to(row: Row) -> str | None:
    """The id of another record that an event names, if any."""
    facts = row.fields
    found: str | None = facts.get("revocation") or (
        facts.get("consent") if row.type == State.RETURNED else None
    )
    return found
