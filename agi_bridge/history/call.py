"""A call of the history: as it is collected, as it waits to be written, and as it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from agi_bridge import phone
from agi_bridge.history.timeline import in_order, moments
from agi_bridge.history.why import explain, sentence
from agi_bridge.observe import CallLogEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.history.number_key import NumberKey
    from agi_bridge.observe import Event

MAX_TEXT: Final = 80
"""Characters that are kept of what a PBX sends, such as the number called."""
MAX_UNIQUEID: Final = 256
"""The same of its unique id, as the ledger keeps it. Asterisk's have at most 149, with the name of
the system (`AST_MAX_UNIQUEID`)."""
_ID_BITS: Final = 12
"""Bits of an id below the milliseconds of its beginning."""

Row = tuple[object, ...]
"""The values of a call, in the order of `database.COLUMNS`."""


@dataclass(slots=True)
class RecordedCall:
    """A call that this process handles. Belongs to the event loop's thread.

    Attributes:
        entry: what the call notes.
        id: its id in the history, which grows with time.
        begun: when it began, in milliseconds since the epoch.
        uniqueid: Asterisk's unique id.
        did: the number that was called; masked if it is not a number of the line.
        caller: the caller ID in E.164; kept masked and as a keyed hash only.
        number: the number that the caller agreed with or revoked; kept in the same way.
        saved: how many events the file has; None: the call is not in the file.
        save_at: when it is due to be saved, in seconds of running time.
    """

    entry: CallLogEntry = field(default_factory=lambda: CallLogEntry(None))
    id: int = 0
    begun: int = 0
    uniqueid: str | None = None
    did: str | None = None
    caller: str | None = field(default=None, repr=False)
    number: str | None = field(default=None, repr=False)
    saved: int | None = None
    save_at: float = 0.0

    def draft(self, *, ended: bool) -> Draft:
        """Return what is known now, for the thread that writes."""
        entry, fields = self.entry, self.entry.fields
        why = hung_up = None
        if ended:
            why, hung_up = explain(fields, entry.dials)
        return Draft(
            self.id,
            self.begun,
            entry.elapsed_ms if ended else None,
            (self.uniqueid, self.did or fields.get("called")),
            (
                fields.get("line"),
                fields.get("language"),
                fields.get("consent"),
                _text(fields.get("result")),
            ),
            self.caller,
            self.number,
            why,
            hung_up or "",
            tuple(entry.timeline),
        )

    def ended(self) -> Call:
        """Return the call as the history has it after its end."""
        draft = self.draft(ended=True)
        uniqueid, did = draft.ids
        line, language, consent, result = draft.fields
        return Call(
            id=call_id(self.id),
            begun=self.begun,
            ms=draft.ms,
            uniqueid=as_uniqueid(uniqueid),
            line=_text(line),
            did=_text(did),
            language=_text(language),
            consent=_text(consent),
            result=_text(result),
            why=draft.why,
            hung_up=draft.hung_up,
            caller=None if self.caller is None else phone.mask(self.caller),
            number=None if self.number is None else phone.mask(self.number),
            erased=False,
            events=tuple(in_order(draft.events)),
        )

    def live(self) -> dict[str, Any]:
        """Describe the call while it lasts; plain values, numbers masked."""
        entry, fields, now = self.entry, self.entry.fields, self.entry.elapsed_ms
        step, since = entry.steps[-1] if entry.steps else ("arrived", 0)
        return {
            "id": call_id(self.id),
            "uniqueid": self.uniqueid,
            "line": fields.get("line"),
            "begun": at(self.begun),
            "seconds": round(now / 1000, 1),
            "step": step,
            "step_seconds": round((now - since) / 1000, 1),
            "step_began": at(self.begun + since),
            "language": fields.get("language"),
            "caller": None if self.caller is None else phone.mask(self.caller),
            "consent": fields.get("consent"),
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """A call as it waits to be written. Numbers are masked and hashed by the thread that writes."""

    id: int
    begun: int
    ms: int | None
    ids: tuple[object, object]
    fields: tuple[object, ...]
    caller: str | None = field(repr=False)
    number: str | None = field(repr=False)
    why: str | None
    hung_up: str
    events: tuple[Event, ...]

    def row(self, key: NumberKey) -> Row:
        """Return the values for the database."""
        uniqueid, did = self.ids
        line, language, consent, result = self.fields
        return (
            self.id,
            self.begun,
            self.ms,
            as_uniqueid(uniqueid),
            line,
            _text(did),
            language,
            consent,
            result,
            self.why,
            self.hung_up,
            None if self.caller is None else phone.mask(self.caller),
            None if self.caller is None else key.hash(self.caller),
            None if self.number is None else phone.mask(self.number),
            None if self.number is None else key.hash(self.number),
            orjson.dumps(in_order(self.events)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as it is read from the history.

    Attributes:
        id: its id, hexadecimal.
        begun: when it began, in milliseconds since the epoch.
        ms: how long it took; None: it has not ended.
        uniqueid: Asterisk's unique id.
        line: the line; None: none had the number called.
        did: the number called.
        language: the caller's.
        consent: the id of the consent in the ledger.
        result: `AGI_BRIDGE_RESULT`, or `left_to_pbx`; None: the call ended without one.
        why: `CAUSE.ENDING`, see `history.why`; None: it has not ended.
        hung_up: who ended it.
        caller: the caller ID, masked.
        number: the number that the caller agreed with or revoked, masked.
        erased: whether both were erased.
        events: its timeline.
    """

    id: str
    begun: int
    ms: int | None
    uniqueid: str | None
    line: str | None
    did: str | None
    language: str | None
    consent: str | None
    result: str | None
    why: str | None
    hung_up: str
    caller: str | None
    number: str | None
    erased: bool
    events: tuple[Event, ...]

    @property
    def sentence(self) -> str:
        """Why it ended so."""
        return sentence(self.why, self.hung_up)

    @property
    def document_time(self) -> str:
        """When it began, in RFC 3339, UTC."""
        return at(self.begun)

    @property
    def in_progress(self) -> bool:
        """Whether it has not ended."""
        return self.why is None

    def document(self) -> dict[str, Any]:
        """The call as plain values, the answer of `agi-bridge calls --json`."""
        return {
            "id": self.id,
            "uniqueid": self.uniqueid,
            "line": self.line,
            "did": self.did,
            "begun": at(self.begun),
            "milliseconds": self.ms,
            "language": self.language,
            "caller": self.caller,
            "number": self.number,
            "erased": self.erased,
            "consent": self.consent,
            "result": self.result,
            "why": self.why,
            "hung_up": self.hung_up or None,
            "sentence": self.sentence,
            "timeline": [
                {
                    "milliseconds": each.ms,
                    "event": each.kind,
                    "details": list(each.details),
                    "text": each.text,
                }
                for each in moments(self.events)
            ],
        }


def first_id(begun: int) -> int:
    """The lowest id of a call that begins at a moment, in milliseconds since the epoch."""
    return begun << _ID_BITS


def call_id(number: int) -> str:
    """A call's id as people write it."""
    return f"{number:014x}"


def at(milliseconds: int) -> str:
    """A time since the epoch in RFC 3339, UTC."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_events(text: bytes) -> tuple[Event, ...]:
    """Read a timeline as it was written; what is not one is left out."""
    try:
        found: Sequence[object] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ()
    return tuple(
        (int(each[0]), str(each[1]), *each[2:])
        for each in found
        if isinstance(each, list) and len(each) > 1 and isinstance(each[0], int)
    )


def as_uniqueid(value: object) -> str | None:
    """A unique id of Asterisk as the history keeps it."""
    return None if value is None else str(value)[:MAX_UNIQUEID]


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:MAX_TEXT]
