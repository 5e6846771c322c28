"""What agreements were allowed on, checked again by PostgreSQL in the message that commits them.

An agreement is decided without locks, on what is committed at that moment, and its rows are
inserted. Then one message locks what is shared with other bridges (numbers, callers, lines), checks
that the decision still holds, and commits. So no such lock is held while the server waits for us: a
bridge that is frozen, however badly timed, keeps nobody from a line. SQLite needs none of this: it
has one writer at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent.encoding import DAY, HOUR, stamp
from agi_bridge.consent.ledger.agreements import AHEAD, caller_limit
from agi_bridge.consent.ledger.schema import (
    EVERYTHING,
    brand_key,
    brand_scope,
    seller_scope,
)
from agi_bridge.consent.ledger.transaction import array, lock_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agi_bridge.consent.ledger.agreements import Subject
    from agi_bridge.consent.ledger.transaction import Question

FAR: Final = 50_000
"""A line that has so many agreements left is far from its limits. Bridges then share its lock, and
nobody waits for another's commit."""

_LOCKS: Final = """
    SELECT CASE WHEN shared THEN pg_advisory_xact_lock_shared(k) ELSE pg_advisory_xact_lock(k) END
    FROM unnest(%s::bigint[], %s::boolean[]) AS wanted(k, shared)"""

_PERSONS: Final = f"""
    SELECT 1 / (count(*) = 0)::int
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[])
        AS agreed(number, brand, brand_scope, seller_scope, sealed)
    WHERE EXISTS (
        SELECT FROM suppression AS revoked
        WHERE revoked.number_hmac = agreed.number
        AND (revoked.scope IN (agreed.brand_scope, agreed.seller_scope, '{EVERYTHING}')
             OR revoked.brand = agreed.brand)
        AND NOT EXISTS (
            SELECT FROM lifting
            WHERE lifting.revocation_id = revoked.revocation_id AND lifting.brand = agreed.brand
        )
    ) OR (agreed.sealed IS NOT NULL AND NOT EXISTS (
        SELECT FROM person
        WHERE person.person_id = agreed.number AND person.sealed = agreed.sealed
    ))"""  # noqa: S608 - a constant of ours
"""No revocation of these numbers is in force, and their persons' keys are those that were read.

What our own transaction lifts is lifted in its own sight.
"""

_NUMBERS: Final = """
    SELECT 1 / (count(*) = 0)::int
    FROM unnest(%s::text[], %s::text[], %s::int[]) AS given(number, line, most)
    WHERE most < (
        SELECT count(*) FROM pii
        WHERE pii.number_hmac = given.number AND coalesce(pii.line_id, '') = given.line
        AND pii.at BETWEEN %s AND %s
    )"""
_CALLERS: Final = """
    SELECT 1 / (count(*) = 0)::int
    FROM unnest(%s::text[], %s::int[]) AS given(caller, most)
    WHERE most < (
        SELECT count(*) FROM pii
        WHERE pii.caller_hmac = given.caller AND pii.at BETWEEN %s AND %s
    )"""
_LINES: Final = """
    SELECT 1 / (count(*) = 0)::int
    FROM unnest(%s::text[], %s::text[], %s::boolean[], %s::int[], %s::int[], %s::int[], %s::int[])
        AS given(line, nobody, shared, most, most_own, most_other, most_nobody),
    LATERAL (
        SELECT count(*) AS every,
            count(*) FILTER (WHERE number_hmac = caller_hmac) AS own,
            count(*) FILTER (WHERE caller_hmac = given.nobody) AS nobody
        FROM pii WHERE pii.line_id = given.line AND pii.at BETWEEN %s AND %s
    ) AS counted,
    LATERAL (
        SELECT CASE WHEN given.shared THEN %s * current_setting('max_connections')::int ELSE 0 END
    ) AS others(may_add)
    WHERE every + may_add > most OR own + may_add > most_own
        OR every - own + may_add > most_other OR counted.nobody + may_add > most_nobody"""
"""No line has more agreements than its limits allow, ours among them. Where its lock is shared,
each other connection may be adding a whole group that we cannot see yet."""

_NO_LIMIT: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Allowed:
    """An agreement that was allowed.

    Attributes:
        subject: whose it is.
        sealed: the person's sealed key, as it was read; None if it is new.
        is_far: whether its line is far from its limits, so that its lock may be shared.
    """

    subject: Subject
    sealed: bytes | None
    is_far: bool


def last_statements(
    allowed: Sequence[Allowed], now: float, *, largest_group: int
) -> list[Question]:
    """The statements that lock and check, for `Transaction.last`; the rows are inserted before.

    Args:
        allowed: the agreements of the transaction.
        now: seconds since the epoch.
        largest_group: most agreements that any bridge adds in one transaction.
    """
    until = stamp(now + AHEAD)
    day, hour = (stamp(now - DAY), until), (stamp(now - HOUR), until)
    checks = (
        (_NUMBERS, _numbers(allowed), day),
        (_CALLERS, _callers(allowed), day),
        (_LINES, _lines(allowed), (*hour, largest_group)),
    )
    return [
        (_LOCKS, _locks(allowed)),
        (_PERSONS, _persons(allowed)),
        *((text, (*rows, *window)) for text, rows, window in checks if rows),
    ]


def _locks(allowed: Sequence[Allowed]) -> tuple[str, ...]:
    """The keys to lock, in order, and whether each is shared; a line is if it is far for all."""
    names = {name for each in allowed for name in each.subject.names}
    near = {f"line:{each.subject.person.line_id}" for each in allowed if not each.is_far}
    shared = set(lock_keys(name for name in names - near if name.startswith("line:")))
    keys = lock_keys(names)
    return array(keys), array(key in shared for key in keys)


def _persons(allowed: Iterable[Allowed]) -> tuple[str, ...]:
    rows = [
        (
            each.subject.number,
            brand_key(each.subject.person.brand or ""),
            brand_scope(each.subject.person.brand or ""),
            seller_scope(each.subject.person.seller or ""),
            each.sealed,
        )
        for each in allowed
    ]
    return _columns(rows)


def _numbers(allowed: Iterable[Allowed]) -> tuple[str, ...]:
    rows = {
        (each.subject.number, each.subject.person.line_id or "", most)
        for each in allowed
        if (most := each.subject.person.rules.number_per_day)
    }
    return _columns([*rows])


def _callers(allowed: Iterable[Allowed]) -> tuple[str, ...]:
    rows = {
        (each.subject.caller, most)
        for each in allowed
        if (most := caller_limit(each.subject.person)[1])
    }
    return _columns([*rows])


def _lines(allowed: Iterable[Allowed]) -> tuple[str, ...]:
    """The limits of lines, as far as they hold for the callers who agree here."""
    most: dict[tuple[str | None, str | None], list[int]] = {}
    near: set[tuple[str | None, str | None]] = set()
    for each in allowed:
        subject, rules = each.subject, each.subject.person.rules
        if not rules.line_per_hour:
            continue
        line = subject.person.line_id, subject.unidentified
        limits = most.setdefault(line, [_NO_LIMIT] * 4)
        limits[0] = min(limits[0], rules.line_per_hour)
        if subject.number == subject.caller:
            limits[1] = min(limits[1], rules.hourly(rules.own_number_share))
        else:
            limits[2] = min(limits[2], rules.hourly(rules.other_number_share))
        if subject.person.caller_id is None:
            limits[3] = min(limits[3], rules.hourly(rules.unidentified_share))
        if not each.is_far:
            near.add(line)
    return _columns([(*line, line not in near, *limits) for line, limits in most.items()])


def _columns(rows: Sequence[Sequence[Any]]) -> tuple[str, ...]:
    """The columns of rows, each as an array; none if there are no rows."""
    return tuple(map(array, zip(*rows, strict=True)))
