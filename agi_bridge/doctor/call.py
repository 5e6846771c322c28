"""The test call: through the admin's own dialplan into the doctor's ear, timed step by step.

Asterisk originates `Local/DID@CONTEXT/n`. Variables of this call alone name the ear in place of
the bridge, and say that it is a test call. The dialplan then asks no other bridge, and hangs up
whatever the ear has not finished, so nobody's telephone rings. A dialplan older than version 3 does
not know test calls: for it the call brings a hangup as its fallback. There a context that sets
AGI_BRIDGE_URL itself sends the call to another bridge: no key is sent to it, and it is hung up when
the ear has waited long enough.
"""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.doctor.ear import END_SECONDS, KEY, KEY_SECONDS, PLAY_MARGIN
from agi_bridge.doctor.findings import Id, fault, not_looked_at, ok
from agi_bridge.doctor.numbers import FALLBACK, FALLBACK_GOTO, TEST_CALL, TOKEN, URL, URL_2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agi_bridge.doctor.ear import Ear, TestCall
    from agi_bridge.doctor.findings import Finding
    from agi_bridge.doctor.line_sounds import LineSounds
    from agi_bridge.doctor.pbx import MissingRightError, Pbx

ARRIVE_SECONDS: Final = 5.0
"""How long the dialplan may take to hand the call to a bridge."""


_WELL: Final = frozenset({"ready", "degraded"})
_BRIDGE_SAYS: Final = {
    "ready": "the PBX reaches the bridge: ready",
    "degraded": "the PBX reaches the bridge: degraded",
    "not_ready": "the bridge takes no calls (not ready)",
}

_HANG_UP: Final = "agi-bridge-go-on,hangup,1"
"""In place of the fallback: an empty one would be filled in by agi-bridge-site."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a test call goes: a number, in the context that the trunk's calls enter."""

    did: str
    context: str


@dataclass(frozen=True, slots=True)
class CallStep:
    """One step of a test call.

    Attributes:
        name: `arrival`, `did`, `bridge`, `sound`, `key` or `result`.
        ok: whether it happened as it should.
        milliseconds: from the start of the call; None if it did not happen.
        what: what happened.
    """

    name: str
    ok: bool
    milliseconds: int | None
    what: str


async def place(pbx: Pbx, ear: Ear, target: Target, call: TestCall, seconds: float) -> bool:
    """Ask the PBX for the call; return whether it will try.

    Raises:
        MissingRightError, AmiError.
    """
    url = ear.url("called", call)
    return await pbx.originate(
        f"Local/{target.did}@{target.context}/n",
        "AGI",
        f"{ear.url('calling', call)}?token={ear.token}",
        {
            URL: url,
            URL_2: "",
            TOKEN: ear.token,
            TEST_CALL: url,
            FALLBACK: "",
            FALLBACK_GOTO: _HANG_UP,
        },
        seconds,
    )


async def follow(call: TestCall, seconds: float) -> None:
    """Wait for each step of a call that was placed, then see to its end."""
    try:
        if not await _within(seconds, call.arrival):
            return
        if await _within(call.sound.seconds + PLAY_MARGIN + KEY_SECONDS, call.over):
            await _within(END_SECONDS, call.gone)
    finally:
        hung_up_by_pbx = call.gone.is_set()
        call.give_up.set()
        if call.answered.is_set() and not hung_up_by_pbx:
            await _within(END_SECONDS, call.gone)
            call.ended_at = None  # it had to be hung up by the doctor


def longest(sound_seconds: float) -> float:
    """Return how long `follow` takes at most, in seconds."""
    return ARRIVE_SECONDS + sound_seconds + PLAY_MARGIN + KEY_SECONDS + 2 * END_SECONDS


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def steps(call: TestCall, line: LineSounds | None) -> Iterator[CallStep]:
    """Return the steps of a call up to the first that failed."""
    if call.arrived_at is None:
        yield CallStep("arrival", ok=False, milliseconds=None, what="the call did not arrive")
        return
    yield CallStep("arrival", ok=True, milliseconds=_ms(call.arrived_at), what="in the ear")
    known = line is not None
    what = f"a number of line {line.name}" if line else "the dialplan passes no line's number"
    yield CallStep("did", ok=known, milliseconds=_ms(call.arrived_at), what=what)
    if call.bridge:
        what = _BRIDGE_SAYS.get(call.health or "") or _no_health(call)
        well = call.health in _WELL
        yield CallStep("bridge", ok=well, milliseconds=_ms(call.health_at), what=what)
    heard = 0 < call.sound.samples <= call.samples
    played = call.samples / 8000
    if call.samples == 0:
        what = f"the PBX could not play {call.sound.path}"
    elif heard:  # what was played: of a recording of the PBX the length is not known before
        what = f"{played:.1f} s played to the end"
    else:
        what = f"{played:.1f} of {call.sound.seconds:.1f} s played"
    yield CallStep("sound", ok=heard, milliseconds=_ms(call.heard_at), what=what)
    pressed = call.key == KEY
    what = f"{KEY} arrived" if pressed else f"{call.key or 'no key'} arrived in place of {KEY}"
    yield CallStep("key", ok=pressed, milliseconds=_ms(call.key_at), what=what)
    ended = call.result_at is not None and call.ended_at is not None
    what = "the dialplan hung up" if ended else "the dialplan did not hang up after 'done'"
    yield CallStep("result", ok=ended, milliseconds=_ms(call.ended_at), what=what)


def _no_health(call: TestCall) -> str:
    if call.health is None:
        return "the PBX connects to the bridge, and gets no answer"
    if not call.reached:
        return "the PBX cannot connect to the bridge"
    return "the bridge closes the PBX's connection at once"


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)


def judge(
    call: TestCall, made: Sequence[CallStep], target: Target, *, refused: int
) -> Iterator[Finding]:
    """Turn the steps into findings."""
    shown = f"{target.did}@{target.context}"
    failed = next((step for step in made if not step.ok), None)
    if failed is None:
        taken = made[-1].milliseconds or 0
        yield ok(Id.CALL, f"{shown}: arrived, heard, keyed and ended in {taken} ms")
        return
    match failed.name:
        case "arrival" if refused:
            what = f"{shown}: the dialplan does not pass AGI_BRIDGE_TOKEN on"
            fix = "copy dialplan/agi-bridge.conf again, or add the token to your own AGI() URL"
            yield fault(Id.DIALPLAN_URL, what, fix)
        case "arrival" if call.answered_at is not None:
            what = f"{shown}: something else than the ear answered the call"
            fix = (
                f"look for AGI_BRIDGE_URL set in [{target.context}] or for another Answer() on the"
                " way: asterisk -rx 'dialplan show' names both"
            )
            yield fault(Id.DIALPLAN_URL, what, fix)
        case "arrival":
            what = f"{shown}: the call did not arrive in time"
            fix = (
                "see which AGI URL your dialplan uses, and whether the PBX reaches this machine's"
                " --listen address through the firewall"
            )
            yield fault(Id.DIALPLAN_URL, what, fix)
        case "did":
            what = f"{shown}: {failed.what}"
            fix = "pass the called number on: Gosub(agi-bridge-ask,s,1(NUMBER)), or add it to did"
            yield fault(Id.DIALPLAN_DID, what, fix)
        case "bridge":
            fix = (
                "let the PBX through the firewall to agi.port, and into agi.allow; agi-bridge"
                " status says how the bridge is"
            )
            yield fault(Id.DIALPLAN_URL, f"{shown}: {failed.what}", fix)
        case "sound" if call.samples == 0:
            fix = "let the PBX's account read the folder, or correct the pbx_… path in [speech]"
            yield fault(Id.SOUNDS, f"{shown}: {failed.what}", fix)
        case _:
            what = f"{shown}: {failed.name}: {call.problem or failed.what}"
            fix = {
                "sound": "see asterisk's messages log for this second",
                "key": "load app_senddtmf.so, and see `dtmf` above; then call again",
                "result": "let the dialplan act on AGI_BRIDGE_RESULT as agi-bridge.conf does",
            }[failed.name]
            yield fault(Id.CALL, what, fix)


def needs_right(which: Id, right: MissingRightError) -> Finding:
    """Say that the account may not place a call."""
    fix = "add originate and system to `write` of the account in manager.conf"
    return not_looked_at(which, f"needs {right.right}", fix)


def judge_load(
    calls: Sequence[TestCall], made: Sequence[Sequence[CallStep]], wanted: int
) -> Finding:
    """Say what the PBX carried of many calls at once; `wanted` is how many there should be."""
    carried = [
        call for call, all_steps in zip(calls, made, strict=True) if all(s.ok for s in all_steps)
    ]
    arrivals = sorted(call.arrived_at for call in calls if call.arrived_at is not None)
    failed: dict[str, int] = {}
    for all_steps in made:
        if (first := next((step.name for step in all_steps if not step.ok), None)) is not None:
            failed[first] = failed.get(first, 0) + 1
    times = ""
    if arrivals:
        middle, last = _ms(statistics.median(arrivals)), _ms(arrivals[-1])
        times = f"; arrival in {middle} ms (median), {last} ms (slowest)"
    what = f"{len(carried)} of {wanted} calls at once were carried{times}"
    if len(carried) == wanted:
        return ok(Id.LOAD, what)
    if len(calls) < wanted:
        failed["placing, for which the PBX takes too long"] = wanted - len(calls)
    parts = ", ".join(f"{number} at {name}" for name, number in failed.items())
    fix = "see the PBX's CPU, and maxcalls and maxload in asterisk.conf; try a smaller number"
    return fault(Id.LOAD, f"{what}; failed: {parts}", fix)
