"""Decides whether an agreement is allowed: revocations, limits and shares, in the transaction.

Blocks; runs on the ledger's thread, in the transaction that stores the agreement.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent.encoding import DAY, HOUR, stamp
from agi_bridge.consent.errors import Withheld
from agi_bridge.consent.ledger.permissions import standing
from agi_bridge.consent.ledger.schema import brand_key, brand_scope, seller_scope
from agi_bridge.consent.ledger.suppressions import revocations_in_force
from agi_bridge.consent.permission import PermissionQuestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agi_bridge.consent.ledger.chain_writer import ChainWriter
    from agi_bridge.consent.ledger.statement import Statement
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.models import PersonalData
    from agi_bridge.consent.signing.vault import Vault

AHEAD: Final = 300.0
"""How far in the future an agreement still counts, in seconds: by so much at most do the clocks of
bridges on one database differ. What is further ahead was dated by a clock that was wrong."""


_NEVER: Final = "9999"
"""From when on agreements count where there is no limit: none has to be looked at."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Personal data with the keyed hashes that it is found by, each computed once.

    Attributes:
        person: what is sealed.
        number: of the number.
        unidentified: of all callers of the line who show no number; None where there was no call.
        caller: what limits know the caller by: the number shown, else `unidentified`.
    """

    person: PersonalData
    number: str | None
    unidentified: str | None
    caller: str | None

    @classmethod
    def of(cls, person: PersonalData, vault: Vault) -> Subject:
        """The subject of some personal data."""
        lookup, line = vault.lookup, person.line_id
        nobody = None if line is None else lookup(f"\0callers without a number: {line}")
        number = None if person.number is None else lookup(person.number)
        if person.caller_id is None:
            caller = nobody
        elif person.caller_id == person.number:
            caller = number
        else:
            caller = lookup(person.caller_id)
        return cls(person, number, nobody, caller)

    @property
    def names(self) -> Iterator[str]:
        """The names to lock before any look-up."""
        yield f"number:{self.number}"
        if caller_limit(self.person)[1]:
            yield f"caller:{self.caller}"
        if self.person.rules.line_per_hour:
            yield f"line:{self.person.line_id}"


@dataclass(slots=True)
class Taken:
    """What earlier batches of the same transaction add to the counts."""

    agreements: Counter[str] = field(default_factory=Counter)
    lifted: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class AllowedAgreement:
    """What is known of an agreement that may be stored: its person, limits, lifted revocations.

    Attributes:
        lifts: the revocations that it lifts for its brand.
        person: the sealed key of the number's person; None if there is none yet.
        most_left: how many agreements its line has left, by the limit that is nearest.
    """

    lifts: tuple[str, ...]
    person: bytes | None
    most_left: float


def question(writer: ChainWriter, statement: Statement, subject: Subject) -> tuple[Any, ...]:
    """The arguments of `Statements.agreement_checks`, whose row `check` judges."""
    person, number, now = subject.person, subject.number, writer.clock()
    rules, line, brand = person.rules, person.line_id, brand_key(person.brand or "")
    until, day = stamp(now + AHEAD), stamp(now - DAY)
    return statement.arguments(
        revoked_number=number, brand_scope=brand_scope(brand), named_brand=brand, brand=brand,
        seller_scope=seller_scope(person.seller or ""), person=number,
        number=number, on_line=line,
        day=day if rules.number_per_day else _NEVER, day_until=until,
        caller=subject.caller,
        caller_day=day if caller_limit(person)[1] else _NEVER, caller_day_until=until,
    )  # fmt: skip


def line_question(writer: ChainWriter, statement: Statement, subject: Subject) -> tuple[Any, ...]:
    """The arguments of `Statements.line_counts` for a subject's line."""
    now = writer.clock()
    return statement.arguments(
        line=subject.person.line_id,
        nobody=subject.unidentified,
        hour=stamp(now - HOUR),
        hour_until=stamp(now + AHEAD),
    )


def check(
    transaction: Transaction,
    writer: ChainWriter,
    found: Sequence[Any],
    subject: Subject,
    taken: Taken,
) -> AllowedAgreement:
    """Check that an agreement to a number is allowed: not revoked, no limit reached.

    `found` is what was looked up in this transaction: see `staged.Found.checks`.

    Raises:
        Withheld: it may not.
    """
    person, number, caller = subject.person, subject.number, subject.caller
    rules, line = person.rules, person.line_id
    over_caller, per_caller = caller_limit(person)
    in_force, numbers, callers, known, on_line, own, nobody = found
    if in_force and not _lifts(person):
        raise Withheld("suppressed")
    if person.relies_on is not None and not relied_on(
        transaction, writer, person.relies_on, person
    ):
        raise Withheld("consent_not_valid")
    limits = [
        (f"number {number} {line}", "number_limit", numbers, rules.number_per_day),
        (f"caller {caller}", over_caller, callers, per_caller),
    ]
    of_line = [(f"line {line}", "line_limit", on_line, rules.line_per_hour)]
    if number == caller:
        share = rules.hourly(rules.own_number_share)
        of_line.append((f"own {line}", "line_share", own, share))
    else:
        share = rules.hourly(rules.other_number_share)
        of_line.append((f"other {line}", "line_share", on_line - own, share))
    if person.caller_id is None:
        share = rules.hourly(rules.unidentified_share)
        of_line.append((f"nobody {line}", "line_share", nobody, share))
    limits += of_line
    for key, reason, stored, limit in limits:
        if limit and stored + taken.agreements[key] >= limit:
            raise Withheld(reason)
    taken.agreements.update(key for key, *_ in limits)
    lifts: tuple[str, ...] = ()
    if in_force:
        brand = brand_key(person.brand or "")
        reach = revocations_in_force(
            transaction, number or "", person.brand or "", [person.seller or ""]
        )
        in_force_now = [(id_, brand) for id_ in reach]
        lifts = tuple(id_ for id_, _ in in_force_now if (id_, brand) not in taken.lifted)
        taken.lifted.update(in_force_now)
    left = min((limit - stored for _, _, stored, limit in of_line if limit), default=inf)
    return AllowedAgreement(lifts, known, left)


def relied_on(
    transaction: Transaction, writer: ChainWriter, consent_id: str, person: PersonalData
) -> bool:
    """Whether a consent allows a text to its number now, for a brand and a purpose."""
    asked = PermissionQuestion(
        number=person.number or "",
        brand=person.brand or "",
        purpose=person.purpose or "",
        max_age_days=person.max_age_days,
    )
    return standing(transaction, writer, consent_id, asked).may_text


def _lifts(person: PersonalData) -> bool:
    """Whether an agreement lifts revocations: it comes from the number, with a trusted caller ID.

    A returning caller agrees to nothing.
    """
    return person.caller_id == person.number and person.may_lift and person.kind == "consent"


def caller_limit(person: PersonalData) -> tuple[str, int]:
    """How many agreements a caller may make in 24 hours, and the reason to withhold one more."""
    if person.caller_id is None:
        return "unidentified_limit", person.rules.unidentified_per_day
    return "caller_limit", person.rules.caller_per_day
