"""The one description of an event's body: each type's fields, and what each may hold. Pure.

`faults` names the fields of a body that are wrong. Writers are held to it by tests, and every
verification by itself; docs/record-format.md says in prose what each field means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from zoneinfo import available_timezones

from agi_bridge.consent.imported import METHODS
from agi_bridge.consent.models import (
    EVENT_KEYS,
    SCHEMA,
    CallMetadata,
    DisclosureHeard,
    NumberEntered,
    SendingFacts,
)
from agi_bridge.consent.states import EVENT_TYPES, Act, State

if TYPE_CHECKING:
    from agi_bridge.consent.states import EventType

Check: TypeAlias = Callable[[object], bool]
"""Whether a value may stand in a field."""

PURPOSES: Final = ("info", "marketing")
ACTS: Final = ("number_then_1", "number")
"""What a caller did to agree; `acts` has the rules of each."""
SCOPES: Final = ("brand", "seller", "all")
"""How far a revocation reaches."""
SKEW_SECONDS: Final = 2.0
"""By how much a clock may run back along a chain, and differ between what is compared."""
LONGEST_CALL_SECONDS: Final = 4 * 3600.0
"""An event that happened longer before it is written says that it is late."""
LATE_TYPES: Final = frozenset(
    {
        State.ACCEPTED, State.REFUSED, State.UNKNOWN, State.NOT_SENT, State.EXPIRED, Act.SETTLED,
    }
)  # fmt: skip
"""The types that may be written long after they happened: what became of a submission."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body: what it may hold, and whether it must be there."""

    check: Check
    required: bool = True


def faults(kind: str, body: Mapping[str, Any]) -> list[str]:
    """The names of the fields of a body that are missing, unknown or wrong; empty if it is valid.

    Args:
        kind: the event's type; one that does not exist is itself a fault, `type`.
        body: the body, read from its JSON.
    """
    known = EVENT_TYPES.get(kind)
    if known is None:
        return ["type"]
    described = BODIES[known]
    wrong = [
        name
        for name, each in described.items()
        if not (each.check(body[name]) if name in body else not each.required)
    ]
    wrong += [name for name in body if name not in described]
    if body.get("late") and known not in LATE_TYPES:
        wrong.append("late")
    return wrong


# Values


def _matches(pattern: str) -> Check:
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def _one_of(*allowed: str | int | None) -> Check:
    kinds = frozenset((type(each), each) for each in allowed)
    return lambda value: (type(value), value) in kinds if _is_plain(value) else False


def _is_plain(value: object) -> bool:
    return value is None or type(value) in {str, int, bool}


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _text(most: int, least: int = 0) -> Check:
    return lambda value: isinstance(value, str) and least <= len(value) <= most


def _whole(least: int, most: int = 2**53) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def _is_bool(value: object) -> bool:
    return type(value) is bool


def _is_true(value: object) -> bool:
    return value is True


def _is_zone(value: object) -> bool:
    return isinstance(value, str) and value in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _is_language(value: object) -> bool:
    """A BCP 47 tag whose language exists: two letters of ISO 639-1, or three."""
    if not isinstance(value, str) or _TAG(value) is None:
        return False
    language = value.partition("-")[0]
    return len(language) != len("en") or language in _LANGUAGES


def _list_of(*checks: Check) -> Check:
    return lambda value: (
        type(value) is list
        and len(value) == len(checks)
        and all(check(each) for check, each in zip(checks, value, strict=True))
    )


_TAG: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", re.ASCII).fullmatch
_TWO_LETTERS: Final = {
    "a": "abefkmnrsvyz",
    "b": "aeghimnors",
    "c": "aehorsuvy",
    "d": "aevz",
    "e": "elnostu",
    "f": "afijory",
    "g": "adlnuv",
    "h": "aeiortuyz",
    "i": "adegikostu",
    "j": "av",
    "k": "agijklmnorsuvwy",
    "l": "abginotuv",
    "m": "ghiklnrsty",
    "n": "abdeglnorvy",
    "o": "cjmrs",
    "p": "ailst",
    "q": "u",
    "r": "mnouw",
    "s": "acdeghiklmnoqrstuvw",
    "t": "aeghiklnorstwy",
    "u": "gkrz",
    "v": "eio",
    "w": "ao",
    "x": "h",
    "y": "io",
    "z": "ahu",
}
"""The second letters by the first."""
_LANGUAGES: Final = frozenset(
    one + other for one, others in _TWO_LETTERS.items() for other in others
)
"""ISO 639-1."""

HEX64: Final = _matches("[0-9a-f]{64}")
HEX32: Final = _matches("[0-9a-f]{32}")
UUID: Final = _matches("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME: Final = _matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ANY_TIME: Final = _matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_BASE64_KEY: Final = _matches("[A-Za-z0-9+/]{43}=")
_BASE64_SIGNATURE: Final = _matches("[A-Za-z0-9+/]{86}==")
_WORD: Final = _matches("[a-z0-9_]{1,64}")
_NAME: Final = _text(4096)
_KEY_PRESSED: Final = _matches("[0-9*#]")
_SAMPLES: Final = _whole(0)
_MS: Final = _whole(0)

_ENTRIES: Final[Mapping[str, Check]] = {
    "play": _list_of(
        _one_of("play"), _MS, _text(128, 1), _is_language, HEX64, HEX64, _whole(1), _SAMPLES
    ),
    "say": _list_of(_one_of("say"), _MS, _whole(1, 32), _is_bool),
    "digits": _list_of(
        _one_of("digits"),
        _MS,
        _whole(0, 64),
        _one_of("full", "hash", "star", "pause", "silence", "time"),
    ),
    "key": _list_of(_one_of("key"), _MS, _KEY_PRESSED, _text(128), _or_null(_SAMPLES)),
}


def _is_dialogue(value: object) -> bool:
    """A list of entries as `dialogue` describes them."""
    if type(value) is not list:
        return False
    for entry in value:
        check = _ENTRIES.get(entry[0]) if type(entry) is list and entry else None
        if check is None or not check(entry):
            return False
    return True


_SEALED_NAME: Final = _matches(r"[a-z_]{1,32}|\*")


def _is_list_of_names(value: object) -> bool:
    """Names of sealed values, or `*` for all of them."""
    return type(value) is list and bool(value) and all(map(_SEALED_NAME, value))


# Bodies


def _optional(check: Check) -> Field:
    return Field(check, required=False)


_EVERY: Final[Mapping[str, Field]] = {
    "schema": Field(_one_of(SCHEMA)),
    "ledger_id": Field(HEX32),
    "seq": Field(_whole(1)),
    "event_id": Field(UUID),
    "consent_id": Field(UUID),
    "type": Field(_text(16, 1)),
    "at": Field(TIME),
    "written": Field(TIME),
    "late": _optional(_is_true),
}
"""What every body has."""

_CHECKS: Final[Mapping[type, Mapping[str, Check]]] = {
    CallMetadata: {
        "line_id": _text(64, 1),
        "did": _text(64),
        "brand": _text(256, 1),
        "legal_name": _text(256, 1),
        "purpose": _one_of(*PURPOSES),
        "call_uid": _text(256),
        "channel": _text(256),
        "software": _text(256, 1),
        "config_sha256": HEX64,
        "linked_id": _text(256),
        "attestation": _one_of("A", "B", "C", None),
        "caller_id_trust": _one_of("A", "B", "any"),
        "server": _text(256),
        "tz": _is_zone,
        "clock_synced": _is_bool,
    },
    DisclosureHeard: {
        "prompt": _text(128, 1),
        "lang": _is_language,
        "audio_sha256": HEX64,
        "samples": _whole(0),
        "endpos": _SAMPLES,
        "disclosure_sha256": HEX64,
        "complete": _is_bool,
    },
    NumberEntered: {
        "number_type": _text(64, 1),
        "region": _matches("[A-Z]{2}|001"),
        "lib_version": _text(128, 1),
        "tries": _whole(0, 100),
        "ani_match": _one_of("same", "different", "hidden", "invalid"),
        "key_count": _whole(1, 64),
    },
    SendingFacts: {
        "texts_from": _or_null(_text(64, 1)),
        "platform": _text(256, 1),
        "first_text_sha256": HEX64,
    },
}
"""What the fields of the models hold, by their keys in a body."""


def _of(model: type[Any]) -> dict[str, Field]:
    checks = _CHECKS[model]
    keys = EVENT_KEYS[model].values()
    assert {*keys} == checks.keys(), (model, fields(model))  # noqa: S101 - the two are one list
    return {key: Field(checks[key]) for key in keys}


_COMMITMENT: Final = Field(HEX64)
_REASON: Final = Field(_WORD)
_ACTOR: Final = Field(_text(1024, 1))
_DIALOGUE: Final = Field(_is_dialogue)
_RECORD: Final = Field(UUID)
_OUTCOME: Final[Mapping[str, Field]] = {
    "reason": _REASON,
    "status": Field(_or_null(_whole(100, 599))),
    "attempts": Field(_whole(0, 100)),
    "answer_c": _optional(HEX64),
    "forward_c": _optional(HEX64),
}
_SETTLED_BY_OTHERS: Final[Mapping[str, Field]] = {
    name: Field(each.check, required=name == "reason") for name, each in _OUTCOME.items()
}
"""An outcome that nobody was told: the submission was found open, and its bridge gone."""

_OWN: Final[Mapping[EventType, Mapping[str, Field]]] = {
    State.DISCLOSED: {
        **_of(CallMetadata),
        **_of(DisclosureHeard),
        "disclosure_version": Field(_whole(1)),
        "dialogue": _DIALOGUE,
    },
    State.ENTERED: {**_of(NumberEntered), "dialogue": _DIALOGUE},
    State.CONFIRMED: {
        "method": Field(_one_of("ivr_dtmf")),
        "act": Field(_one_of(*ACTS)),
        "number_c": _COMMITMENT,
        "caller_id_c": _optional(HEX64),
        "digits_c": _COMMITMENT,
        "confirm_by_reply": _optional(_is_true),
        "dialogue": _DIALOGUE,
    },
    State.RETURNED: {
        **_of(CallMetadata),
        "consent": _RECORD,
        "region": Field(_matches("[A-Z]{2}|001")),
        "number_c": _COMMITMENT,
        "caller_id_c": _COMMITMENT,
        "dialogue": _DIALOGUE,
    },
    State.SUBMITTING: {
        **_of(SendingFacts),
        "attempt": Field(_whole(1, 1000)),
        "context": _optional(_NAME),
        "hook_kind": _optional(_one_of("webhook")),
        "idempotent": _optional(_is_true),
        "owner": Field(HEX32),
        "deadline": Field(TIME),
    },
    State.ACCEPTED: _OUTCOME,
    State.REFUSED: _OUTCOME,
    State.UNKNOWN: _SETTLED_BY_OTHERS,
    State.NOT_SENT: _SETTLED_BY_OTHERS,
    State.EXPIRED: {"reason": _REASON},
    State.DECLINED: {"reason": _REASON, "dialogue": _DIALOGUE},
    State.ABANDONED: {"reason": _REASON, "dialogue": _DIALOGUE},
    State.IMPORTED: {
        "brand": Field(_text(256, 1)),
        "legal_name": Field(_text(256, 1)),
        "purpose": Field(_one_of(*PURPOSES)),
        "method": Field(_one_of(*METHODS)),
        "source": Field(_text(256, 1)),
        "given": Field(TIME),
        "files": Field(_whole(1, 1000)),
        "actor": _ACTOR,
        "software": Field(_text(256, 1)),
        "number_c": _COMMITMENT,
        "evidence_c": _COMMITMENT,
        "reference_c": _optional(HEX64),
    },
    State.REVOKED: {"revocation": _RECORD, "channel": Field(_WORD)},
    Act.OPENED: {
        "public_key": Field(_BASE64_KEY),
        "software": Field(_text(256, 1)),
        "clock_synced": Field(_is_bool),
        "previous": _optional(_list_of(HEX32, _whole(1), HEX64)),
        "previous_signature": _optional(_BASE64_SIGNATURE),
    },
    Act.REVOCATION: {
        "received": Field(_ANY_TIME),
        "honoured": Field(TIME),
        "channel": Field(_WORD),
        "scope": Field(_one_of(*SCOPES)),
        "brand": Field(_or_null(_text(256, 1))),
        "seller": Field(_or_null(_text(256, 1))),
        "actor": _ACTOR,
        "passed_on": Field(_is_bool),
        "consents": Field(_whole(0)),
        "under_way": Field(_whole(0)),
        "number_c": _COMMITMENT,
        "words_c": _optional(HEX64),
        "reference_c": _optional(HEX64),
        "dialogue": _optional(_is_dialogue),
    },
    Act.LIFTED: {"consent": _RECORD, "revocation": _RECORD, "brand": Field(_text(256, 1))},
    Act.SETTLED: {
        **_SETTLED_BY_OTHERS,
        "outcome": Field(_one_of("accepted", "refused", "unknown", "not_sent")),
    },
    Act.REPLIED: {
        "channel": Field(_WORD),
        "received": Field(_ANY_TIME),
        "reply_c": _COMMITMENT,
        "reply_reference_c": _optional(HEX64),
    },
    Act.MESSAGE: {
        "channel": Field(_WORD),
        "business_id": Field(_or_null(_text(256))),
        "customer_id_c": _COMMITMENT,
        "words_c": _optional(HEX64),
        "reference_c": _optional(HEX64),
    },
    Act.RESOLVED: {
        "as": Field(_one_of("texted", "not-texted", "passed-on", "done")),
        "actor": _ACTOR,
        "note": _optional(_NAME),
    },
    Act.ERASED: {
        "fields": Field(_is_list_of_names),
        "basis": Field(_text(4096, 1)),
        "actor": _ACTOR,
    },
    Act.RESTRICTED: {
        "basis": Field(_text(4096, 1)),
        "until": Field(_ANY_TIME),
        "actor": _ACTOR,
    },
    Act.REVEALED: {"actor": _ACTOR, "command": Field(_text(256, 1))},
    Act.EXPORTED: {
        "actor": _ACTOR,
        "command": _optional(_text(256)),
        "count": _optional(_whole(0)),
    },
    Act.RESEALED: {"actor": _ACTOR, "count": Field(_whole(0))},
    Act.CLOCK: {
        "step_ms": Field(_whole(-(2**53))),
        "seen": Field(_one_of("start", "running")),
        "synchronised": Field(_is_bool),
    },
    Act.WITNESSED: {
        "checkpoint": Field(_whole(1)),
        "checkpoint_sha256": Field(HEX64),
        "stamp_sha256": Field(HEX64),
        "authority": Field(_text(1024, 1)),
        "stamped_at": Field(_ANY_TIME),
    },
}
BODIES: Final[Mapping[EventType, Mapping[str, Field]]] = MappingProxyType(
    {kind: MappingProxyType({**_EVERY, **own}) for kind, own in _OWN.items()}
)
"""Every type's fields, those that every body has among them."""


def commitments(kind: EventType) -> Sequence[str]:
    """The names of the sealed values that an event of this type may be bound to."""
    return [name.removesuffix("_c") for name in BODIES[kind] if name.endswith("_c")]
