"""What one event must be: written the one canonical way, true to its columns, lawful in its story.

An event's hash says that it was not changed since; these rules say that it was right when it was
made. They are those of `record` and `states`, checked again from the bodies alone.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

from agi_bridge.consent import Act, State, canonical, commitment, text_sha256
from agi_bridge.consent.signing import ledger_id_of
from agi_bridge.evidence.verify.history import StateHistories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent import EventType, Row
    from agi_bridge.evidence.verify.verdict import Faults

OPENS: Final = {
    "number_c": ("number", "number"),
    "ani_c": ("ani", "caller_id"),
    "forward_c": ("forward", "forward"),
    "customer_c": ("customer", "customer_id"),
}
"""The commitments of a body: the field's name in them, and the personal value that opens them."""

_COLUMNS: Final = ("ledger_id", "seq", "consent_id", "type", "at")
_TYPES: Final[Mapping[str, EventType]] = {kind.value: kind for kind in (*State, *Act)}


def _refuse(_: str) -> NoReturn:
    raise ValueError("only whole numbers")


_DECODER: Final = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


class Events:
    """Reads the events of each chain in its order and notes what is wrong with each.

    It remembers every consent's story, for an event may come years after the one before it.
    """

    __slots__ = (
        "_completeness",
        "_disclosures",
        "_heard",
        "_integrity",
        "_stories",
    )

    def __init__(
        self,
        integrity: Faults,
        completeness: Faults,
        *,
        disclosures: Mapping[str, str] | None,
        unknown_before: bool,
    ) -> None:
        """`disclosures`: the texts by SHA-256; None: not at hand, so not looked for.

        `unknown_before`: events were left out at the start, so a consent may begin in mid-story.
        """
        self._integrity = integrity
        self._completeness = completeness
        self._disclosures = disclosures
        self._stories = StateHistories(unknown_before=unknown_before)
        self._heard: set[str] = set()
        for sha256, text in (disclosures or {}).items():
            if text_sha256(text) != sha256:
                integrity.add("", None, f"the text of the disclosure {sha256[:16]} was changed")

    def check(self, row: Row, personal: Mapping[str, str] | None) -> None:
        """Look at one event; `personal` is what the vault holds for its consent, if anything."""
        facts = _facts(row.body)
        if facts is None:
            self._wrong(row, "its body is not canonical JSON")
            return
        differ = [name for name in _COLUMNS if facts.get(name) != getattr(row, name)]
        if differ:
            self._wrong(row, f"its body and its columns differ: {', '.join(differ)}")
            return
        kind = _TYPES.get(row.type)
        if row.seq == 1 or kind is Act.OPENED:
            self._opening(row, facts)
        elif kind is None:
            self._wrong(row, "its type is not known")
        elif type(kind) is State:
            self._story(row, kind, facts)
        if personal:
            self._commitments(row, facts, personal)

    def judge(self) -> None:
        """Note what only shows when all events were read."""
        self._stories.judge(self._integrity)

    def _wrong(self, row: Row, what: str) -> None:
        self._integrity.add(row.ledger_id, row.seq, what)

    def _opening(self, row: Row, facts: Mapping[str, Any]) -> None:
        if row.type != Act.OPENED:
            self._wrong(row, "the chain does not begin with its opening")
        elif row.seq != 1:
            self._wrong(row, "it opens the chain a second time")
        elif not _belongs(facts.get("public_key"), row.ledger_id):
            self._wrong(row, "its public key is not this chain's")

    def _story(self, row: Row, kind: State, facts: Mapping[str, Any]) -> None:
        self._stories.add(row.ledger_id, row.seq, row.consent_id, kind)
        if kind is State.DISCLOSED:
            self._disclosed(row, facts)
        elif kind is State.CONFIRMED:
            if row.consent_id not in self._heard:
                self._wrong(row, "confirmed, but no disclosure was played to its end before")
            if "number_c" not in facts:
                self._wrong(row, "confirmed, but bound to no number")
            self._heard.discard(row.consent_id)

    def _disclosed(self, row: Row, facts: Mapping[str, Any]) -> None:
        if _complete(facts):
            self._heard.add(row.consent_id)
        elif facts.get("complete") is not False:
            self._wrong(row, "says that its disclosure was complete, which its figures do not")
        texts = self._disclosures
        if texts is not None and facts.get("disclosure_sha256") not in texts:
            self._completeness.add(row.ledger_id, row.seq, "the text of its disclosure is missing")

    def _commitments(self, row: Row, facts: Mapping[str, Any], personal: Mapping[str, str]) -> None:
        for name, (field, key) in OPENS.items():
            # Without salt or value it cannot be opened any more: they were erased.
            if (
                name in facts
                and key in personal
                and "salt" in personal
                and facts[name] != _commitment(personal["salt"], field, personal[key])
            ):
                self._wrong(row, f"its {name} is not of the {key} that the vault holds")


def _facts(body: str) -> dict[str, Any] | None:
    """The body, read; None if it is not written the one way that bodies are."""
    try:
        facts, _ = _DECODER.raw_decode(body)
        # What stands after it, double keys, spaces: written again, it would not be the same.
        return facts if type(facts) is dict and canonical(facts) == body else None
    except (ValueError, TypeError, RecursionError):
        return None


def _belongs(public_key: object, ledger_id: str) -> bool:
    try:
        raw = base64.b64decode(public_key, validate=True) if isinstance(public_key, str) else b""
    except ValueError:
        return False
    return ledger_id_of(raw) == ledger_id


def _complete(facts: Mapping[str, Any]) -> bool:
    samples, endpos = facts.get("samples"), facts.get("endpos")
    return (
        facts.get("complete") is True
        and type(samples) is int
        and type(endpos) is int
        and endpos >= samples > 0
    )


def _commitment(salt: str, field: str, value: str) -> str | None:
    """The commitment that these make; None if they are no salt and text."""
    try:
        return commitment(bytes.fromhex(salt), field, value)
    except ValueError:
        return None
