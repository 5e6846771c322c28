"""The rules for single events, and what each adds to the facts of its record.

An event's hash shows that it was not changed later; these rules show that it was valid when it was
written: a canonical body with the fields of its type, columns that match it, the tags of the
records that it names, and for an agreement a dialogue that shows one. What takes the whole record
to judge is in `record`, and chains and checkpoints are in `verifier`.
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

from agi_bridge.consent import (
    LATE_TYPES,
    Act,
    State,
    agreement_faults,
    canonical,
    named_records,
    tag,
)
from agi_bridge.consent import faults as schema_faults
from agi_bridge.consent.signing import ledger_id_of
from agi_bridge.evidence.verify.history import IDEMPOTENT, LETTERS, bad_step
from agi_bridge.evidence.verify.order import BETWEEN_CLOCKS_MS, SKEW_MS, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agi_bridge.consent import Row
    from agi_bridge.evidence.verify.contents import NamedContents
    from agi_bridge.evidence.verify.record_store import RecordFacts, RecordStore
    from agi_bridge.evidence.verify.report import Findings

AGREEMENTS: Final[Mapping[str, str]] = {
    "no_disclosure": "no disclosure was played to its end before it",
    "dialogue_disordered": "the entries of its dialogue are not in order",
    "language_differs": "a prompt was in another language than the disclosure",
    "no_number": "no number was keyed after the disclosure",
    "not_read_back": "the number was not read back whole",
    "not_asked": "the question was not heard before it was answered",
    "no_key": "nobody pressed 1",
    "key_after_number": "a key was pressed after the number",
    "entry_ended": "a key had declined or ended this entry before",
}
"""What keeps an agreement from being one, by the codes of `consent.acts`."""

_COLUMNS: Final = ("ledger_id", "seq", "consent_id", "type", "at")
_CALL: Final = (
    "brand", "legal_name", "purpose", "line_id", "attestation", "caller_id_trust",
    "disclosure_sha256", "files",
)  # fmt: skip
"""The facts of a call, or of an import, that other rules need."""
_REQUEST: Final = ("scope", "brand", "seller", "consents", "under_way")
_AGREED: Final = frozenset({State.CONFIRMED.value, State.RETURNED.value, State.IMPORTED.value})
_BEFORE_AGREEMENT: Final = frozenset({State.DISCLOSED.value, State.ENTERED.value})
_KINDS: Final[Mapping[str, str]] = {
    **{state.value: "call" for state in State if state is not State.REVOKED},
    **{act.value: "call" for act in (Act.REPLIED, Act.SETTLED, Act.LIFTED)},
    State.IMPORTED.value: "imported",
    Act.REVOCATION.value: "revocation",
    Act.MESSAGE.value: "message",
    Act.LOOKED_UP.value: "message",
}
"""What kind of record an event belongs to; those that are not here belong to any."""
_BOUND_AGAIN: Final = frozenset({"answer_c", "forward_c"})
"""Commitments that a record may have several of: each submission has its own answer."""
_LATE: Final = frozenset(each.value for each in LATE_TYPES)
_READ_AHEAD: Final = 4096
"""Bodies that are kept as they were read: what they name is fetched before they are checked."""
_TAG: Final = re.compile("[0-9a-f]{32}")
_OF_CHAINS: Final = frozenset({Act.OPENED.value, Act.CLOCK.value, Act.WITNESSED.value})


def _refuse(_: str) -> NoReturn:
    raise ValueError("only integers")


_DECODER: Final = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


class EventChecker:
    """Checks the events of each chain in order and notes their faults.

    Args:
        findings: where faults are noted.
        records: where the facts of records are kept.
        contents: judges the texts and recordings that events name; None to leave them out.
    """

    __slots__ = ("_clock_set", "_contents", "_findings", "_records")

    def __init__(
        self,
        findings: Findings,
        records: RecordStore,
        contents: NamedContents | None = None,
    ) -> None:
        self._findings = findings
        self._records = records
        self._contents = contents
        self._clock_set: dict[str, int] = {}

    def go_on(self, ledger_id: str, seq: int) -> None:
        """A chain is read from the event after `seq`; its clock may have been set before."""
        self._clock_set[ledger_id] = seq

    def check(self, row: Row) -> dict[str, Any] | None:
        """Check one event; returns its body if the body is valid."""
        body = read_body(row.body)
        if body is None:
            self._add(row, "body_not_canonical", "its body is not canonical JSON")
            return None
        differ = [name for name in _COLUMNS if body.get(name) != getattr(row, name)]
        if differ:
            what = f"its body and its columns differ: {', '.join(differ)}"
            self._add(row, "columns_differ", what)
            return None
        wrong = _wrong_fields(row.type, row.body)
        if wrong:
            what = f"its body is not valid: {', '.join(sorted(wrong))}"
            self._add(row, "body_invalid", what)
            return None
        self._opening(row, body)
        self._count(row, body)
        self._times(row, body)
        if row.type == State.DISCLOSED and body["complete"] != _is_complete(body):
            what = "what it says of its disclosure being complete is not what its figures say"
            self._add(row, "disclosure_incomplete", what)
        if self._contents is not None:
            self._contents.check(row, body)
        return body

    def remember(self, row: Row) -> None:
        """Take over the facts of an event that was verified earlier."""
        body = read_body(row.body)
        if body is not None and not _wrong_fields(row.type, row.body):
            self._count(row, body)

    def _add(self, row: Row, code: str, what: str) -> None:
        self._findings.add("integrity", code, what, row.ledger_id, row.seq)

    def _opening(self, row: Row, body: Mapping[str, Any]) -> None:
        if row.type != Act.OPENED:
            if row.seq == 1:
                self._add(row, "opening_missing", "the chain does not start with an opened event")
        elif row.seq != 1:
            self._add(row, "opened_twice", "it opens the chain a second time")
        elif ledger_id_of(base64.b64decode(body["public_key"])) != row.ledger_id:
            self._add(row, "foreign_public_key", "its public key is not this chain's")

    def _times(self, row: Row, body: Mapping[str, Any]) -> None:
        """Hold what one event says of two times, and an outcome against what it is the outcome of.

        If the clock was set since, the times of two events cannot be compared.
        """
        if row.type == Act.CLOCK:
            self._clock_set[row.ledger_id] = row.seq
        elif row.type == Act.REVOCATION and not _fits(body):
            what = "when it was asked for, and when it was honoured, do not fit"
            self._add(row, "revocation_times", what)
        elif row.type == State.IMPORTED and not _was_given(body):
            self._add(row, "import_times", "it was given after it was imported")
        elif row.type in _LATE:
            facts = self._records.facts(row.consent_id)
            since = facts.submitted.get(row.ledger_id) or facts.agreed
            if since[:1] != [row.ledger_id] or since[1] <= self._clock_set.get(row.ledger_id, 0):
                return
            if milliseconds(body["at"]) < milliseconds(since[3]) - SKEW_MS:
                what = "it is dated before the submission that it is the outcome of"
                self._findings.add("time", "outcome_before", what, row.ledger_id, row.seq)

    def _count(self, row: Row, body: dict[str, Any]) -> None:
        """Add the event to the facts of its record, and of the records that it names."""
        facts = self._records.facts(row.consent_id)
        place = [row.ledger_id, row.seq]
        facts.first = facts.first or place
        self._tags(row, body, facts, place)
        kind = _KINDS.get(row.type)
        if kind is not None and kind not in facts.kinds:
            facts.kinds.append(kind)
        for name, value in body.items():
            if name.endswith("_c"):
                bound = facts.bound.setdefault(name.removesuffix("_c"), {})
                if name not in _BOUND_AGAIN and any(each[0] != value for each in bound.values()):
                    what = f"the {name.removesuffix('_c')} of its record is another one before"
                    self._add(row, "bound_again", what)
                bound[row.ledger_id] = [value, row.seq]
        if row.type in LETTERS:
            self._state(row, body, facts, place)
        else:
            self._act(row, body, facts, place)

    def _tags(self, row: Row, body: dict[str, Any], facts: RecordFacts, place: list[Any]) -> None:
        """Hold the tags against the records that the event names; keep the person's for later."""
        tags = _tags(row.tags)
        if tags is None:
            self._add(row, "tags_invalid", "its tags are not a sorted list of tags")
            return
        named = {
            tag(each.encode(), row.ledger_id, row.seq)
            for each in named_records(row.consent_id, body)
        }
        rest = [each for each in tags if each not in named]
        if len(rest) > 1 or not named.issubset(tags):
            self._add(row, "tags_wrong", "its tags are not those of the records that it names")
        elif row.type not in _OF_CHAINS:
            facts.tags.append([*place, rest[0] if rest else ""])

    def _state(self, row: Row, body: dict[str, Any], facts: RecordFacts, place: list[Any]) -> None:
        history = facts.states.get(row.ledger_id, "")
        now = _letter(row.type, body)
        wrong = bad_step(history, now)
        if wrong is not None and not facts.bad_step:
            facts.bad_step = [*place, wrong]
        facts.states[row.ledger_id] = history + now
        if row.type in {State.DISCLOSED, State.RETURNED, State.IMPORTED}:
            facts.call = {name: body[name] for name in _CALL if name in body}
        if row.type == State.ENTERED:
            facts.call["ani_match"] = body["ani_match"]
            facts.call["key_count"] = body["key_count"]
        facts.declined = facts.declined or row.type == State.DECLINED
        if row.type in _BEFORE_AGREEMENT:
            facts.dialogue.append([row.type, body])
            return
        if row.type == State.CONFIRMED:
            dialogue = [(kind, each) for kind, each in facts.dialogue]
            for code in agreement_faults([*dialogue, (row.type, body)]):
                self._add(row, code, f"confirmed, but {AGREEMENTS[code]}")
            facts.needs_reply = "confirm_by_reply" in body
        facts.dialogue = []
        if row.type in _AGREED:
            facts.agreed = [*place, row.type, body["written"]]
            facts.relies_on = body.get("consent", "")
        elif row.type == State.SUBMITTING:
            self._submitted(row, body, facts, history)
        elif row.type == State.REVOKED:
            facts.revoked = [*place, body["revocation"], body["written"]]
            self._records.facts(body["revocation"]).ended += 1

    def _submitted(self, row: Row, body: dict[str, Any], facts: RecordFacts, history: str) -> None:
        """Of an unknown outcome only the receiver that was asked knows, so it is asked again."""
        before = facts.submitted.get(row.ledger_id)
        sent = [row.ledger_id, row.seq, row.type, body["written"], body["platform"]]
        facts.submitted[row.ledger_id] = sent
        if before is None or not history.endswith(LETTERS[State.UNKNOWN]):
            return
        if before[4] != body["platform"]:
            what = "it repeats a submission of unknown outcome to another receiver"
            self._add(row, "repeated_elsewhere", what)

    def _act(self, row: Row, body: dict[str, Any], facts: RecordFacts, place: list[Any]) -> None:
        if row.type == Act.ERASED:
            facts.erased = sorted({*facts.erased, *body["fields"]})
            facts.suppressed = facts.suppressed or body.get("suppression_sha256", "")
        elif row.type == Act.LIFTED:
            facts.lifts.append(
                [*place, body["revocation"], body["brand"], body["consent"], body["written"]]
            )
            written = [*place, row.type, body["written"]]
            self._records.note_lift(body["revocation"], body["brand"], row.consent_id, written)
        elif row.type == Act.REPLIED:
            if facts.replied:
                self._add(row, "reply_unfounded", "a reply had completed the consent before")
            facts.replied = facts.replied or [*place, row.type, body["written"], body["received"]]
        elif row.type == Act.RESTRICTED:
            facts.restricted = body["until"]
        elif row.type == Act.SETTLED:
            facts.settled.append(body["outcome"])
        elif row.type == Act.RESOLVED:
            facts.resolved = place
        elif row.type == Act.REVOCATION:
            if facts.requests:
                self._add(row, "revocation_repeated", "it is a second revocation of the same id")
            facts.requests = {name: body[name] for name in _REQUEST}
            facts.requests["scoped"] = body["scope"] == "all" or body[body["scope"]] is not None
            facts.requests["place"] = [*place, row.type, body["written"]]


def _fits(revocation: Mapping[str, Any]) -> bool:
    """Whether a revocation was honoured when it was stored, and not before it was asked for."""
    asked, honoured = (milliseconds(revocation[name]) for name in ("received", "honoured"))
    return revocation["honoured"] == revocation["at"] and asked <= honoured + BETWEEN_CLOCKS_MS


def _was_given(imported: Mapping[str, Any]) -> bool:
    """Whether a consent was given before it was imported."""
    given, written = (milliseconds(imported[name]) for name in ("given", "written"))
    return given <= written + BETWEEN_CLOCKS_MS


def letter(row: Row) -> str:
    """The letter of an event in its record's history; nothing if it is no state."""
    return _letter(row.type, read_body(row.body) or {}) if row.type in LETTERS else ""


def _letter(type_: str, body: Mapping[str, Any]) -> str:
    is_safe = {"idempotent", "hook_kind"} <= body.keys()  # Instaply texts again for every request
    return IDEMPOTENT if is_safe else LETTERS[type_]


def named_ids(row: Row) -> set[str]:
    """The ids of the records that an event names; only its own if the body cannot be read."""
    return named_records(row.consent_id, read_body(row.body) or {})


def named_contents(row: Row) -> Iterator[tuple[str, bool]]:
    """The SHA-256 of every text (True) and recording (False) that a valid event names."""
    body = read_body(row.body)
    if body is None or _wrong_fields(row.type, row.body):
        return
    for name in ("disclosure_sha256", "first_text_sha256", "config_sha256"):
        if name in body:
            yield body[name], True
    if "audio_sha256" in body:
        yield body["audio_sha256"], False
    for entry in body.get("dialogue", ()):
        if entry[0] == "play":
            yield entry[4], True
            yield entry[5], False


@lru_cache(maxsize=_READ_AHEAD)
def _wrong_fields(type_: str, text: str) -> tuple[str, ...]:
    """The fields that are wrong in a body that can be read."""
    return tuple(schema_faults(type_, read_body(text) or {}))


def read_body(text: object) -> dict[str, Any] | None:
    """The fields of a body, not to be changed; None if it is not canonical JSON.

    An owner can give the column another type, of which a database makes other values.
    """
    return _read_text(text) if isinstance(text, str) else None


@lru_cache(maxsize=_READ_AHEAD)
def _read_text(text: str) -> dict[str, Any] | None:
    try:
        body, _ = _DECODER.raw_decode(text)
        # Trailing text, duplicate keys and spaces all differ from the body written again.
        return body if type(body) is dict and canonical(body) == text else None
    except (ValueError, TypeError, RecursionError):
        return None


def _is_complete(body: Mapping[str, Any]) -> bool:
    samples: int = body["samples"]
    endpos: int = body["endpos"]
    return 0 < samples <= endpos


def _tags(text: str) -> list[str] | None:
    """Tags as they are stored; None if the text is not a sorted list of different tags."""
    try:
        tags = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    if type(tags) is not list or not all(_is_tag(each) for each in tags):
        return None
    return tags if canonical(sorted(set(tags))) == text else None


def _is_tag(value: object) -> bool:
    return isinstance(value, str) and _TAG.fullmatch(value) is not None
