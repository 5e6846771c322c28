"""The state of the endpoints that messages go to: those that fail, and those that are gone.

Both belong to an endpoint at an address, and all bridges of a database share them. While an
endpoint fails, one bridge tries it with one message, and the pause after a failure holds for every
bridge, over restarts. An endpoint that answered 410 gets nothing more until a person retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import delete, exists, func, insert, select, true, update

from agi_bridge.consent.encoding import stamp
from agi_bridge.consent.ledger.schema import FAILING_ENDPOINT, GONE_ENDPOINT, OUTBOX

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, ScalarSelect, Select

    from agi_bridge.consent.ledger.transaction import Transaction

Names: TypeAlias = "Collection[str] | Select[tuple[str]] | None"
"""Which endpoints: by their names, or by a query for them; None is all."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint at one of its addresses, in a transaction that holds the outbox's lock.

    Attributes:
        transaction: reads and writes.
        name: of the endpoint.
        address: where it is, as a hash.
        owner: the name that this process holds messages by.
        now: the database's time, seconds since the epoch.
    """

    transaction: Transaction
    name: str
    address: str
    owner: str
    now: float

    def is_gone(self) -> bool:
        """Whether it answered 410 here."""
        row = GONE_ENDPOINT.c
        here = exists().where(row.endpoint == self.name, row.address == self.address)
        return bool(self.transaction.core.execute(select(here)).scalar_one())

    def failures(self) -> tuple[int, float]:
        """How often it failed in a row, and for how many seconds it is left alone."""
        row = FAILING_ENDPOINT.c
        query = select(row.failures, row.next_at).where(*self._failing())
        found = self.transaction.core.execute(query).first()
        if found is None:
            return 0, 0.0
        due = datetime.fromisoformat(found.next_at).timestamp()
        return found.failures, max(due - self.now, 0.0)

    def hold(self, seconds: float) -> None:
        """Let nobody else try it for so long: this process does."""
        held = {"owner": self.owner, "next_at": stamp(self.now + seconds)}
        self.transaction.core.execute(
            update(FAILING_ENDPOINT).where(*self._failing()).values(**held)
        )

    def failed(self, pause: float) -> None:
        """Leave it alone for so many seconds.

        What another bridge had under way when it began to fail adds nothing to the pause.
        """
        core, row = self.transaction.core, FAILING_ENDPOINT.c
        due = stamp(self.now + pause)
        if not self.failures()[0]:
            values = {"endpoint": self.name, "address": self.address, "failures": 1}
            core.execute(insert(FAILING_ENDPOINT).values(**values, next_at=due))
            return
        mine = update(FAILING_ENDPOINT).where(*self._failing(), row.owner == self.owner)
        core.execute(mine.values(failures=row.failures + 1, next_at=due, owner=None))

    def works(self) -> None:
        """It takes messages. Those that failed because of it do not wait out their own pauses.

        One that failed more often than the endpoint did is the cause itself, and waits.
        """
        failures = self.failures()[0]
        if failures:
            self._forget_failures()
            row = OUTBOX.c
            self.transaction.core.execute(
                update(OUTBOX)
                .where(
                    row.endpoint == self.name,
                    row.reason.is_not(None),
                    row.refused.is_(False),
                    row.attempts <= failures,
                )
                .values(next_at=stamp(self.now), reason=None)
            )

    def gone(self) -> None:
        """It answered 410: nothing more is sent here."""
        self._forget_failures()
        if not self.is_gone():
            values = {"endpoint": self.name, "address": self.address}
            self.transaction.core.execute(insert(GONE_ENDPOINT).values(**values))

    def forget_other_addresses(self) -> None:
        """It has this address now: what the former ones said is over."""
        for table in (GONE_ENDPOINT, FAILING_ENDPOINT):
            row = table.c
            self.transaction.core.execute(
                delete(table).where(row.endpoint == self.name, row.address != self.address)
            )

    def _failing(self) -> tuple[ColumnElement[bool], ...]:
        row = FAILING_ENDPOINT.c
        return row.endpoint == self.name, row.address == self.address

    def _forget_failures(self) -> None:
        self.transaction.core.execute(delete(FAILING_ENDPOINT).where(*self._failing()))


def ask_again(transaction: Transaction, now: float, names: Names) -> int:
    """Try endpoints at once that fail or are gone; returns how many were gone."""

    def named(column: ColumnElement[str]) -> ColumnElement[bool]:
        return true() if names is None else column.in_(names)

    due = {"next_at": stamp(now), "owner": None}
    failing = update(FAILING_ENDPOINT).where(named(FAILING_ENDPOINT.c.endpoint))
    transaction.core.execute(failing.values(**due))
    gone = delete(GONE_ENDPOINT).where(named(GONE_ENDPOINT.c.endpoint))
    return transaction.core.execute(gone).rowcount


def release(transaction: Transaction, now: float, name: str, owner: str) -> None:
    """End an attempt at an endpoint that this process has not ended, or one of its name."""
    row = FAILING_ENDPOINT.c
    held = update(FAILING_ENDPOINT).where(row.endpoint == name, row.owner == owner)
    transaction.core.execute(held.values(next_at=stamp(now), owner=None))


def gone_with_messages(transaction: Transaction) -> int:
    """How many endpoints are gone while messages wait for them."""
    row = GONE_ENDPOINT.c
    waiting = row.endpoint.in_(select(OUTBOX.c.endpoint))
    query = select(func.count(row.endpoint.distinct())).where(waiting)
    count: int = transaction.core.execute(query).scalar_one()
    return count


def next_attempt() -> ScalarSelect[str]:
    """When the endpoint of a message is tried next; null if it does not fail."""
    row = FAILING_ENDPOINT.c
    query = select(func.max(row.next_at)).where(row.endpoint == OUTBOX.c.endpoint)
    return query.correlate(OUTBOX).scalar_subquery()
