"""The rules for a record by itself, once all events are read: its history, and its values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import commitment, evidence_files, tag
from agi_bridge.evidence.verify.history import can_interleave, has_more_outcomes, was_unknown
from agi_bridge.evidence.verify.relations import RelationChecker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.evidence.verify.order import Orders
    from agi_bridge.evidence.verify.record_store import RecordFacts, RecordStore
    from agi_bridge.evidence.verify.report import Findings

SALT: Final = "salt"
PERSON_SALT: Final = "person_salt"
"""The names of a record's salt, and of the salt of its person's tags, among its values."""
_SALTS: Final = frozenset({SALT, PERSON_SALT})
_SALT: Final = re.compile("[0-9a-f]{64}")
_E164: Final = re.compile(r"\+[1-9][0-9]{5,14}")
_NOT_A_DIGIT: Final = re.compile("[^0-9]")
_NANP_DIGITS: Final = 10
_LAST_DIGITS: Final = 6
"""How many of the last digits are keyed as they are, in every country: what precedes them may be
keyed in several ways."""
_WAITING: Final = frozenset({"revocation", "message"})
"""The kinds of records that a person resolves, whatever their history."""


class RecordChecker:
    """Checks records by their facts and personal values.

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
        earlier: Mapping[str, int] | None = None,
    ) -> None:
        self._findings = findings
        self._records = records
        self._relations = RelationChecker(findings, records, orders, earlier)

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
            self._relations.named_only(record, facts)
            return
        self._history(record, facts)
        self._acts(facts)
        opened = self._records.opened(record)
        self._values(facts, opened, excused=self._records.is_excused(record))
        if opened is not None:
            if "number" in opened and not _E164.fullmatch(opened["number"]):
                what = "its number is not written in E.164, as every other of it is"
                self._add("integrity", "number_malformed", what, facts.first)
            self._keyed(facts, opened)
            self._evidence(facts, opened)
            self._person(facts, opened)
        self._relations.check(record, facts, opened)

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

    def _acts(self, facts: RecordFacts) -> None:
        """What is no state belongs to a record of its kind, and to something that happened."""
        if len(facts.kinds) > 1:
            what = f"it is a record of several kinds: {', '.join(sorted(facts.kinds))}"
            self._add("integrity", "kinds_mixed", what, facts.first)
        histories = facts.states.values()
        if has_more_outcomes(histories, facts.settled):
            what = "it has an outcome of a submission that was never made, or had one"
            self._add("integrity", "outcome_unfounded", what, facts.first)
        if facts.resolved and _WAITING.isdisjoint(facts.kinds) and not was_unknown(histories):
            what = "a person resolved what waited for nobody"
            self._add("integrity", "resolved_unfounded", what, facts.resolved)

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
        if opened is not None and SALT not in opened and opened.keys() - _SALTS:
            what = "its values are given without the salt that binds them"
            self._add("integrity", "values_unsalted", what, facts.first)
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
        if {"number", "digits"} <= opened.keys() and not _keys(opened["number"], opened["digits"]):
            what = "its number is not the one that was keyed"
            self._add("integrity", "number_not_keyed", what, facts.agreed)

    def _evidence(self, facts: RecordFacts, opened: Mapping[str, str]) -> None:
        """The files of an import are as many as it says, and each is what its sum says."""
        if "evidence" not in opened:
            return
        try:
            files = len(evidence_files(opened["evidence"]))
        except (ValueError, TypeError, RecursionError):
            files = 0
        if files != facts.call.get("files"):
            what = "its files of evidence are not as many as it says, or not what their sums say"
            self._add("integrity", "evidence_wrong", what, facts.first)

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


def salt_bytes(salt: str) -> bytes | None:
    """A salt's bytes; None if the text is not one as it is written."""
    return bytes.fromhex(salt) if _SALT.fullmatch(salt) else None


def _keys(number: str, digits: str) -> bool:
    """Whether a number can be what was keyed, as far as that is alike in all countries."""
    keys = _NOT_A_DIGIT.sub("", digits)
    if number.startswith("+1"):
        return number[2:] == keys[-_NANP_DIGITS:]
    return bool(keys) and number.endswith(keys[-_LAST_DIGITS:])


def _commitment(salt: str, name: str, value: str) -> str | None:
    """The commitment to a value; None if the salt is not one."""
    key = salt_bytes(salt)
    try:
        return None if key is None else commitment(key, name, value)
    except UnicodeEncodeError:
        return None
