"""Personal data goes, the proof stays: retention, erasure, restriction.

Deleting a row of `pii` deletes the salt, and with it the meaning of every commitment. Nothing
brings it back, so no clock alone decides that it is time: either the kernel calls its clock
synchronised, or the ledger has an event of the month before. A clock that is years ahead for a
moment has neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import case, delete, exists, func, literal, or_, select, update

from agi_bridge.consent.encoding import DAY, Identifiers, stamp, timestamp
from agi_bridge.consent.errors import ClockInDoubt, VaultDamaged
from agi_bridge.consent.ledger.schema import EVENT, PII
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.results import RetentionReport
from agi_bridge.consent.states import Act
from agi_bridge.observe import ask_kernel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement

    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.database import Transaction
    from agi_bridge.consent.results import RetentionRules

PAGE: Final = 500
"""Most rows in one transaction: calls wait for it."""
SILENCE: Final = 32 * DAY
"""How long, in seconds, a ledger in use has no event at most."""
SYNCHRONISED_SILENCE: Final = 400 * DAY
"""The same where the kernel calls its clock synchronised. It then takes a year without a call to
hold back a deletion; and an NTP source that is years ahead deletes nothing."""


def erase(
    transaction: Transaction,
    writer: Writer,
    consent_ids: Iterable[str],
    *,
    basis: str,
    actor: str,
) -> int:
    """Delete personal data, but what is restricted; returns of how many consents."""
    ids = sorted(set(consent_ids))
    writer.lock(transaction, map("consent:{}".format, ids))
    return _erase(transaction, writer, ids, stamp(writer.clock()), (basis, actor))


def restrict(
    transaction: Transaction,
    writer: Writer,
    consent_ids: Iterable[str],
    *,
    basis: str,
    until: str,
    actor: str,
) -> int:
    """Keep personal data for a defence only, until a day; returns of how many consents."""
    ids = sorted(set(consent_ids))
    writer.lock(transaction, map("consent:{}".format, ids))
    pii = PII.c
    there = transaction.core.execute(
        select(pii.consent_id).where(pii.consent_id.in_(ids))
    ).scalars()
    held = there.all()
    transaction.core.execute(
        update(PII).where(pii.consent_id.in_(held)).values(restricted_until=until)
    )
    body = {"basis": basis, "until": until, "actor": actor}
    writer.append(transaction, _events(held, Act.RESTRICTED, body))
    return len(held)


def due(transaction: Transaction, rules: RetentionRules) -> RetentionReport:
    """What `retain` would delete."""
    return RetentionReport(
        len(_due(transaction, rules, None)), len(_details_due(transaction, rules, None))
    )


def retain(transaction: Transaction, writer: Writer, rules: RetentionRules) -> RetentionReport:
    """Delete what its time has run out for, so much that calls need not wait; returns what.

    Raises:
        ClockInDoubt: there is something, but nothing confirms that it is time.
    """
    writer.lock(transaction)
    gone = _due(transaction, rules, PAGE)
    details = [] if gone else _details_due(transaction, rules, PAGE)
    if gone or details:
        _check_clock(transaction, rules.now)
    erased = _erase(transaction, writer, gone, stamp(rules.now), ("retention", "agi-bridge"))
    if erased:  # for itself: it needs no key, and is done though the rest fails
        return RetentionReport(erase=erased)
    return RetentionReport(trim=_trim(transaction, writer, details))


def _check_clock(transaction: Transaction, now: float) -> None:
    """See that something besides the clock says what time it is.

    Raises:
        ClockInDoubt: the last event that is more than a day old is more than a month old, and the
            kernel does not call its clock synchronised; or it is more than a year old. The clock
            may have jumped since.
    """
    synchronised = ask_kernel()
    last = _last_event_before(transaction, stamp(now - DAY))
    if synchronised and (last is None or last >= stamp(now - SYNCHRONISED_SILENCE)):
        return
    if last is None or last < stamp(now - SILENCE):
        told = (
            f"event of the {SYNCHRONISED_SILENCE / DAY:.0f} days before"
            if synchronised
            else "event of the month before, and the clock is not kept by NTP"
        )
        raise ClockInDoubt(
            f"clock_unconfirmed: this machine's clock says {stamp(now)[:10]}, the ledger has no "
            f"{told}; nothing was erased"
        )


def _last_event_before(transaction: Transaction, before: str) -> str | None:
    """When the last event was stored that is older, if times only grow; a few look-ups by id.

    Where a wrong clock broke their order it may be an earlier one, but never a later.
    """
    event = EVENT.c

    def at(id_: int) -> str | None:
        query = select(event.at).where(event.id <= id_).order_by(event.id.desc()).limit(1)
        return transaction.core.execute(query).scalar()

    low, high = 0, transaction.core.execute(select(func.max(event.id))).scalar() or 0
    while low < high:
        middle = (low + high + 1) // 2
        found = at(middle)
        if found is not None and found >= before:
            high = middle - 1
        else:
            low = middle
    return at(low)


def _erase(
    transaction: Transaction, writer: Writer, ids: Sequence[str], now: str, why: tuple[str, str]
) -> int:
    pii = PII.c
    gone = transaction.core.execute(
        delete(PII).where(pii.consent_id.in_(ids), _not_restricted(now)).returning(pii.consent_id)
    ).scalars()
    erased = sorted(gone)
    basis, actor = why
    body = {"what": "all", "basis": basis, "actor": actor}
    writer.append(transaction, _events(erased, Act.ERASED, body))
    return len(erased)


def _trim(transaction: Transaction, writer: Writer, ids: Sequence[str]) -> int:
    pii = PII.c
    rows = transaction.core.execute(
        select(pii.consent_id, pii.sealed)
        .where(pii.consent_id.in_(ids))
        .order_by(pii.consent_id)
        .with_for_update()
    ).all()
    changed = []
    for row in rows:
        try:
            known = writer.vault.open(row.consent_id, row.sealed)
        except VaultDamaged as error:  # nothing can be taken out of it; the others' details go
            structlog.get_logger().error(
                "retention.details_not_erased", consent=row.consent_id, reason=str(error)
            )
            known = {}
        gone = {"digits"} & known.keys()
        if known.get("caller_id") not in {None, known.get("number")}:
            gone.add("caller_id")
        values: dict[str, Any] = {"trimmed": True}
        if gone:
            changed.append(row.consent_id)
            left = {name: value for name, value in known.items() if name not in gone}
            values["sealed"] = writer.vault.seal(row.consent_id, left)
        if "caller_id" in gone:
            values["caller_hmac"] = None
        transaction.core.execute(
            update(PII).where(pii.consent_id == row.consent_id).values(**values)
        )
    if changed:
        body = {"what": "details", "basis": "retention", "actor": "agi-bridge"}
        writer.append(transaction, _events(changed, Act.ERASED, body))
    return len(rows)


def _due(transaction: Transaction, rules: RetentionRules, limit: int | None) -> Sequence[str]:
    """The consents of people who have not been texted, and have not revoked, since then."""
    pii, later = PII.c, PII.alias()
    query = select(pii.consent_id).where(
        pii.at < _before(rules),
        _not_restricted(stamp(rules.now)),
        ~exists().where(later.c.number_hmac == pii.number_hmac, later.c.at >= _before(rules)),
    )
    return transaction.core.execute(query.order_by(pii.at).limit(limit)).scalars().all()


def _details_due(
    transaction: Transaction, rules: RetentionRules, limit: int | None
) -> Sequence[str]:
    """The consents whose details are due, though they themselves are not."""
    pii, later = PII.c, PII.alias()
    stays = or_(
        pii.at >= _before(rules),
        exists().where(later.c.number_hmac == pii.number_hmac, later.c.at >= _before(rules)),
    )
    query = select(pii.consent_id).where(
        pii.at < rules.details_before,
        pii.trimmed.is_(False),
        pii.kind.in_(["consent", "returned"]),
        _not_restricted(stamp(rules.now)),
        stays,
    )
    return transaction.core.execute(query.order_by(pii.at).limit(limit)).scalars().all()


def _before(rules: RetentionRules) -> ColumnElement[str]:
    """Before when a consent is due, by its line."""
    usual = literal(rules.personal_before)
    return case(rules.of_lines, value=PII.c.line_id, else_=usual) if rules.of_lines else usual


def _not_restricted(now: str) -> ColumnElement[bool]:
    """Not held for a defence."""
    until = PII.c.restricted_until
    return or_(until.is_(None), until < now)


def _events(ids: Iterable[str], act: Act, body: dict[str, str]) -> list[StoredEvent]:
    new, now = Identifiers(), timestamp()
    return [StoredEvent(new.next(), id_, act, now, body) for id_ in ids]
