"""The rules between records: what relies on a consent, ends it, lifts or completes something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import Act, State
from agi_bridge.evidence.verify.history import is_under_way
from agi_bridge.evidence.verify.order import BETWEEN_CLOCKS_MS, Before, milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.evidence.verify.order import Orders
    from agi_bridge.evidence.verify.record_store import RecordFacts, RecordStore
    from agi_bridge.evidence.verify.report import Findings

_CONFIRMED: Final = [State.CONFIRMED.value]
_IMPORTED: Final = [State.IMPORTED.value]


class RelationChecker:
    """Checks a record against those that it names, and a revocation against its number's consents.

    Args:
        findings: where faults are noted.
        records: facts and values.
        orders: tells which event was before which.
        earlier: the last event of each chain that an earlier verification read; None: there was
            none, and all events were read.
    """

    def __init__(
        self,
        findings: Findings,
        records: RecordStore,
        orders: Orders,
        earlier: Mapping[str, int] | None,
    ) -> None:
        self._findings = findings
        self._orders = orders
        self._was_before = orders.was_before
        self._records = records
        self._earlier = earlier

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
        if self._earlier is None and opened is not None and "number" in opened:
            self._revocation_kept(record, facts, opened["number"])
        if self._is_new(facts.requests["place"]) and facts.ended != facts.requests["consents"]:
            what = f"it ended {facts.requests['consents']} consents, and {facts.ended} say so"
            self._add("completeness", "revocations_differ", what, facts.requests["place"])

    def _is_new(self, place: list[Any]) -> bool:
        """Whether an event was read by this verification; what it ended was stored with it."""
        return self._earlier is None or place[1] > self._earlier.get(place[0], 0)

    def named_only(self, record: str, facts: RecordFacts) -> None:
        """Check a record that others name, and that has no event."""
        if facts.ended:
            what = f"consents say that {record} revoked them, but it is not on record"
            self._findings.add("completeness", "revocation_missing", what)

    def _add(self, verdict: str, code: str, what: str, place: list[Any]) -> None:
        self._findings.add(verdict, code, what, place[0], place[1])

    def _accuse(self, order: Before, code: str, what: str, place: list[Any]) -> None:
        """Note an order that is wrong, under the verdict that what shows it belongs to.

        A clock that was wrong costs no integrity: what clocks alone say is a matter of time.
        """
        if order is Before.DOUBTED:
            set_ = f"a clock was set around event {place[1]:,}, whose time says"
            self._findings.trust("time", f"unwitnessed: {set_}: {what}")
        elif order:
            self._add("integrity" if order is Before.PROVEN else "time", code, what, place)

    def _returned(self, facts: RecordFacts, opened: Mapping[str, str] | None) -> None:
        """A returning caller's consent: of the calling number, brand and purpose, and in force."""
        place = facts.agreed or facts.first
        earlier = self._records.known(facts.relies_on)
        if earlier is None or not earlier.first:
            what = f"it relies on the consent {facts.relies_on}, which is not there"
            self._add("completeness", "consent_missing", what, place)
            return
        agreed, before = facts.agreed, self._was_before
        wrong = {
            "was never confirmed": _is(earlier.agreed[2:3] != _CONFIRMED),
            "has another brand": _is(earlier.call.get("brand") != facts.call.get("brand")),
            "has another purpose": _is(earlier.call.get("purpose") != facts.call.get("purpose")),
            "was given later": before(agreed, earlier.agreed),
            "waited for a reply": self._waited(earlier, agreed),
            "was revoked before": before(earlier.revoked, agreed),
            "is another number's": _is(self._differ(opened, facts.relies_on)),
            "is not the caller's": _is(_called_from_elsewhere(opened)),
            "is shown by a caller ID too little attested": _is(not _is_trusted(facts)),
        }
        for each, order in wrong.items():
            what = f"the consent that it relies on {each}"
            self._accuse(order, "returned_unfounded", what, place)

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
        brands = name_key(brand), name_key(facts.call.get("brand", ""))
        wrong = {
            "came before the revocation": self._was_before(lifted, _when(asked)),
            "came before its consent": self._was_before(lifted, facts.agreed),
            "names another consent": _is(consent != record),
            "is of no consent": _is(facts.agreed[2:3] != _CONFIRMED),
            "names another brand": _is(brands[0] != brands[1]),
            "was not reached by the revocation": _is(not _reaches(asked, facts)),
            "called from another number": _is(facts.call.get("ani_match") != "same"),
            "trusts a caller ID too little attested": _is(not _is_trusted(facts)),
            "is another number's": _is(self._differ(opened, revocation)),
        }
        for each, order in wrong.items():
            self._accuse(order, "lifting_unfounded", f"what lifts a revocation {each}", place)

    def _revoked(self, facts: RecordFacts, opened: Mapping[str, str] | None) -> None:
        """A consent is ended by a revocation that reaches it, and submitted by nobody after it."""
        sent = [self._was_before(facts.revoked, each) for each in facts.submitted.values()]
        what = "it was submitted after it had been revoked"
        order = max(sent, default=Before.NO)
        self._accuse(order, "submitted_after_revocation", what, facts.revoked)
        asked = self._records.known(facts.revoked[2])
        if asked is None or not asked.requests:
            return  # told once, of the revocation that is missing
        wrong = {
            "does not reach its brand": _is(bool(facts.call) and not _reaches(asked, facts)),
            "is another number's": _is(self._differ(opened, facts.revoked[2])),
            "came later": self._was_before(facts.revoked, _when(asked)),
        }
        for each, order in wrong.items():
            what = f"the revocation that it names {each}"
            self._accuse(order, "revocation_unfounded", what, facts.revoked)

    def _replied(self, facts: RecordFacts) -> None:
        """A reply completes an agreement that asks for one, was made before, and is in force."""
        dated = self._orders.dated(facts.replied, facts.agreed)
        wrong = {
            "asks for none": _is(not facts.needs_reply),
            "came after it": self._was_before(facts.replied, facts.agreed),
            "was revoked before": self._was_before(facts.revoked, facts.replied),
            "was received at another time": Before.NO if _in_time(facts) else dated,
        }
        for each, order in wrong.items():
            what = f"a reply completes it, but the agreement {each}"
            self._accuse(order, "reply_unfounded", what, facts.replied)

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
            if facts.revoked[2:3] != [record]:
                later = self._was_before(when, facts.revoked) if facts.revoked else Before.PROVEN
                what = f"it reached the consent {other}, which it did not end"
                order = min(self._was_before(facts.agreed, when), later)
                self._accuse(order, "consent_not_ended", what, when)
            if facts.agreed[2:3] == _IMPORTED:
                continue
            brand = name_key(facts.call.get("brand", ""))
            unlifted = [
                Before.NO if by == other else self._was_before(facts.agreed, place)
                for lifted, by, place in lifts
                if name_key(lifted) == brand
            ]
            what = f"it was agreed to under the revocation {record}, which nothing had lifted"
            order = min([self._was_before(when, facts.agreed), *unlifted])
            self._accuse(order, "agreed_under_revocation", what, facts.agreed)
        if ended == asked.requests["consents"] and under_way != asked.requests["under_way"]:
            what = f"{under_way} of what it ended was on its way, and it says another number"
            self._add("integrity", "under_way_wrong", what, when)

    def _waited(self, earlier: RecordFacts, agreed: list[Any]) -> Before:
        """Whether a consent still waited for its reply when another relied on it."""
        if not earlier.needs_reply:
            return Before.NO
        return self._was_before(agreed, earlier.replied) if earlier.replied else Before.PROVEN

    def _differ(self, opened: Mapping[str, str] | None, other: str) -> bool:
        """Whether two records are of different numbers, as far as both are known."""
        known = self._records.opened(other)
        if opened is None or known is None or "number" not in opened or "number" not in known:
            return False
        return opened["number"] != known["number"]


def _is(wrong: bool) -> Before:  # noqa: FBT001 - a condition that needs no name
    """A fault that has nothing to do with order."""
    return Before.PROVEN if wrong else Before.NO


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
