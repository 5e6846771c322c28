"""The rules between records: what relies on a consent, ends it, lifts or completes something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import Act, State
from agi_bridge.evidence.verify.history import is_under_way
from agi_bridge.evidence.verify.order import BETWEEN_CLOCKS_MS, milliseconds, was_before

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.evidence.verify.record_store import RecordFacts, RecordStore
    from agi_bridge.evidence.verify.report import Findings

_CONFIRMED: Final = [State.CONFIRMED.value]
_IMPORTED: Final = [State.IMPORTED.value]


class RelationChecker:
    """Checks a record against those that it names, and a revocation against its number's consents.

    Args:
        findings: where faults are noted.
        records: facts and values.
        is_all: whether all events were read, not only those since an earlier verification.
    """

    def __init__(self, findings: Findings, records: RecordStore, *, is_all: bool) -> None:
        self._findings = findings
        self._records = records
        self._is_all = is_all

    def check(self, record: str, facts: RecordFacts, opened: Mapping[str, str] | None) -> None:
        """Check one record that has events."""
        if facts.relies_on:
            self._returned(facts, opened)
        for lift in facts.lifts:
            self._lifted(record, facts, opened, lift)
        if facts.revoked:
            self._revoked(facts, opened)
        if facts.replied:
            self._replied(facts)
        if not facts.requests:
            return
        if not facts.requests["scoped"]:
            what = "it is of a brand or seller, and names none"
            self._add("integrity", "revocation_of_nothing", what, facts.requests["place"])
        if self._is_all and opened is not None and "number" in opened:
            self._revocation_kept(record, facts, opened["number"])
        if facts.ended != facts.requests["consents"]:
            what = f"it ended {facts.requests['consents']} consents, and {facts.ended} say so"
            self._add("completeness", "revocations_differ", what, facts.requests["place"])

    def named_only(self, record: str, facts: RecordFacts) -> None:
        """Check a record that others name, and that has no event."""
        if facts.ended:
            what = f"consents say that {record} revoked them, but it is not on record"
            self._findings.add("completeness", "revocation_missing", what)

    def _add(self, verdict: str, code: str, what: str, place: list[Any]) -> None:
        self._findings.add(verdict, code, what, place[0], place[1])

    def _returned(self, facts: RecordFacts, opened: Mapping[str, str] | None) -> None:
        """A returning caller's consent: of the calling number, brand and purpose, and in force."""
        place = facts.agreed or facts.first
        earlier = self._records.known(facts.relies_on)
        if earlier is None or not earlier.first:
            what = f"it relies on the consent {facts.relies_on}, which is not there"
            self._add("completeness", "consent_missing", what, place)
            return
        wrong = [
            *(["was never confirmed"] if earlier.agreed[2:3] != _CONFIRMED else ()),
            *(
                f"has another {name}"
                for name in ("brand", "purpose")
                if earlier.call.get(name) != facts.call.get(name)
            ),
            *(["was given later"] if was_before(facts.agreed, earlier.agreed) else ()),
            *(["waited for a reply"] if _waited(earlier, facts.agreed) else ()),
            *(["was revoked before"] if was_before(earlier.revoked, facts.agreed) else ()),
            *(["is another number's"] if self._differ(opened, facts.relies_on) else ()),
            *(["is not the caller's"] if _called_from_elsewhere(opened) else ()),
            *(["is shown by a caller ID too little attested"] if not _is_trusted(facts) else ()),
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
        lifted = [*place, Act.LIFTED.value, lift[5]]
        wrong = [
            *(["came before the revocation"] if was_before(lifted, _when(asked)) else ()),
            *(["came before its consent"] if was_before(lifted, facts.agreed) else ()),
            *(["names another consent"] if consent != record else ()),
            *(["is of no consent"] if facts.agreed[2:3] != _CONFIRMED else ()),
            *(
                ["names another brand"]
                if name_key(brand) != name_key(facts.call.get("brand", ""))
                else ()
            ),
            *(["was not reached by the revocation"] if not _reaches(asked, facts) else ()),
            *(["called from another number"] if facts.call.get("ani_match") != "same" else ()),
            *(["trusts a caller ID too little attested"] if not _is_trusted(facts) else ()),
            *(["is another number's"] if self._differ(opened, revocation) else ()),
        ]
        for each in wrong:
            self._add("integrity", "lifting_unfounded", f"what lifts a revocation {each}", place)

    def _revoked(self, facts: RecordFacts, opened: Mapping[str, str] | None) -> None:
        """A consent is ended by a revocation that reaches it, and submitted by nobody after it."""
        if any(was_before(facts.revoked, each) for each in facts.submitted.values()):
            what = "it was submitted after it had been revoked"
            self._add("integrity", "submitted_after_revocation", what, facts.revoked)
        asked = self._records.known(facts.revoked[2])
        if asked is None or not asked.requests:
            return  # told once, of the revocation that is missing
        wrong = [
            *(["does not reach its brand"] if facts.call and not _reaches(asked, facts) else ()),
            *(["is another number's"] if self._differ(opened, facts.revoked[2]) else ()),
            *(["came later"] if was_before(facts.revoked, _when(asked)) else ()),
        ]
        for each in wrong:
            what = f"the revocation that it names {each}"
            self._add("integrity", "revocation_unfounded", what, facts.revoked)

    def _replied(self, facts: RecordFacts) -> None:
        """A reply completes an agreement that asks for one, was made before, and is in force."""
        wrong = [
            *(["asks for none"] if not facts.needs_reply else ()),
            *(["came after it"] if was_before(facts.replied, facts.agreed) else ()),
            *(["was revoked before"] if was_before(facts.revoked, facts.replied) else ()),
            *(["was received at another time"] if not _in_time(facts) else ()),
        ]
        for each in wrong:
            what = f"a reply completes it, but the agreement {each}"
            self._add("integrity", "reply_unfounded", what, facts.replied)

    def _revocation_kept(self, record: str, asked: RecordFacts, number: str) -> None:
        """A revocation ended what it reached, and nobody agreed under it unless it was lifted.

        An import may stand under a revocation: it is kept as a record, and lets nobody be texted.
        """
        lifts, when = self._records.lifts_of(record), _when(asked)
        ended = under_way = 0
        for other in self._records.of_number(number):
            facts = self._records.known(other)
            if facts is None:
                continue
            if facts.revoked[2:3] == [record]:
                ended += 1
                under_way += is_under_way(facts.states.values())
            if not facts.agreed or facts.declined or not _reaches(asked, facts):
                continue
            spared = not facts.revoked or was_before(when, facts.revoked)
            if was_before(facts.agreed, when) and spared and facts.revoked[2:3] != [record]:
                what = f"it reached the consent {other}, which it did not end"
                self._add("integrity", "consent_not_ended", what, when)
            brand = name_key(facts.call.get("brand", ""))
            if (
                was_before(when, facts.agreed)
                and facts.agreed[2:3] != _IMPORTED
                and not any(
                    name_key(lifted) == brand
                    and (by == other or not was_before(facts.agreed, place))
                    for lifted, by, place in lifts
                )
            ):
                what = f"it was agreed to under the revocation {record}, which nothing had lifted"
                self._add("integrity", "agreed_under_revocation", what, facts.agreed)
        if ended == asked.requests["consents"] and under_way != asked.requests["under_way"]:
            what = f"{under_way} of what it ended was on its way, and it says another number"
            self._add("integrity", "under_way_wrong", what, when)

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


def name_key(name: str) -> str:
    """A name as it is compared: spelling counts, case and outer spaces do not."""
    return name.strip().casefold()


def _reaches(revocation: RecordFacts, facts: RecordFacts) -> bool:
    """Whether a revocation reaches a consent; that of a seller also reaches the brand it names."""
    asked = revocation.requests
    if asked["scope"] == "all":
        return True
    of_seller = name_key(asked["seller"] or "") == name_key(facts.call.get("legal_name", ""))
    of_brand = name_key(asked["brand"] or "") == name_key(facts.call.get("brand", ""))
    return of_brand or (asked["scope"] == "seller" and of_seller)


def _when(asked: RecordFacts) -> list[Any]:
    """Place, type and time of a revocation."""
    place: list[Any] = asked.requests["place"]
    return place


def _is_trusted(facts: RecordFacts) -> bool:
    """Whether the caller ID is attested as the line asks for, to lift or to stand for a consent."""
    trust = facts.call.get("caller_id_trust", "A")
    return bool(trust == "any" or (facts.call.get("attestation") or "Z") <= trust)


def _called_from_elsewhere(opened: Mapping[str, str] | None) -> bool:
    """Whether a call is known to come from another number than it is about."""
    known = opened or {}
    return {"number", "caller_id"} <= known.keys() and known["number"] != known["caller_id"]


def _in_time(facts: RecordFacts) -> bool:
    """Whether a reply was received after the agreement, and before it was stored."""
    written, received = milliseconds(facts.replied[3]), milliseconds(facts.replied[4])
    agreed = milliseconds(facts.agreed[3]) if facts.agreed else 0
    return agreed - BETWEEN_CLOCKS_MS <= received <= written + BETWEEN_CLOCKS_MS


def _waited(earlier: RecordFacts, agreed: list[Any]) -> bool:
    """Whether a consent still waited for its reply when another relied on it."""
    late = not earlier.replied or was_before(agreed, earlier.replied)
    return earlier.needs_reply and late
