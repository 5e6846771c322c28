"""Two bridges, each with its own chain, on one PostgreSQL: what one has promised, both keep."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from agi_bridge.consent.ledger import Ledger
from tests.support.call_env import prompts_heard
from tests.support.consent_builders import revocation
from tests.support.fault_calls import DEFAULT, FORWARD, FaultBridge, went_to
from tests.support.verified import stands, verified

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable
    from pathlib import Path

    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.consent import RevocationResult
    from agi_bridge.consent.signing import Keys

T = TypeVar("T")

AT_ONCE: Final = 16
"""Calls at a time, on both bridges together."""


class Pair:
    """Two bridges that take calls in turn."""

    def __init__(self, bridges: tuple[FaultBridge, FaultBridge]) -> None:
        self.bridges = bridges
        self._turns = cycle(bridges)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def call(self, number: str, caller: str) -> CallRecord:
        """A call from `caller` that agrees to texts to `number`, on the bridge whose turn it is."""
        bridge = next(self._turns)
        async with self._slots:
            return await bridge.call(f"{number[2:]},1", caller_id=caller[1:])

    async def revoke(self, number: str) -> RevocationResult:
        """Revoke on the bridge whose turn it is."""
        bridge = next(self._turns)
        async with self._slots:
            return await bridge.ledger.revoke(revocation(number))

    def texted(self) -> Counter[str]:
        """How often each number was submitted, by both."""
        return Counter(r.from_ for bridge in self.bridges for r in bridge.hook.requests)

    async def stored(self) -> list[tuple[str, str]]:
        """The events of both in the order they were stored, each with its number."""
        ledger = self.bridges[0].ledger
        events = await ledger.events()
        of = {id_: await ledger.number(id_) for id_ in {event.consent_id for event in events}}
        return [
            (str(event.body.get("outcome", event.type.value)), of[event.consent_id] or "")
            for event in events
        ]

    async def is_whole(self) -> bool:
        """Whether both chains stand verification together, each up to its own checkpoint."""
        for bridge in self.bridges:
            assert await bridge.ledger.checkpoint() is not None
        ledger = self.bridges[0].ledger
        report = await verified(ledger)
        return await stands(ledger) and len(report.chains) == len(self.bridges)


@pytest.fixture
async def pair(
    request: pytest.FixtureRequest,
    postgresql_url: str,
    keys: Keys,
    other_keys: Keys,
    tmp_path: Path,
) -> AsyncIterator[Pair]:
    """Two bridges on one database; the parameter is the limits of the line that both have."""
    async with (
        FaultBridge.running(postgresql_url, keys, tmp_path, limits=request.param) as one,
        FaultBridge.running(postgresql_url, other_keys, tmp_path, limits=request.param) as other,
    ):
        yield Pair((one, other))


def numbers(first: int, count: int) -> list[str]:
    """So many numbers in a row, in E.164."""
    return [f"+1415{2_120_000 + number}" for number in range(first, first + count)]


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do it all at once, in a random order; results in the order given."""
    tasks: dict[int, asyncio.Task[T]] = {}
    waiting = list(enumerate(work))
    Random(4580).shuffle(waiting)  # noqa: S311 - chosen to be repeated
    async with asyncio.TaskGroup() as group:
        for place, each in waiting:
            tasks[place] = group.create_task(each)
    return [tasks[place].result() for place in sorted(tasks)]


def agreed(call: CallRecord) -> bool:
    """Whether the caller's agreement was taken; if not, they were told and went elsewhere."""
    heard = prompts_heard(call)
    took = "accepted" in heard
    assert took or "declined" in heard or "not-confirmed" in heard  # revoked before the first byte
    assert went_to(call) == [FORWARD if took else DEFAULT]
    return took


@pytest.mark.parametrize("pair", [{"line_per_hour": 0}], indirect=True, ids=[""])
async def test_of_two_hundred_calls_both_take_what_one_bridge_would(pair: Pair) -> None:
    revoked, again, leaving = numbers(1000, 20), numbers(1100, 10), numbers(1200, 50)
    callers = iter(numbers(2000, 200))
    calls = [
        *(("free", number, next(callers)) for number in numbers(0, 60)),
        *(("one number", numbers(100, 1)[0], next(callers)) for _ in range(20)),
        *(("one caller", number, numbers(200, 1)[0]) for number in numbers(300, 20)),
        *(("revoked", number, next(callers)) for number in revoked * 2),
        *(("revoked, their own", number, number) for number in again),
        *(("leaving", number, next(callers)) for number in leaving),
    ]
    assert len(calls) == 200
    await together(pair.revoke(number) for number in revoked + again)
    taken, _ = await asyncio.gather(
        together(pair.call(number, caller) for _, number, caller in calls),
        together(pair.revoke(number) for number in leaving),
    )
    by_kind = Counter(kind for (kind, _, _), call in zip(calls, taken, strict=True) if agreed(call))
    assert 0 <= by_kind.pop("leaving", 0) <= len(leaving)
    assert by_kind == {"free": 60, "one number": 3, "one caller": 5, "revoked, their own": 10}
    accepted = [number for (_, number, _), call in zip(calls, taken, strict=True) if agreed(call)]
    assert pair.texted() == Counter(accepted)
    stored = await pair.stored()
    sent = [number for type_, number in stored if type_ == "accepted"]
    assert Counter(sent) == Counter(accepted)
    for number in leaving:
        types = [type_ for type_, of in stored if of == number]
        assert "confirmed" not in types[types.index("revocation") :]
    assert await pair.is_whole()


@pytest.mark.parametrize(
    "pair", [{"line_per_hour": 10, "other_number_share": 100}], indirect=True, ids=[""]
)
async def test_the_limit_of_a_line_counts_the_calls_of_both(pair: Pair) -> None:
    callers = numbers(1000, 30)
    taken = await together(map(pair.call, numbers(0, 30), callers))
    assert sum(map(agreed, taken)) == 10
    assert len(pair.texted()) == 10
    assert await pair.is_whole()


@pytest.mark.parametrize("pair", [{}], indirect=True, ids=[""])
async def test_what_one_bridge_was_told_the_other_knows_at_the_next_call(pair: Pair) -> None:
    """Bridges take turns: the one that revokes is never the one that is called next."""
    for number, caller in zip(numbers(0, 5), numbers(1000, 5), strict=True):
        assert agreed(await pair.call(number, caller))
        assert (await pair.revoke(number)).consents == 1
        assert not agreed(await pair.call(number, caller))
    assert await pair.is_whole()


async def test_bridges_that_start_at_once_keep_the_same_recordings(
    emptied_url: str, keys: Keys, other_keys: Keys
) -> None:
    """Two lines with the same words and two voices: the words are known when the second comes."""
    async with (
        await Ledger.open(emptied_url, keys) as one,
        await Ledger.open(emptied_url, other_keys) as two,
    ):
        for ledger in (one, two):
            await ledger.register_disclosure("en", "Words.", "0" * 64, b"wav")
        for n in range(1, 31):
            sound = f"{n:064}"
            await asyncio.gather(
                *(
                    ledger.register_disclosure("en", "Words.", sound, b"wav" * 9000)
                    for ledger in (one, two)
                )
            )
            assert await two.audio(sound) is not None
