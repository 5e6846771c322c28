"""Summarises a case for people: parties, call, texts, times and outcome. No I/O.

The page of an export and `consents show` print the summary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agi_bridge import phone
from agi_bridge.consent import AGREED, Act, State, evidence_files, is_unfinished, reading
from agi_bridge.evidence.export import labels
from agi_bridge.evidence.export.case import KINDS, in_order
from agi_bridge.evidence.export.dialogue_words import dialogue_lines, how_agreed, keys_pressed
from agi_bridge.evidence.export.zones import Zones
from agi_bridge.evidence.verify import utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agi_bridge.consent import Row
    from agi_bridge.evidence.export.case import Case
    from agi_bridge.evidence.export.dialogue_words import DialogueLine

_PERSONAL: Final = {
    "number": "mobile number",
    "caller_id": "called from",
    "digits": "digits as keyed",
    "forward": "call forwarded to",
    "customer_id": "customer",
    "words": "words of the request",
    "reference": "reference of the request",
    "evidence": "files of evidence",
    "reply": "reply by text",
    "reply_reference": "reference of the reply",
}
"""The personal data that is shown, in order. Salt and answer are for proofs only."""
_REQUESTS: Final = frozenset({Act.REVOCATION.value, Act.MESSAGE.value})
_STATES: Final = frozenset(state.value for state in State)
_RATE: Final = 8000
_TELEPHONES: Final = {
    "same": "the number that was keyed",
    "different": "another number than the one that was keyed",
    "hidden": "a telephone that showed no number",
    "invalid": "a telephone that showed something else than a number",
}
"""What a number was keyed from, by `ani_match`."""


@dataclass(frozen=True, slots=True)
class EventView:
    """One event in words; `body` is its stored body without the envelope."""

    at: str
    local: str
    utc: str
    type: str
    title: str
    facts: tuple[tuple[str, str], ...]
    body: Mapping[str, Any]
    ledger_id: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class PlayedDisclosure:
    """The disclosure as it was played in the call. Times in seconds."""

    text: str | None
    language: str
    version: int
    sha256: str
    audio_sha256: str
    seconds: float
    heard: float
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary:
    """A consent, a revocation or a message in words.

    Attributes:
        kind: `consent`, `returned`, `imported`, `revocation` or `message`.
        state: its last state; None if it has no states.
        unfinished: whether it still waits for the YES by text that completes it.
        call: what is known of the call: brand, number called, …; empty if there was none.
        given: the event by which the caller agreed; None if the caller did not.
        act: how the caller agreed, as the dialogue shows it.
        telephone: what telephone the number was keyed from.
        window: when that was written, by the time stamps of witnesses alone.
        dialogue: what was played and keyed.
        keys: the keys that are not part of a number: prompt, time, key.
        personal: label and value, masked or in full; empty if it is erased or there never was any.
        erased: whether personal data was stored and is erased.
        events: the record's events, and the requests that revoked it, by time.
    """

    consent_id: str
    kind: str
    state: str | None
    status: str
    unfinished: bool
    zone: str
    call: Mapping[str, Any]
    given: EventView | None
    act: str
    window: str
    telephone: str
    played: PlayedDisclosure | None
    dialogue: tuple[DialogueLine, ...]
    keys: tuple[tuple[str, str, str], ...]
    personal: Mapping[str, str] = field(repr=False)
    erased: bool
    events: tuple[EventView, ...]

    @property
    def title(self) -> str:
        """The kind of case and its brand."""
        brand = self.call.get("brand")
        what = {
            "consent": self._consent_title(),
            "returned": "Text under an earlier consent",
            "imported": "Consent given elsewhere, imported",
            "revocation": "Revocation of consent",
            "message": "Request to stop",
        }[self.kind]
        return f"{what}: {brand}" if brand else what

    def _consent_title(self) -> str:
        if self.given is None:
            return "Call without consent"
        return "Unfinished consent" if self.unfinished else "Consent to text messages"

    def json(self) -> dict[str, object]:
        """The summary as plain values; the keys are published."""
        return {
            "consent_id": self.consent_id,
            "kind": self.kind,
            "state": self.state,
            "unfinished": self.unfinished,
            "call": dict(self.call),
            "given_at": None if self.given is None else self.given.at,
            "disclosure": None if self.played is None else _plain(self.played),
            "act": self.act,
            "telephone": self.telephone,
            "dialogue": [[line.seconds, line.what] for line in self.dialogue],
            "keys": [list(key) for key in self.keys],
            "personal": dict(self.personal),
            "erased": self.erased,
        }


def summarise(case: Case, *, reveal: bool, zones: Zones | None = None) -> CaseSummary:
    """Summarise a case; numbers and words are masked unless `reveal`.

    Raises:
        RecordDamaged: what is stored of it was changed, and cannot be read.
    """
    with reading(str(case.consent_id)):
        return _summarise(case, reveal=reveal, zones=zones or Zones())


def _summarise(case: Case, *, reveal: bool, zones: Zones) -> CaseSummary:
    first = case.rows[0].fields
    zone = str(first.get("tz") or "UTC")
    requests = [row for row in case.related if row.type == Act.REVOCATION]
    events = [
        _event(row, zone, zones, _words(case.personal.get(row.consent_id), reveal=reveal))
        for row in in_order((*requests, *case.rows))
    ]
    states = [row.type for row in case.rows if row.type in _STATES]
    agreed = next((row for row in case.rows if row.type in AGREED), None)
    known = case.personal.get(case.consent_id)
    return CaseSummary(
        consent_id=case.consent_id,
        kind=KINDS[case.rows[0].type],
        state=states[-1] if states else None,
        status=_status(case.rows, states, zone, zones),
        unfinished=_is_unfinished(case.rows),
        zone=zone,
        call=_call(case.rows[0].type, first),
        given=None if agreed is None else _event(agreed, zone, zones),
        act=how_agreed(case.rows),
        window=_window(case, agreed),
        telephone=_telephone(case.rows),
        played=_played(case),
        dialogue=dialogue_lines(case.rows, case.texts),
        keys=keys_pressed(case.rows),
        personal=_shown(known or {}, reveal=reveal),
        erased=known is None and any(row.type == Act.ERASED for row in case.rows),
        events=tuple(events),
    )


_CALL: Final = (
    "brand", "legal_name", "line_id", "did", "purpose", "call_uid", "linked_id", "channel",
    "attestation", "caller_id_trust", "server", "tz", "clock_synced", "software", "config_sha256",
)  # fmt: skip
"""The facts about the call in a first event."""
_CALLS: Final = frozenset({State.DISCLOSED.value, State.RETURNED.value})
"""The types of first events with facts about a call."""


def _event(row: Row, zone: str, zones: Zones, words: tuple[tuple[str, str], ...] = ()) -> EventView:
    body = row.fields
    shown = _CALL if row.type in _CALLS else ()  # shown once, apart from the events
    return EventView(
        at=row.at,
        local=zones.local(row.at, zone),
        utc=labels.utc(row.at),
        type=row.type,
        title=labels.KEYED if "confirm_by_reply" in body else labels.title(row.type),
        facts=(
            *labels.facts({name: value for name, value in body.items() if name not in shown}),
            *(words if row.type in _REQUESTS else ()),
        ),
        body={name: value for name, value in body.items() if name not in labels.ENVELOPE},
        ledger_id=row.ledger_id,
        seq=row.seq,
        hash=row.hash,
    )


def _call(type_: str, first: Mapping[str, Any]) -> dict[str, Any]:
    if type_ in _CALLS:
        return {name: first[name] for name in _CALL if first.get(name) not in {None, ""}}
    seller = first.get("seller") or first.get("legal_name")
    named = {"brand": first.get("brand"), "legal_name": seller, "purpose": first.get("purpose")}
    return {name: value for name, value in named.items() if value}


def _words(known: Mapping[str, str] | None, *, reveal: bool) -> tuple[tuple[str, str], ...]:
    """The words of a request, as a fact of its event."""
    if known is None or "words" not in known:
        return ()
    return ((_PERSONAL["words"], known["words"] if reveal else _masked("words", known["words"])),)


def _status(rows: Sequence[Row], states: Sequence[str], zone: str, zones: Zones) -> str:
    if states and states[-1] == State.REVOKED:
        at = next(row.at for row in rows if row.type == State.REVOKED)
        return f"{labels.STATES[State.REVOKED]} on {zones.local(at, zone)}"
    if states and _is_unfinished(rows):
        return f"{labels.UNFINISHED}; {labels.UNFINISHED_STATES[states[-1]]}"
    if states:
        return labels.STATES[states[-1]]
    done = any(row.type == Act.RESOLVED for row in rows)
    facts = rows[0].fields
    if rows[0].type == Act.REVOCATION and facts.get("passed_on"):
        return "honoured; known to the platform"
    return "resolved" if done else "waits for a person"


def _is_unfinished(rows: Sequence[Row]) -> bool:
    return is_unfinished((row.type, row.fields) for row in rows)


def _window(case: Case, agreed: Row | None) -> str:
    """When the agreement was written, by witnesses alone; empty if they say nothing."""
    window = None if agreed is None else case.windows.get((agreed.ledger_id, agreed.seq))
    if window is None:
        return ""
    after = "" if window.after is None else f"after {utc(window.after)}"
    before = "" if window.before is None else f"before {utc(window.before)}"
    return ", ".join(filter(None, (after, before)))


def _telephone(rows: Sequence[Row]) -> str:
    """What telephone the number was keyed from; empty if none was keyed."""
    found = [row.fields["ani_match"] for row in rows if row.type == State.ENTERED]
    return _TELEPHONES[found[-1]] if found else ""


def _played(case: Case) -> PlayedDisclosure | None:
    row = next((row for row in case.rows if row.type == State.DISCLOSED), None)
    if row is None:
        return None
    facts = row.fields
    return PlayedDisclosure(
        text=case.texts.get(facts["disclosure_sha256"]),
        language=facts["lang"],
        version=facts["disclosure_version"],
        sha256=facts["disclosure_sha256"],
        audio_sha256=facts["audio_sha256"],
        seconds=facts["samples"] / _RATE,
        heard=facts["endpos"] / _RATE,
        complete=facts["complete"],
    )


def _shown(known: Mapping[str, str], *, reveal: bool) -> dict[str, str]:
    return {
        name: _unmasked(name, known[name]) if reveal else _masked(name, known[name])
        for name in _PERSONAL
        if name in known
    }


def _unmasked(name: str, value: str) -> str:
    """A personal value for people; of files of evidence, what is listed of them."""
    if name != "evidence":
        return value
    try:
        files = evidence_files(value)
    except (ValueError, TypeError):
        return "(not readable)"
    return "; ".join(
        f"{each.name}, {len(each.content):,} bytes, SHA-256 {each.sha256}" for each in files
    )


def _masked(name: str, value: str) -> str:
    if name in {"number", "caller_id", "forward"}:
        return phone.mask(value)
    return f"({len(value)} characters)"


def personal_label(name: str) -> str:
    """The label of a personal value."""
    return _PERSONAL[name]


def _plain(played: PlayedDisclosure) -> dict[str, object]:
    return {name: getattr(played, name) for name in PlayedDisclosure.__slots__}
