"""An honest ledger with everything that evidence is made of: prompts, calls, revocations, stamps.

Its clock can be set, as an administrator or NTP would set it, and its checkpoints be stamped.
"""

from __future__ import annotations

import io
import time
import types
import wave
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from agi_bridge.consent import (
    CallMetadata,
    ConsentRecord,
    DisclosureHeard,
    NumberEntered,
    Reply,
    Revocation,
    State,
    encoding,
    text_sha256,
)
from agi_bridge.consent.dialogue import Dialogue, Prompt
from agi_bridge.consent.ledger.witnesses import witness_checkpoint
from agi_bridge.consent.models import UNLIMITED, SendingFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.consent.signing import Checkpoint, TimestampAuthority

NUMBER = "+14155550123"
OTHER = "+14155550166"
CALLER = "+15145550100"
FORWARD = "+14155550199"
BRAND = "Example Store"
SELLER = "Example Store Inc."
TEXTS = {
    "disclosure": "Thank you for calling Example Store. You agree to receive automated texts.",
    "enter-number": "Enter your ten-digit mobile number, area code first.",
    "you-entered": "You entered",
    "confirm-number": "To agree and receive the text at this number, press 1.",
}
CONFIGURATION = '{"lines":{"shop":{}}}'
FIRST_TEXT = "Example Store: reply STOP to stop."


@cache
def recording(name: str) -> bytes:
    """A prompt's recording: silence, long enough for its text."""
    made = io.BytesIO()
    with wave.open(made, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(bytes(2 * 8000 * (1 + len(TEXTS[name]) // 12)) + name.encode().ljust(64))
    return made.getvalue()


@cache
def prompt(name: str) -> Prompt:
    """What an entry says of a prompt."""
    import hashlib

    wav = recording(name)
    with wave.open(io.BytesIO(wav)) as opened:
        samples = opened.getnframes()
    return Prompt(
        name=name,
        language="en",
        text_sha256=text_sha256(TEXTS[name]),
        audio_sha256=hashlib.sha256(wav).hexdigest(),
        samples=samples,
    )


CALL = CallMetadata(
    line_id="shop",
    did="+14155550111",
    brand=BRAND,
    legal_name=SELLER,
    purpose="info",
    call_uid="pbx-1700000000.1",
    channel="PJSIP",
    software="agi-bridge 0.1.0",
    config_sha256=text_sha256(CONFIGURATION),
    caller_id=CALLER,
    attestation="A",
    tz="America/Los_Angeles",
    clock_synced=True,
    server="bridge-1",
)
SENDING = SendingFacts(texts_from="+14155550188", platform="hooks.example", first_text=FIRST_TEXT)
ENTERED = NumberEntered(
    e164=NUMBER,
    digits=NUMBER[2:],
    number_type="MOBILE",
    region="US",
    library="phonenumbers 9",
    tries=0,
    ani_match="different",
)


class Clock:
    """The machine's clock: it runs, and can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset = 0.0
        shim = types.SimpleNamespace(
            **{name: getattr(time, name) for name in dir(time) if not name.startswith("_")}
        )
        shim.time_ns = lambda: time.time_ns() + round(self.offset * 1e9)
        monkeypatch.setattr(encoding, "time", shim)

    def read(self) -> tuple[float, float]:
        """Time of day and running time."""
        return time.time() + self.offset, time.clock_gettime(time.CLOCK_BOOTTIME)


async def begin(ledger: Ledger) -> None:
    """Register what every call's events name."""
    disclosure = prompt("disclosure")
    await ledger.register_disclosure(
        "en", TEXTS["disclosure"], disclosure.audio_sha256, recording("disclosure")
    )
    await register_prompts(ledger)


async def register_prompts(ledger: Ledger) -> None:
    """Register prompts, configuration and the sample of a first text."""
    await ledger.register(
        {text_sha256(each): each for each in (*TEXTS.values(), CONFIGURATION, FIRST_TEXT)},
        {prompt(name).audio_sha256: recording(name) for name in TEXTS},
    )


def heard() -> DisclosureHeard:
    """The disclosure, played to its end."""
    disclosure = prompt("disclosure")
    return DisclosureHeard(
        text=TEXTS["disclosure"],
        language="en",
        audio_sha256=disclosure.audio_sha256,
        samples=disclosure.samples,
        endpos=disclosure.samples,
    )


def agreed(
    number: str = NUMBER, *, reply: bool = False, sending: SendingFacts | None = None, **call: Any
) -> ConsentRecord:
    """A caller who keyed a number, heard it read back and the question, and pressed 1.

    With `reply` a YES by text is to complete the consent.
    """
    facts = replace(CALL, **call)
    record = ConsentRecord(facts, UNLIMITED, Dialogue(iter_ms().__next__))
    record.disclosed(heard())
    keyed(record)
    match = "same" if facts.caller_id == number else "different"
    record.entered(replace(ENTERED, e164=number, digits=number[2:], ani_match=match))
    read_back(record)
    record.confirmed("number_then_1", confirm_by_reply=reply)
    record.submitting(sending or SENDING)
    return record


def keyed(record: ConsentRecord) -> None:
    """The caller was asked for a number and keyed one."""
    record.dialogue.played(prompt("enter-number"), prompt("enter-number").samples)
    record.dialogue.digits_keyed(10, "full")


def read_back(record: ConsentRecord) -> None:
    """The number was read back whole, the question asked, and 1 pressed within it."""
    talk = record.dialogue
    talk.played(prompt("you-entered"), prompt("you-entered").samples)
    talk.digits_spoken(10, whole=True)
    talk.played(prompt("confirm-number"), 12_000, cut=True)
    talk.key_pressed("1")


def iter_ms() -> Iterator[int]:
    """Milliseconds since a call's start, one entry after the other."""
    at = 0
    while True:
        at += 1500
        yield at


async def accepted(
    ledger: Ledger, number: str = NUMBER, *, reply: bool = False, **call: Any
) -> str:
    """Store a consent whose text was requested and taken; returns its id."""
    record = agreed(number, reply=reply, **call)
    await ledger.append(record.take())
    record.submission_ended(
        State.ACCEPTED, reason="dial", status=200, attempts=1, answer="a" * 64, forward=FORWARD
    )
    await ledger.append(record.take())
    return record.id


async def declined(ledger: Ledger) -> str:
    """Store a call whose caller pressed star; returns its id."""
    record = ConsentRecord(CALL, UNLIMITED, Dialogue(iter_ms().__next__))
    record.disclosed(replace(heard(), endpos=8000))
    record.dialogue.key_pressed("*")
    record.ended(State.DECLINED, "star")
    await ledger.append(record.take())
    return record.id


async def revoked(ledger: Ledger, number: str = NUMBER, **request: Any) -> str:
    """Revoke a number; returns the revocation's id."""
    given: dict[str, Any] = {
        "number": number, "channel": "http", "actor": "crm", "words": "please stop texting me",
        "scope": "brand", "brand": BRAND, **request,
    }  # fmt: skip
    return (await ledger.revoke(Revocation(**given))).revocation_id


async def replied(ledger: Ledger, number: str = NUMBER) -> list[str]:
    """A YES comes back by text; returns the consents that it completed."""
    reply = Reply(
        number=number, brands=[BRAND], channel="instaply", words="YES", reference="message 1"
    )
    return [each.consent_id for each in await ledger.complete(reply)]


async def stamped(ledger: Ledger, authority: TimestampAuthority) -> Checkpoint:
    """Make a checkpoint and have it stamped."""
    made = await ledger.checkpoint()
    assert made is not None
    assert await witness_checkpoint(ledger, authority, made) is not None
    return made
