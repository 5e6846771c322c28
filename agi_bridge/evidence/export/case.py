"""A case: all stored events, texts and personal data of one consent, revocation or message.

Read from the ledger here, or from the files of an export by `pages`; put into words by `summary`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import Act, NotOnRecord, State, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agi_bridge.consent import Row
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.evidence.verify import Window


KINDS: Final[Mapping[str, str]] = {
    State.DISCLOSED: "consent",
    State.RETURNED: "returned",
    State.IMPORTED: "imported",
    Act.REVOCATION: "revocation",
    Act.MESSAGE: "message",
}
"""The kinds of records, by the type of their first event. Other ids are acts of the ledger."""

_RELATED: Final = ("revocation", "consent")
"""Fields of a body that name another record."""
_TEXTS: Final = ("disclosure_sha256", "first_text_sha256", "config_sha256")


@dataclass(frozen=True, slots=True)
class Case:
    """One consent, revocation or message with what belongs to it.

    Attributes:
        consent_id: the record's id.
        rows: its events, by chain and number.
        related: events of other records that its events name: the request that revoked it, the
            earlier consent of a returning caller.
        personal: the personal data, by record id, of the record and the related ones; erased data
            is left out.
        texts: the texts that its events name, by their SHA-256, as far as they are there.
        windows: when its events were written by witnesses alone, by chain and number.
        recordings: the SHA-256 of the recordings that are there.
    """

    consent_id: str
    rows: tuple[Row, ...]
    related: tuple[Row, ...] = ()
    personal: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    windows: Mapping[tuple[str, int], Window] = field(default_factory=dict)
    recordings: frozenset[str] = frozenset()


def in_order(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Events by chain and number, the chains in the order of their first events' times.

    A clock that is set during a call puts no consent before its disclosure.
    """
    chains: dict[str, list[Row]] = {}
    for row in rows:
        chains.setdefault(row.ledger_id, []).append(row)
    parts = [sorted(each, key=lambda row: row.seq) for each in chains.values()]
    parts.sort(key=lambda part: (part[0].at, part[0].ledger_id))
    return tuple(row for part in parts for row in part)


def named_texts(row: Row) -> Iterator[str]:
    """The SHA-256 of every text that an event names."""
    body = row.fields
    for name in _TEXTS:
        if name in body:
            yield body[name]
    for entry in body.get("dialogue", ()):
        if entry[0] == "play":
            yield entry[4]


def named_recordings(row: Row) -> Iterator[str]:
    """The SHA-256 of every recording that an event names."""
    body = row.fields
    if "audio_sha256" in body:
        yield body["audio_sha256"]
    for entry in body.get("dialogue", ()):
        if entry[0] == "play":
            yield entry[5]


def named_others(row: Row) -> Iterator[str]:
    """The ids of the other records that an event names."""
    body = row.fields
    for name in _RELATED:
        other = body.get(name)
        if isinstance(other, str) and other != row.consent_id:
            yield other


async def read_case(ledger: Ledger, consent_id: str) -> Case:
    """Read one case from the ledger.

    Raises:
        NotOnRecord: the ledger has no consent, revocation or message of that id.
        RecordDamaged: what is stored of it was changed, and cannot be read.
        LedgerUnavailable, KeyMissing, VaultDamaged: as the ledger raises them.
    """
    with reading(consent_id):
        return await _read_case(ledger, consent_id)


async def _read_case(ledger: Ledger, consent_id: str) -> Case:
    rows = in_order(await ledger.rows_of(consent_id))
    if not rows or rows[0].type not in KINDS:
        raise NotOnRecord(f"{consent_id}: no such consent is on record")
    others = dict.fromkeys(other for row in rows for other in named_others(row))
    related = [row for each in others for row in await ledger.rows_of(each)]
    personal = {each: await ledger.personal_data(each) for each in (consent_id, *others)}
    texts = {}
    for sha256 in {each for row in rows for each in named_texts(row)}:
        text = await ledger.text(sha256)
        if text is not None:
            texts[sha256] = text
    return Case(
        consent_id,
        rows,
        tuple(related),
        {each: known for each, known in personal.items() if known is not None},
        texts,
    )
