"""The one description of an event's body: each type's fields, and what each may hold. Pure.

`faults` names the fields of a body that are wrong. Writers are held to it by tests, and every
verification by itself; docs/record-format.md says in prose what each field means.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent.field_checks import (
    ANY_TIME,
    HEX32,
    HEX64,
    TIME,
    UUID,
    Check,
    is_bool,
    is_language,
    is_true,
    is_zone,
    list_of,
    matches,
    one_of,
    or_null,
    text,
    whole,
)
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
    from collections.abc import Mapping, Sequence

    from agi_bridge.consent.states import EventType

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

_BASE64_KEY: Final = matches("[A-Za-z0-9+/]{43}=")
_BASE64_SIGNATURE: Final = matches("[A-Za-z0-9+/]{86}==")
_WORD: Final = matches("[a-z0-9_]{1,64}")
_NAME: Final = text(4096)
_KEY_PRESSED: Final = matches("[0-9*#]")
_SAMPLES: Final = whole(0)
_MS: Final = whole(0)

_ENTRIES: Final[Mapping[str, Check]] = {
    "play": list_of(
        one_of("play"), _MS, text(128, 1), is_language, HEX64, HEX64, whole(1), _SAMPLES
    ),
    "say": list_of(one_of("say"), _MS, whole(1, 32), is_bool),
    "digits": list_of(
        one_of("digits"),
        _MS,
        whole(0, 64),
        one_of("full", "hash", "star", "pause", "silence", "time"),
    ),
    "key": list_of(one_of("key"), _MS, _KEY_PRESSED, text(128), or_null(_SAMPLES)),
}


def _is_dialogue(value: object) -> bool:
    """A list of entries as `dialogue` describes them."""
    if type(value) is not list:
        return False
    for entry in value:
        named = type(entry) is list and entry and isinstance(entry[0], str)
        check = _ENTRIES.get(entry[0]) if named else None
        if check is None or not check(entry):
            return False
    return True


_SEALED_NAME: Final = matches(r"[a-z_]{1,32}|\*")


def _is_list_of_names(value: object) -> bool:
    """Names of sealed values, or `*` for all of them."""
    return type(value) is list and bool(value) and all(map(_SEALED_NAME, value))


# Bodies


def _optional(check: Check) -> Field:
    return Field(check, required=False)


_EVERY: Final[Mapping[str, Field]] = {
    "schema": Field(one_of(SCHEMA)),
    "ledger_id": Field(HEX32),
    "seq": Field(whole(1)),
    "event_id": Field(UUID),
    "consent_id": Field(UUID),
    "type": Field(text(16, 1)),
    "at": Field(TIME),
    "written": Field(TIME),
    "late": _optional(is_true),
}
"""What every body has."""

_CHECKS: Final[Mapping[type, Mapping[str, Check]]] = {
    CallMetadata: {
        "line_id": text(64, 1),
        "did": text(64),
        "brand": text(256, 1),
        "legal_name": text(256, 1),
        "purpose": one_of(*PURPOSES),
        "call_uid": text(256),
        "channel": text(256),
        "software": text(256, 1),
        "config_sha256": HEX64,
        "linked_id": text(256),
        "attestation": one_of("A", "B", "C", None),
        "caller_id_trust": one_of("A", "B", "any"),
        "server": text(256),
        "tz": is_zone,
        "clock_synced": is_bool,
    },
    DisclosureHeard: {
        "prompt": text(128, 1),
        "lang": is_language,
        "audio_sha256": HEX64,
        "samples": whole(0),
        "endpos": _SAMPLES,
        "disclosure_sha256": HEX64,
        "complete": is_bool,
    },
    NumberEntered: {
        "number_type": text(64, 1),
        "region": matches("[A-Z]{2}|001"),
        "lib_version": text(128, 1),
        "tries": whole(0, 100),
        "ani_match": one_of("same", "different", "hidden", "invalid"),
        "key_count": whole(1, 64),
    },
    SendingFacts: {
        "texts_from": or_null(text(64, 1)),
        "platform": text(256, 1),
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
_ACTOR: Final = Field(text(1024, 1))
_DIALOGUE: Final = Field(_is_dialogue)
_RECORD: Final = Field(UUID)
_OUTCOME: Final[Mapping[str, Field]] = {
    "reason": _REASON,
    "status": Field(or_null(whole(100, 599))),
    "attempts": Field(whole(0, 100)),
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
        "disclosure_version": Field(whole(1)),
        "dialogue": _DIALOGUE,
    },
    State.ENTERED: {**_of(NumberEntered), "dialogue": _DIALOGUE},
    State.CONFIRMED: {
        "method": Field(one_of("ivr_dtmf")),
        "act": Field(one_of(*ACTS)),
        "number_c": _COMMITMENT,
        "caller_id_c": _optional(HEX64),
        "digits_c": _COMMITMENT,
        "confirm_by_reply": _optional(is_true),
        "dialogue": _DIALOGUE,
    },
    State.RETURNED: {
        **_of(CallMetadata),
        "consent": _RECORD,
        "region": Field(matches("[A-Z]{2}|001")),
        "number_c": _COMMITMENT,
        "caller_id_c": _COMMITMENT,
        "dialogue": _DIALOGUE,
    },
    State.SUBMITTING: {
        **_of(SendingFacts),
        "attempt": Field(whole(1, 1000)),
        "context": _optional(_NAME),
        "hook_kind": _optional(one_of("webhook")),
        "idempotent": _optional(is_true),
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
        "brand": Field(text(256, 1)),
        "legal_name": Field(text(256, 1)),
        "purpose": Field(one_of(*PURPOSES)),
        "method": Field(one_of(*METHODS)),
        "source": Field(text(256, 1)),
        "given": Field(TIME),
        "files": Field(whole(1, 1000)),
        "actor": _ACTOR,
        "software": Field(text(256, 1)),
        "number_c": _COMMITMENT,
        "evidence_c": _COMMITMENT,
        "reference_c": _optional(HEX64),
    },
    State.REVOKED: {"revocation": _RECORD, "channel": Field(_WORD)},
    Act.OPENED: {
        "public_key": Field(_BASE64_KEY),
        "software": Field(text(256, 1)),
        "clock_synced": Field(is_bool),
        "previous": _optional(list_of(HEX32, whole(1), HEX64)),
        "previous_signature": _optional(_BASE64_SIGNATURE),
    },
    Act.REVOCATION: {
        "received": Field(ANY_TIME),
        "honoured": Field(TIME),
        "channel": Field(_WORD),
        "scope": Field(one_of(*SCOPES)),
        "brand": Field(or_null(text(256, 1))),
        "seller": Field(or_null(text(256, 1))),
        "actor": _ACTOR,
        "passed_on": Field(is_bool),
        "consents": Field(whole(0)),
        "under_way": Field(whole(0)),
        "number_c": _COMMITMENT,
        "words_c": _optional(HEX64),
        "reference_c": _optional(HEX64),
        "dialogue": _optional(_is_dialogue),
    },
    Act.LIFTED: {"consent": _RECORD, "revocation": _RECORD, "brand": Field(text(256, 1))},
    Act.SETTLED: {
        **_SETTLED_BY_OTHERS,
        "outcome": Field(one_of("accepted", "refused", "unknown", "not_sent")),
    },
    Act.REPLIED: {
        "channel": Field(_WORD),
        "received": Field(ANY_TIME),
        "reply_c": _COMMITMENT,
        "reply_reference_c": _optional(HEX64),
    },
    Act.MESSAGE: {
        "channel": Field(_WORD),
        "business_id": Field(or_null(text(256))),
        "received": _optional(ANY_TIME),
        "customer_id_c": _COMMITMENT,
        "words_c": _optional(HEX64),
        "reference_c": _optional(HEX64),
    },
    Act.LOOKED_UP: {"channel": Field(_WORD), "reason": _REASON},
    Act.RESOLVED: {
        "as": Field(one_of("texted", "not-texted", "passed-on", "done")),
        "actor": _ACTOR,
        "note": _optional(_NAME),
    },
    Act.ERASED: {
        "fields": Field(_is_list_of_names),
        "basis": Field(text(4096, 1)),
        "actor": _ACTOR,
        "suppression_sha256": _optional(HEX64),
    },
    Act.RESTRICTED: {
        "basis": Field(text(4096, 1)),
        "until": Field(ANY_TIME),
        "actor": _ACTOR,
    },
    Act.REVEALED: {"actor": _ACTOR, "command": Field(text(256, 1))},
    Act.EXPORTED: {
        "actor": _ACTOR,
        "command": _optional(text(256)),
        "count": _optional(whole(0)),
    },
    Act.RESEALED: {"actor": _ACTOR, "count": Field(whole(0))},
    Act.CLOCK: {
        "step_ms": Field(whole(-(2**53))),
        "seen": Field(one_of("start", "running")),
        "synchronised": Field(is_bool),
    },
    Act.WITNESSED: {
        "checkpoint": Field(whole(1)),
        "checkpoint_sha256": Field(HEX64),
        "stamp_sha256": Field(HEX64),
        "authority": Field(text(1024, 1)),
        "stamped_at": Field(ANY_TIME),
    },
}
BODIES: Final[Mapping[EventType, Mapping[str, Field]]] = MappingProxyType(
    {kind: MappingProxyType({**_EVERY, **own}) for kind, own in _OWN.items()}
)
"""Every type's fields, those that every body has among them."""


def commitments(kind: EventType) -> Sequence[str]:
    """The names of the sealed values that an event of this type may be bound to."""
    return [name.removesuffix("_c") for name in BODIES[kind] if name.endswith("_c")]
