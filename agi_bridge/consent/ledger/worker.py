"""The thread that does all database work of a ledger, and how the event loop waits for it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import structlog

from agi_bridge.consent.errors import LedgerClosed, LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import TypeVar

    from agi_bridge.consent.ledger.database import Database
    from agi_bridge.consent.ledger.transaction import Transaction

    T = TypeVar("T")

MAX_TRIES: Final = 3
"""How often work is tried that other bridges keep getting in the way of."""
WAIT_SECONDS: Final = 5.0
"""Longest that a caller waits: a database that does not answer must not hold a call."""
SILENT_SECONDS: Final = 10.0
"""How long what nobody on the telephone waits for goes without a word."""


class Worker:
    """Runs work on a database one after another, each in its own transaction.

    Args:
        database: belongs to the thread.
        before: called in each transaction that writes, or that a caller's text depends on.
    """

    def __init__(
        self, database: Database, before: Callable[[Transaction], None] = lambda _: None
    ) -> None:
        self._database = database
        self._before = before
        # Not an executor: its locks and futures cost a call as much as two appends' hashes.
        self._works: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._released: asyncio.Future[None] | None = None
        self._moment: Transaction | None = None

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Run work that may write.

        It waits as long as the database does: for a synchronous standby that is away, a COMMIT has
        no limit (SyncRepWaitForLSN in PostgreSQL's syncrep.c). The log says so once.
        """
        waiting = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._say_it_waits)
        try:
            return await self.on_thread(partial(self._patiently, work, reads=False, checked=True))
        finally:
            waiting.cancel()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, and does not block writers."""
        return await self.on_thread(partial(self._patiently, work, reads=True, checked=False))

    async def read_in_time(self, work: Callable[[Transaction], T]) -> T:
        """The same, for what a caller waits for.

        Raises:
            LedgerUnavailable: it takes too long.
        """
        task = asyncio.create_task(self.on_thread(partial(self.in_transaction, work, reads=True)))
        if not await self.answered(task):
            raise self.no_answer()
        return task.result()

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[None]:
        """Let everything that is read in the block see one moment of the database."""
        open_ = self._database.transaction(reads=True)

        def begin() -> None:
            transaction = open_.__enter__()
            transaction.hold_still()
            self._moment = transaction

        def end() -> None:
            self._moment = None
            open_.__exit__(None, None, None)

        await self.on_thread(begin)
        try:
            yield
        finally:
            await self.on_thread(end)

    async def vacuum_deleted(self) -> bool:
        """Remove remains of deleted data from the database's files; False if it has to wait."""
        try:
            await self.on_thread(self._database.vacuum_deleted)
        except LedgerUnavailable as error:  # it is deleted all the same
            structlog.get_logger().warning("ledger.vacuum_failed", reason=str(error))
            return False
        return True

    async def on_thread(self, work: Callable[[], T]) -> T:
        """Do something on the database's thread.

        Raises:
            LedgerClosed: it was released.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self.submit(partial(_carry_out, loop, done, work))
        return await done

    def submit(self, work: Callable[[], object]) -> None:
        """Do something on the database's thread that says itself how it ended.

        Raises:
            LedgerClosed: it was released.
        """
        if self._released is not None:
            raise LedgerClosed("the ledger is closed")
        self._hand_over(work)

    def _hand_over(self, work: Callable[[], object] | None) -> None:
        if self._thread is None:
            # A daemon: a database that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._work_on, name="ledger", daemon=True)
            self._thread.start()
        self._works.put(work)

    def _work_on(self) -> None:
        """Do what is handed over, one after another, to the end. On the database's thread."""
        while (work := self._works.get()) is not None:
            work()

    def _say_it_waits(self) -> None:
        structlog.get_logger().warning(
            "ledger.waiting",
            reason=f"{self._database.name}: no answer for {SILENT_SECONDS:.0f} s: a lock is held, "
            "or a synchronous standby is away; whether it is stored is not known until it answers",
        )

    @staticmethod
    async def answered(done: asyncio.Future[T]) -> bool:
        """Wait for a limited time; the work goes on, and its result may be ignored."""
        try:
            await asyncio.wait({done}, timeout=WAIT_SECONDS)
        finally:
            if not done.done():
                done.add_done_callback(_ignore)
        return done.done()

    def no_answer(self) -> LedgerUnavailable:
        """The error to raise when it took too long."""
        return LedgerUnavailable(
            f"{self._database.name}: no answer in {WAIT_SECONDS:.0f} s", code="no_answer"
        )

    def in_transaction(
        self, work: Callable[[Transaction], T], *, reads: bool = False, checked: bool = True
    ) -> T:
        """Do work in a transaction. On the database's thread."""
        if self._moment is not None:
            with self._database.failures():
                return work(self._moment)
        with self._database.transaction(reads=reads) as transaction:
            if checked:
                self._before(transaction)
            return work(transaction)

    def _patiently(self, work: Callable[[Transaction], T], *, reads: bool, checked: bool) -> T:
        """The same, tried again if another bridge was quicker, or we were too slow."""
        for _ in range(MAX_TRIES - 1):
            try:
                return self.in_transaction(work, reads=reads, checked=checked)
            except LedgerUnavailable as error:
                if error.code not in {"outdated", "stalled"}:
                    raise
        return self.in_transaction(work, reads=reads, checked=checked)

    async def close(self) -> None:
        """Release database and thread; a stuck thread is aborted, or the process could not end."""
        if self._released is None:
            loop = asyncio.get_running_loop()
            self._released = loop.create_future()
            self._hand_over(partial(_carry_out, loop, self._released, self._database.close))
            self._hand_over(None)
        await asyncio.wait({self._released}, timeout=WAIT_SECONDS)
        if not self._released.done():
            self._database.abort()


def _carry_out(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[T], work: Callable[[], T]
) -> None:
    """Do something for the event loop, unless nobody waits any more. On the database's thread."""
    if done.cancelled():
        return
    result: T | None = None
    failed: BaseException | None = None
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - whatever it is, who waits must learn of it
        failed = error
    with suppress(RuntimeError):  # the loop is closed, nobody waits
        loop.call_soon_threadsafe(_settle, done, result, failed)


def _settle(done: asyncio.Future[Any], result: object, failed: BaseException | None) -> None:
    if done.done():
        return
    if failed is None:
        done.set_result(result)
    else:
        done.set_exception(failed)


def _ignore(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()
