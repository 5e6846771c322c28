"""Chains of events made in memory, as a ledger writes them, for tests of their verification."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from agi_bridge.consent import (
    SCHEMA,
    START,
    Act,
    Identifiers,
    Row,
    State,
    canonical,
    commitment,
    leaf,
    link,
    named_records,
    tag,
    tags_text,
    text_sha256,
)
from agi_bridge.consent.encoding import new_salt
from agi_bridge.consent.signing import Checkpoint, Keys, generate_keys, sign
from agi_bridge.evidence.verify import verify

if TYPE_CHECKING:
    from agi_bridge.consent import EventType
    from agi_bridge.evidence.verify import Verdict

AT = "2026-11-23T05:07:08.009Z"
TEXT = "You agree to receive texts."
NUMBER = "+14155550123"
CALLER = "+15145550100"


class Bridge:
    """One bridge's chain: its rows so far, and what its vault would hold."""

    def __init__(self, keys: Keys | None = None) -> None:
        self.keys = keys or generate_keys()
        self.rows: list[Row] = []
        self.personal: dict[str, dict[str, str]] = {}
        self._identifiers = Identifiers()
        public_key = base64.b64encode(self.keys.public_key).decode()
        self.add(Act.OPENED, public_key=public_key, software="agi-bridge 0.1.0")

    @property
    def ledger_id(self) -> str:
        return self.keys.ledger_id

    def add(self, kind: EventType | str, consent_id: str | None = None, **facts: Any) -> Row:
        """Append one event; without a consent it gets an id of its own."""
        event_id = self._identifiers.next()
        consent_id = consent_id or event_id
        seq = len(self.rows) + 1
        body = canonical(
            {
                "schema": SCHEMA,
                "ledger_id": self.ledger_id,
                "seq": seq,
                "event_id": event_id,
                "consent_id": consent_id,
                "type": str(kind),
                "at": AT,
                "written": AT,
                **facts,
            }
        )
        before = bytes.fromhex(self.rows[-1].hash) if self.rows else START
        tags = tags_text(
            tag(each.encode(), self.ledger_id, seq) for each in named_records(consent_id, facts)
        )
        hash_ = link(before, leaf(tags, body)).hex()
        row = Row(self.ledger_id, seq, consent_id, str(kind), AT, tags, body, hash_)
        self.rows.append(row)
        return row

    def disclosed(self, consent_id: str | None = None, **facts: Any) -> str:
        """A caller hears the disclosure; the consent's id."""
        consent_id = consent_id or self._identifiers.next()
        heard = {"samples": 8000, "endpos": 8000, "complete": True, "lang": "en"}
        sha256 = text_sha256(TEXT)
        self.add(State.DISCLOSED, consent_id, disclosure_sha256=sha256, **{**heard, **facts})
        return consent_id

    def agreement(self, *then: State) -> str:
        """A caller agrees; what follows is given. The consent's id."""
        consent_id, salt = self.disclosed(), new_salt()
        self.add(State.ENTERED, consent_id, tries=1)
        self.add(
            State.CONFIRMED,
            consent_id,
            number_c=commitment(salt, "number", NUMBER),
            caller_id_c=commitment(salt, "caller_id", CALLER),
        )
        self.personal[consent_id] = {"salt": salt.hex(), "number": NUMBER, "caller_id": CALLER}
        self.tell(consent_id, *then)
        return consent_id

    def tell(self, consent_id: str, *states: State) -> None:
        """More of a consent's story."""
        for state in states:
            self.add(state, consent_id, reason="dial")

    def checkpoint(self, seq: int | None = None) -> Checkpoint:
        """A checkpoint of the head, or of an earlier event."""
        row = self.rows[-1 if seq is None else seq - 1]
        return sign(self.keys.signing, row.seq, row.hash, AT)


def whole() -> Bridge:
    """A chain in which everything that is lawful happens."""
    bridge = Bridge()
    told = bridge.agreement(State.SUBMITTING, State.ACCEPTED)
    bridge.agreement(State.SUBMITTING, State.NOT_SENT, State.SUBMITTING, State.UNKNOWN)
    bridge.agreement(State.EXPIRED)
    bridge.tell(bridge.disclosed(), State.ENTERED, State.ENTERED, State.DECLINED)
    bridge.tell(bridge.disclosed(endpos=7999, complete=False), State.ABANDONED)
    bridge.add(Act.REVOCATION, received="now")
    bridge.tell(told, State.REVOKED)
    returning = bridge.add(State.RETURNED).consent_id
    bridge.tell(returning, State.SUBMITTING, State.ACCEPTED)
    bridge.add(Act.ERASED, told)
    return bridge


def codes(verdict: Verdict) -> list[str]:
    """The codes of a verdict's faults."""
    return [fault.code for fault in verdict.faults]


def integrity(bridge: Bridge, **given: Any) -> list[str]:
    return codes(verify(bridge.rows, [bridge.checkpoint()], **given).integrity)
