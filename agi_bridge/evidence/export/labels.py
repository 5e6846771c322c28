"""Labels: names of event types and fields, and values as people write them. No I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import Act, State

if TYPE_CHECKING:
    from collections.abc import Mapping

TITLES: Final[Mapping[str, str]] = {
    State.DISCLOSED: "Disclosure played",
    State.ENTERED: "Mobile number keyed",
    State.CONFIRMED: "Consent given",
    State.RETURNED: "Caller known by an earlier consent",
    State.SUBMITTING: "Text requested of the platform",
    State.ACCEPTED: "Request accepted by the platform",
    State.REFUSED: "Request refused by the platform",
    State.UNKNOWN: "Outcome of the request not known",
    State.NOT_SENT: "Request certainly not sent",
    State.EXPIRED: "Given up: too late to send",
    State.DECLINED: "Caller went on without a text",
    State.ABANDONED: "Caller hung up",
    State.REVOKED: "Consent withdrawn",
    State.IMPORTED: "Consent given elsewhere, imported",
    Act.OPENED: "Chain of events begun",
    Act.REVOCATION: "Request to revoke received",
    Act.SETTLED: "Outcome of a request already on its way",
    Act.MESSAGE: "Message from a customer not yet identified",
    Act.LOOKED_UP: "Sender looked up; not found",
    Act.RESOLVED: "Resolved",
    Act.ERASED: "Personal data erased",
    Act.RESTRICTED: "Personal data restricted",
    Act.REVEALED: "Full number shown to a person",
    Act.EXPORTED: "Proof exported",
    Act.RESEALED: "Personal data sealed under a new key",
    Act.LIFTED: "Earlier revocation lifted for this brand",
    Act.REPLIED: "Consent completed by a reply by text",
    Act.CLOCK: "Clock of the machine was set",
    Act.WITNESSED: "Time stamp received",
}
"""The title of each type of event."""

STATES: Final[Mapping[str, str]] = {
    State.DISCLOSED: "disclosure played; nothing agreed",
    State.ENTERED: "number keyed; nothing agreed",
    State.CONFIRMED: "given; nothing requested yet",
    State.RETURNED: "given earlier; nothing requested yet",
    State.SUBMITTING: "given; text being requested",
    State.ACCEPTED: "given; text requested and accepted",
    State.REFUSED: "given; the platform refused the text",
    State.UNKNOWN: "given; whether a text went out is not known",
    State.NOT_SENT: "given; no text was sent so far",
    State.EXPIRED: "given; no text was sent",
    State.DECLINED: "not given",
    State.ABANDONED: "not given",
    State.REVOKED: "withdrawn",
    State.IMPORTED: "given elsewhere, as the business states; imported",
}
"""The status of a consent, by its last state."""

KEYED: Final = "Agreed by keypress; a YES by text is to complete the consent"
"""The title of an agreement that a reply is to complete."""
UNFINISHED: Final = "unfinished: no YES has come back by text"
"""The status of a consent that a reply is still to complete."""
UNFINISHED_STATES: Final[Mapping[str, str]] = {
    state: status.replace("given; ", "").replace("given", "keyed")
    for state, status in STATES.items()
}
"""What follows it: such a consent is not called given."""

ENVELOPE: Final = frozenset(
    {"schema", "ledger_id", "seq", "event_id", "consent_id", "type", "at", "written"}
)
"""Fields that every event has. They are columns of the table of events, not facts."""

LABELS: Final[Mapping[str, str]] = {
    "act": "act that the line asks for",
    "ani_match": "caller ID and number keyed",
    "as": "as",
    "attestation": "STIR/SHAKEN attestation",
    "audio_sha256": "recording (SHA-256)",
    "call_uid": "call",
    "channel": "channel",
    "clock_synced": "clock synchronised",
    "consents": "consents ended",
    "complete": "played to its end",
    "config_sha256": "configuration (SHA-256)",
    "did": "number called",
    "disclosure_sha256": "wording (SHA-256)",
    "disclosure_version": "wording, version",
    "endpos": "played up to",
    "key_count": "keys pressed",
    "lang": "language",
    "lib_version": "numbering plan data",
    "line_id": "line",
    "linked_id": "linked call",
    "samples": "length",
    "status": "HTTP status",
    "given": "given, as its source says",
    "files": "files of evidence",
    "source": "kept until then in",
    "texts_from": "texts come from",
    "platform": "texting platform",
    "hook_kind": "asked through",
    "idempotent": "texts once however often it is asked",
    "caller_id_trust": "attestation asked for",
    "under_way": "requests already under way",
    "late": "written long after it happened",
    "tries": "tries before",
    "tz": "time zone",
}
"""Labels of fields whose name alone is not clear."""

VALUES: Final[Mapping[tuple[str, object], str]] = {
    ("method", "ivr_dtmf"): "telephone keypad (DTMF)",
    ("method", "web_form"): "a form on the web",
    ("method", "paper"): "on paper",
    ("method", "text"): "a text message",
    ("method", "email"): "e-mail",
    ("method", "agent"): "to an agent on the telephone",
    ("method", "in_person"): "in person",
    ("method", "other"): "in another way",
    ("ani_match", "same"): "the same",
    ("ani_match", "different"): "different",
    ("ani_match", "hidden"): "caller ID hidden",
    ("ani_match", "invalid"): "caller ID is not a telephone number",
    ("purpose", "info"): "replies about the caller’s request",
    ("purpose", "marketing"): "advertising",
    ("hook_kind", "webhook"): "a program of the business (webhook)",
    ("scope", "all"): "every seller",
    ("fields", "*"): "everything",
    ("scope", "seller"): "every brand of the seller",
    ("scope", "brand"): "one brand",
}
"""Codes in words, by field and value."""

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "es": "Spanish", "fr": "French"}
"""Names of the shipped languages. Others are shown by their tag."""

_FIRST: Final = (
    "complete", "endpos", "samples", "lang", "act", "method", "reason", "outcome", "status",
    "attempt", "attempts", "scope", "channel", "received", "honoured",
)  # fmt: skip
"""Fields that come first, in this order; the others follow by name."""
_EMPTY: Final[tuple[object, ...]] = (None, "", [])
_ELSEWHERE: Final = frozenset({"dialogue", "owner", "deadline", "act"})
"""Fields that are shown apart from the facts of an event, or are of no use to a reader."""
_TIMESTAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
_RATE: Final = 8000  # samples a second in a telephone call
_SAMPLES: Final = frozenset({"samples", "endpos"})


def title(type_: str) -> str:
    """The title of a type of event; of an unknown type, its name."""
    return TITLES.get(type_, type_)


def label(field: str) -> str:
    """The label of a field."""
    return LABELS.get(field, field.replace("_", " "))


def facts(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The facts of an event for people: labels and values.

    Envelope, empty values and hashes are left out.
    """
    return tuple(
        (label(field), value(field, raw))
        for field, raw in sorted(body.items(), key=_position)
        if field not in ENVELOPE
        and field not in _ELSEWHERE
        and raw not in _EMPTY
        and not field.endswith(("_c", "_sha256"))
    )


def value(field: str, raw: object) -> str:
    """A value as people write it."""
    if isinstance(raw, list):
        return ", ".join(value(field, each) for each in raw)
    known = ("yes" if raw else "no") if isinstance(raw, bool) else VALUES.get((field, raw))
    if known is not None:
        return known
    if field in _SAMPLES and isinstance(raw, int):
        return f"{raw / _RATE:.1f} s ({raw:,} samples)"
    if field == "lang":
        return language_name(str(raw))
    return _text_or_time(raw) if isinstance(raw, str) else str(raw)


def _text_or_time(raw: str) -> str:
    """A text as it is, or a time in UTC."""
    try:
        return utc(raw) if _TIMESTAMP.fullmatch(raw) else raw
    except (ValueError, OverflowError):  # it looks like a time that does not exist
        return raw


def language_name(tag: str) -> str:
    """The English name of a language, or its tag."""
    return LANGUAGES.get(tag.partition("-")[0], tag)


def utc(at: str) -> str:
    """A timestamp of the ledger (RFC 3339) in UTC, to the second."""
    return f"{_parse(at):%Y-%m-%d %H:%M:%S} UTC"


def _parse(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def _position(item: tuple[str, object]) -> tuple[int, str]:
    field = item[0]
    return (_FIRST.index(field) if field in _FIRST else len(_FIRST), field)
