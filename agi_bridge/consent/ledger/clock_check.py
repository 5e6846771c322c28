"""Checks before a deletion that the ledger, or the kernel, confirms what the clock says.

Either the kernel calls its clock synchronised, or the ledger's events lead up to now without a gap.
A clock that jumped years ahead has neither, however long it goes on.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from agi_bridge.consent.encoding import DAY, stamp
from agi_bridge.consent.errors import ClockInDoubt
from agi_bridge.consent.ledger.schema import EVENT
from agi_bridge.observe import ask_kernel

if TYPE_CHECKING:
    from sqlalchemy import Select

    from agi_bridge.consent.ledger.transaction import Transaction

SILENCE: Final = 32 * DAY
"""How long, in seconds, a ledger in use has no event at most."""
SYNCHRONISED_SILENCE: Final = 400 * DAY
"""The same where the kernel calls its clock synchronised. It then takes a year without a call to
hold back a deletion; and an NTP source that is years ahead deletes nothing."""


def check_clock(transaction: Transaction, now: float) -> None:
    """Check that something besides the clock confirms the time.

    Raises:
        ClockInDoubt: the kernel calls its clock synchronised, but the last event that is more than
            a day old is more than a year old. Or the kernel does not, and no event is more than a
            day old, or there was a month without an event at some time, up to now: the clock may
            have jumped then, and the events since are dated by the same clock.
    """
    synchronised = ask_kernel()
    last = _last_event_before(transaction, stamp(now - DAY))
    if synchronised:
        if last is None or last >= stamp(now - SYNCHRONISED_SILENCE):
            return
        why = f"the ledger has no event of the {SYNCHRONISED_SILENCE / DAY:.0f} days before"
    elif last is None or _has_gap(transaction, now):
        why = (
            "the clock is not kept by NTP, and the ledger does not confirm it: it has no events of "
            "the day before, or none for a month at some time"
        )
    else:
        return
    raise ClockInDoubt(
        f"clock_unconfirmed: this machine's clock says {stamp(now)[:10]}, {why}; nothing was erased"
    )


def _has_gap(transaction: Transaction, now: float) -> bool:
    """Whether there was no event for longer than SILENCE, between two events or up to now.

    Halves only the stretches that are longer, so a ledger of years takes some hundred look-ups by
    id. A clock that was ahead and was put right since leaves no gap.
    """
    event = EVENT.c

    def one(query: Select[Any]) -> tuple[int, float]:
        id_, at = transaction.core.execute(query.limit(1)).one()
        return id_, datetime.fromisoformat(at).timestamp()

    columns = select(event.id, event.at)
    newest = one(columns.order_by(event.id.desc()))
    stretches = [(one(columns.order_by(event.id)), newest)]
    while stretches:
        first, last = stretches.pop()
        if last[1] - first[1] <= SILENCE:
            continue
        half = (first[0] + last[0]) // 2
        middle = one(columns.where(event.id <= half).order_by(event.id.desc()))
        if middle == first:
            middle = one(columns.where(event.id > half).order_by(event.id))
        if middle == last:
            return True
        stretches += [(first, middle), (middle, last)]
    return now - newest[1] > SILENCE


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
