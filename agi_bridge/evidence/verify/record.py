"""The rules for whole records, once all events are read: histories, values, and what names what."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import State, commitment, tag
from agi_bridge.evidence.verify.history import can_interleave

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.evidence.verify.record_store import RecordFacts, RecordStore
    from agi_bridge.evidence.verify.report import Findings

SALT: Final = "salt"
PERSON_SALT: Final = "person_salt"
"""The names of a record's salt, and of the salt of its person's tags, among its values."""
_SALTS: Final = frozenset({SALT, PERSON_SALT})
_AGREED: Final = ([State.CONFIRMED.value], [State.RETURNED.value])
_SALT: Final = re.compile("[0-9a-f]{64}")
BETWEEN_CLOCKS_MS: Final = 300_000
"""By how much the clocks of bridges on one database may differ."""


class RecordChecker:
    """Checks records by their facts and personal values.

    Args:
        findings: where faults are noted.
        records: facts and values.
        is_all: whether all events were read, not only those since an earlier verification.
    """

    def __init__(self, findings: Findings, records: RecordStore, *, is_all: bool = True) -> None:
        self._findings = findings
        self._records = records
        self._is_all = is_all

    def check_all(self) -> None:
        """Check every record, and that no value belongs to none."""
        for record, facts in self._records.all():
            self._check(record, facts)
        for record, _ in self._records.all_opened():
            if not self._has_events(record):
                what = f"there are personal values of {record}, but no event of it"
                self._findings.add("integrity", "values_of_nobody", what)

    def _has_events(self, record: str) -> bool:
        facts = self._records.known(record)
        return facts is not None and bool(facts.first)

    def _check(self, record: str, facts: RecordFacts) -> None:
        if not facts.first:
            self._named_only(record, facts)
            return
        self._history(record, facts)
        opened = self._records.opened(record)
        self._values(facts, opened, excused=self._records.is_excused(record))
        if opened is not None:
            self._keyed(facts, opened)
            self._person(facts, opened)
        if facts.relies_on:
            self._returned(facts, opened)
        for lift in facts.lifts:
            self._lifted(record, facts, opened, lift)
        if facts.revoked:
            self._revoked(facts)
        if facts.replied:
            self._replied(facts)
        if facts.requests and self._is_all and opened is not None and "number" in opened:
            self._revocation_kept(record, facts, opened["number"])
        if facts.requests and facts.ended != facts.requests["consents"]:
            what = f"it ended {facts.requests['consents']} consents, and {facts.ended} say so"
            self._add("completeness", "revocations_differ", what, facts.first)

    def _named_only(self, record: str, facts: RecordFacts) -> None:
        if facts.ended:
            what = f"consents say that {record} revoked them, but it is not on record"
            self._findings.add("completeness", "revocation_missing", what)

    def _add(self, verdict: str, code: str, what: str, place: list[Any]) -> None:
        self._findings.add(verdict, code, what, place[0], place[1])

    def _history(self, record: str, facts: RecordFacts) -> None:
        if len(facts.states) > 1:
            if not can_interleave(facts.states.values()):
                chains = len(facts.states)
                what = f"{chains} chains contradict each other about the consent {record}"
                self._add("integrity", "conflicting_histories", what, facts.first)
        elif facts.bad_step:
            self._add("integrity", "illegal_transition", facts.bad_step[2], facts.bad_step)

    def _values(
        self, facts: RecordFacts, opened: Mapping[str, str] | None, *, excused: bool
    ) -> None:
        """Open every commitment that was not erased, and see that every value is bound."""
        erased = set(facts.erased)
        for name, bound in facts.bound.items():
            chain, (_, seq) = next(iter(bound.items()))
            if opened is None or name not in opened or SALT not in opened:
                if facts.declined and opened is None:
                    continue  # a returning caller who was not texted: nothing was sealed
                if not erased & {name, SALT, "*"} and not excused:
                    what = f"its {name} is missing, and no erasure names it"
                    self._add("completeness", "value_missing", what, [chain, seq])
                continue
            expected = _commitment(opened[SALT], name, opened[name])
            if expected not in {value for value, _ in bound.values()}:
                what = f"its {name} is not the one that the event was written with"
                self._add("integrity", "commitment_mismatch", what, [chain, seq])
        for name in (opened or {}).keys() - facts.bound.keys() - _SALTS:
            what = f"nothing binds the {name} that is given for it"
            self._add("integrity", "value_not_bound", what, facts.first)

    def _keyed(self, facts: RecordFacts, opened: Mapping[str, str]) -> None:
        """What an event says of the number keyed is what the values say."""
        match, keys = facts.call.get("ani_match"), facts.call.get("key_count")
        if match is None or not facts.agreed:
            return
        if {"number", "caller_id"} <= opened.keys():
            is_right = match == ("same" if opened["number"] == opened["caller_id"] else "different")
        else:
            is_right = match in {"hidden", "invalid"} or "caller_id" in facts.bound
        if not is_right:
            what = "whether the caller ID was the number keyed is not what the values say"
            self._add("integrity", "ani_match_wrong", what, facts.agreed)
        if "digits" in opened and len(opened["digits"]) != keys:
            what = f"{keys} keys were counted, and {len(opened['digits'])} are there"
            self._add("integrity", "digits_wrong", what, facts.agreed)

    def _person(self, facts: RecordFacts, opened: Mapping[str, str]) -> None:
        """Who has a tag shows the salt of it: without it, the person's other records hide."""
        if PERSON_SALT in opened:
            self._person_tags(facts, opened[PERSON_SALT])
        elif tagged := next((each for each in facts.tags if each[2]), None):
            what = "the salt of its person's tags is missing"
            self._add("completeness", "person_salt_missing", what, tagged)

    def _person_tags(self, facts: RecordFacts, salt: str) -> None:
        key = salt_bytes(salt)
        for chain, seq, found in facts.tags:
            if key is None or found != tag(key, chain, seq):
                what = "its tag is not the person's, or is missing"
                self._add("integrity", "person_tag_wrong", what, [chain, seq])

    def _returned(self, facts: RecordFacts, opened: Mapping[str, str] | None) -> None:
        """A returning caller's consent: of the same number, brand and purpose, and in force."""
        place = facts.agreed or facts.first
        earlier = self._records.known(facts.relies_on)
        if earlier is None or not earlier.first:
            what = f"it relies on the consent {facts.relies_on}, which is not there"
            self._add("completeness", "consent_missing", what, place)
            return
        wrong = [
            *(["was never confirmed"] if earlier.agreed[2:3] != [State.CONFIRMED.value] else ()),
            *(
                f"has another {name}"
                for name in ("brand", "purpose")
                if earlier.call.get(name) != facts.call.get(name)
            ),
            *(["was given later"] if _was_before(facts.agreed, earlier.agreed) else ()),
            *(["waited for a reply"] if _waited(earlier, facts.agreed) else ()),
            *(["was revoked before"] if _was_before(earlier.revoked, facts.agreed) else ()),
            *(["is another number's"] if self._differ(opened, facts.relies_on) else ()),
        ]
        for each in wrong:
            what = f"the consent that it relies on {each}"
            self._add("integrity", "returned_unfounded", what, place)

    def _lifted(
        self, record: str, facts: RecordFacts, opened: Mapping[str, str] | None, lift: list[Any]
    ) -> None:
        """A revocation is lifted by a consent of the same number, brand and caller ID."""
        place, revocation, brand, consent = lift[:2], lift[2], lift[3], lift[4]
        asked = self._records.known(revocation)
        if asked is None or not asked.requests:
            what = f"it lifts the revocation {revocation}, which is not there"
            self._add("completeness", "revocation_missing", what, place)
            return
        trust = facts.call.get("caller_id_trust", "A")
        lifted, requested = [*place, "", lift[5]], _when(asked)
        wrong = [
            *(["came before the revocation"] if _was_before(lifted, requested) else ()),
            *(["came before its consent"] if _was_before(lifted, facts.agreed) else ()),
            *(["names another consent"] if consent != record else ()),
            *(["is of no consent"] if facts.agreed[2:3] != [State.CONFIRMED.value] else ()),
            *(
                ["names another brand"]
                if name_key(brand) != name_key(facts.call.get("brand", ""))
                else ()
            ),
            *(["was not reached by the revocation"] if not _reaches(asked.requests, facts) else ()),
            *(["called from another number"] if facts.call.get("ani_match") != "same" else ()),
            *(
                ["trusts a caller ID too little attested"]
                if trust != "any" and (facts.call.get("attestation") or "Z") > trust
                else ()
            ),
            *(["is another number's"] if self._differ(opened, revocation) else ()),
        ]
        for each in wrong:
            self._add("integrity", "lifting_unfounded", f"what lifts a revocation {each}", place)

    def _revoked(self, facts: RecordFacts) -> None:
        asked = self._records.known(facts.revoked[2])
        if asked is None or not asked.requests:
            return  # told once, of the revocation that is missing
        if facts.call and not _reaches(asked.requests, facts):
            what = "the revocation that it names does not reach its brand"
            self._add("integrity", "revocation_unfounded", what, facts.revoked)

    def _replied(self, facts: RecordFacts) -> None:
        """A reply completes an agreement that asks for one, was made before, and is in force."""
        wrong = [
            *(["asks for none"] if not facts.needs_reply else ()),
            *(["came after it"] if _was_before(facts.replied, facts.agreed) else ()),
            *(["was revoked before"] if _was_before(facts.revoked, facts.replied) else ()),
            *(["was received at another time"] if not _in_time(facts) else ()),
        ]
        for each in wrong:
            what = f"a reply completes it, but the agreement {each}"
            self._add("integrity", "reply_unfounded", what, facts.replied)

    def _revocation_kept(self, record: str, asked: RecordFacts, number: str) -> None:
        """A revocation ended what it reached, and nobody agreed under it unless it was lifted."""
        lifts = self._records.lifts_of(record)
        for other in self._records.of_number(number):
            facts = self._records.known(other)
            if facts is None or facts.agreed[2:3] not in _AGREED or facts.declined:
                continue
            if not _reaches(asked.requests, facts):
                continue
            if _was_before(facts.agreed, _when(asked)) and not facts.revoked:
                what = f"it reached the consent {other}, which it did not end"
                self._add("integrity", "consent_not_ended", what, asked.first)
            brand = name_key(facts.call.get("brand", ""))
            if _was_before(_when(asked), facts.agreed) and not any(
                name_key(lifted) == brand and (by == other or not _was_before(facts.agreed, place))
                for lifted, by, place in lifts
            ):
                what = f"it was agreed to under the revocation {record}, which nothing had lifted"
                self._add("integrity", "agreed_under_revocation", what, facts.agreed)

    def _differ(self, opened: Mapping[str, str] | None, other: str) -> bool:
        """Whether two records are of different numbers, as far as both are known."""
        known = self._records.opened(other)
        if opened is None or known is None or "number" not in opened or "number" not in known:
            return False
        return opened["number"] != known["number"]


def scope_key(asked: Mapping[str, Any]) -> str:
    """The scope of a revocation, as the index of revocations has it."""
    if asked["scope"] == "all":
        return "*"
    name = asked["brand"] if asked["scope"] == "brand" else asked["seller"]
    return f"{asked['scope']}:{name_key(name or '')}"


def _reaches(asked: Mapping[str, Any], facts: RecordFacts) -> bool:
    """Whether a revocation reaches a consent; that of a seller also reaches the brand it names."""
    if asked["scope"] == "all":
        return True
    of_seller = name_key(asked["seller"] or "") == name_key(facts.call.get("legal_name", ""))
    of_brand = name_key(asked["brand"] or "") == name_key(facts.call.get("brand", ""))
    return of_brand or (asked["scope"] == "seller" and of_seller)


def _was_before(one: list[Any], other: list[Any]) -> bool:
    """Whether an event was written before another: by chain, else by clocks."""
    if not one or not other:
        return False
    if one[0] == other[0]:
        return bool(one[1] < other[1])
    return milliseconds(one[3]) + BETWEEN_CLOCKS_MS < milliseconds(other[3])


def _when(asked: RecordFacts) -> list[Any]:
    """Place, type and time of a revocation."""
    return [*asked.first, "", asked.requests["written"]]


def _in_time(facts: RecordFacts) -> bool:
    """Whether a reply was received after the agreement, and before it was stored."""
    written, received = milliseconds(facts.replied[3]), milliseconds(facts.replied[4])
    agreed = milliseconds(facts.agreed[3]) if facts.agreed else 0
    return agreed - BETWEEN_CLOCKS_MS <= received <= written + BETWEEN_CLOCKS_MS


def _waited(earlier: RecordFacts, agreed: list[Any]) -> bool:
    """Whether a consent still waited for its reply when another relied on it."""
    late = not earlier.replied or _was_before(agreed, earlier.replied)
    return earlier.needs_reply and late


def milliseconds(at: str) -> int:
    """A timestamp of the ledger, in milliseconds since the epoch; 0 if there is no such time."""
    try:
        return round(datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def name_key(name: str) -> str:
    """A name as it is compared: spelling counts, case and outer spaces do not."""
    return name.strip().casefold()


def salt_bytes(salt: str) -> bytes | None:
    """A salt's bytes; None if the text is not one as it is written."""
    return bytes.fromhex(salt) if _SALT.fullmatch(salt) else None


def _commitment(salt: str, name: str, value: str) -> str | None:
    """The commitment to a value; None if the salt is not one."""
    key = salt_bytes(salt)
    try:
        return None if key is None else commitment(key, name, value)
    except UnicodeEncodeError:
        return None
