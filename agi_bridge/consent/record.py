"""One call's consent while it is being made: facts in, events out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agi_bridge.consent.proof import Identifiers, commitment, new_salt, text_sha256, timestamp
from agi_bridge.consent.states import State, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.proof import Body, Scalar

SCHEMA = 1
"""Version of the events' bodies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What is known of a call before anybody has said or keyed anything."""

    line_id: str
    did: str
    brand: str
    legal_name: str
    purpose: str
    call_uid: str
    channel: str
    software: str
    config_sha256: str
    caller_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureHeard:
    """The disclosure as it was played to this caller.

    `samples` is the length of the recording and `endpos` where playback stopped, both in samples of
    8 kHz, as Asterisk's `STREAM FILE` reports it.
    """

    text: str
    language: str
    audio_sha256: str
    samples: int
    endpos: int

    @property
    def complete(self) -> bool:
        """Whether it was played to its end; nothing else means heard."""
        return 0 < self.samples <= self.endpos


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberEntered:
    """A number that a caller keyed and that may be texted."""

    e164: str = field(repr=False)
    digits: str = field(repr=False)
    number_type: str
    region: str
    library: str
    tries: int
    ani_match: str


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as the ledger holds it."""

    event_id: str
    consent_id: str
    state: State
    at: str
    body: Body


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """What can be erased: everything that names the caller, and the salt that binds it."""

    salt: bytes = field(repr=False)
    number: str = field(repr=False)
    caller_id: str | None = field(repr=False)
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one append stores: all of it in one transaction, or none."""

    consent_id: str
    events: tuple[StoredEvent, ...]
    personal: PersonalData | None = None
    disclosure: DisclosureHeard | None = None


class ConsentRecord:
    """The consent of one call, event by event; `take()` hands over what is not stored yet.

    The events of the dialogue wait here until the caller has agreed, declined or gone, so that an
    agreement reaches the disk in one transaction and with one fsync. A number stays in memory only,
    unless it is confirmed.
    """

    __slots__ = (
        "_disclosure",
        "_entered",
        "_facts",
        "_identifiers",
        "_keys",
        "_pending",
        "_salt",
        "id",
        "state",
    )

    def __init__(self, facts: CallFacts) -> None:
        self._identifiers = Identifiers()
        self.id = self._identifiers.next()
        self.state: State | None = None
        self._facts = facts
        self._salt = new_salt()
        self._keys: list[tuple[str, int, str]] = []
        self._pending: list[StoredEvent] = []
        self._disclosure: DisclosureHeard | None = None
        self._entered: NumberEntered | None = None

    @property
    def number(self) -> str:
        """The number in E.164 that was entered last.

        Raises:
            RuntimeError: none was.
        """
        if self._entered is None:
            raise RuntimeError("no number has been entered")
        return self._entered.e164

    def key(self, prompt: str, offset_ms: int, key: str) -> None:
        """Note a key pressed at a menu, and how long after the call's start, in milliseconds.

        Keys of a number are never noted, only their count (in `entered`).
        """
        self._keys.append((prompt, offset_ms, key))

    def disclosed(self, heard: DisclosureHeard) -> None:
        """The disclosure was played, to its end or not."""
        self._disclosure = heard
        self._add(
            State.DISCLOSED,
            disclosure_sha256=text_sha256(heard.text),
            lang=heard.language,
            audio_sha256=heard.audio_sha256,
            samples=heard.samples,
            endpos=heard.endpos,
            complete=heard.complete,
        )

    def entered(self, number: NumberEntered) -> None:
        """A number that may be texted was keyed; the last one counts."""
        self._entered = number
        self._add(
            State.ENTERED,
            key_count=len(number.digits),
            tries=number.tries,
            number_type=number.number_type,
            region=number.region,
            lib_version=number.library,
            ani_match=number.ani_match,
        )

    def confirmed(self, act: str) -> None:
        """The caller agreed, by the act that the line asks for (`number_then_1` or `number`).

        Raises:
            IllegalTransition: no number was entered.
            RuntimeError: the disclosure was not heard to its end in this call.
        """
        step(self.state, State.CONFIRMED)
        if self._disclosure is None or not self._disclosure.complete:
            raise RuntimeError("no consent without a disclosure that was played to its end")
        body: dict[str, Scalar | Sequence[Scalar | Sequence[Scalar]]] = {
            "method": "ivr_dtmf",
            "act": act,
            "keys": [list(key) for key in self._keys],
            "number_c": commitment(self._salt, "number", self.number),
        }
        if self._facts.caller_id is not None:
            body["ani_c"] = commitment(self._salt, "ani", self._facts.caller_id)
        self._add(State.CONFIRMED, **body)

    def submitting(self, attempt: int = 1) -> None:
        """The hook is about to be called."""
        self._add(State.SUBMITTING, attempt=attempt)

    def settled(
        self, state: State, *, reason: str, status: int | None, attempts: int, answer: str | None
    ) -> None:
        """What became of the submission; `answer` is the SHA-256 of the answer's bytes."""
        body: dict[str, Scalar] = {"reason": reason, "status": status, "attempts": attempts}
        if answer is not None:
            body["answer_c"] = commitment(self._salt, "answer", answer)
        self._add(state, **body)

    def ended(self, state: State, reason: str) -> None:
        """The dialogue ended without an agreement: declined or abandoned."""
        self._add(state, reason=reason, keys=[list(key) for key in self._keys])

    def take(self) -> Batch:
        """What is to be stored now; afterwards nothing is pending.

        Personal data goes with the event `confirmed` and only with it: a caller who did not agree
        leaves no number behind.
        """
        events, self._pending = tuple(map(self._whole, self._pending)), []
        if not any(event.state is State.CONFIRMED for event in events):
            return Batch(self.id, events, disclosure=self._first_disclosure(events))
        assert self._entered is not None  # noqa: S101 - confirmed() has seen to it
        personal = PersonalData(
            salt=self._salt,
            number=self._entered.e164,
            caller_id=self._facts.caller_id,
            digits=self._entered.digits,
        )
        return Batch(self.id, events, personal, self._first_disclosure(events))

    def _whole(self, event: StoredEvent) -> StoredEvent:
        """The event with what it says of the call, which the first one does for all of them."""
        if event.state is not State.DISCLOSED:
            return event
        facts = self._facts
        body = {
            **event.body,
            "line_id": facts.line_id,
            "did": facts.did,
            "brand": facts.brand,
            "legal_name": facts.legal_name,
            "purpose": facts.purpose,
            "call_uid": facts.call_uid,
            "channel": facts.channel,
            "software": facts.software,
            "config_sha256": facts.config_sha256,
        }
        return replace(event, body=body)

    def _first_disclosure(self, events: tuple[StoredEvent, ...]) -> DisclosureHeard | None:
        return self._disclosure if events and events[0].state is State.DISCLOSED else None

    def _add(self, state: State, **body: Scalar | Sequence[Scalar | Sequence[Scalar]]) -> None:
        self.state = step(self.state, state)
        self._pending.append(
            StoredEvent(
                self._identifiers.next(), self.id, state, timestamp(), {"schema": SCHEMA, **body}
            )
        )
