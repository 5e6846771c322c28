"""One call's consent while it is being made: facts in, events out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agi_bridge.consent.encoding import Identifiers, commitment, new_salt, text_sha256, timestamp
from agi_bridge.consent.models import AgreementRules, Batch, PersonalData, StoredEvent
from agi_bridge.consent.states import AGREED, State, step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agi_bridge.consent.encoding import Scalar
    from agi_bridge.consent.models import CallMetadata, DisclosureHeard, NumberEntered


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
        "_learned",
        "_number",
        "_pending",
        "_rules",
        "_salt",
        "_taken",
        "id",
        "state",
    )

    def __init__(self, facts: CallMetadata | None, rules: AgreementRules | None = None) -> None:
        self._identifiers = Identifiers()
        self.id = self._identifiers.next()
        self.state: State | None = None
        self._facts = facts
        self._rules = rules or AgreementRules()
        self._salt = new_salt()
        self._keys: list[tuple[str, int, str]] = []
        self._pending: list[StoredEvent] = []
        self._taken: tuple[StoredEvent, ...] = ()
        self._disclosure: DisclosureHeard | None = None
        self._entered: NumberEntered | None = None
        self._number: str | None = None
        self._learned: dict[str, str] = {}

    @classmethod
    def stored(cls, consent_id: str, state: State, personal: Mapping[str, str]) -> ConsentRecord:
        """Go on with a consent that is in the ledger, from its opened personal data."""
        record = cls(None)
        record.id = consent_id
        record.state = state
        record._salt = bytes.fromhex(personal["salt"])
        record._number = personal["number"]
        return record

    @property
    def number(self) -> str:
        """The number in E.164 that was entered last, or that a returning caller calls from.

        Raises:
            RuntimeError: none was.
        """
        if self._number is None:
            raise RuntimeError("no number has been entered")
        return self._number

    def key_pressed(self, prompt: str, offset_ms: int, key: str) -> None:
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
        self._number = number.e164
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
        self._add(
            State.CONFIRMED,
            method="ivr_dtmf",
            act=act,
            keys=[list(key) for key in self._keys],
            **self._commitments(),
        )

    def returned(self, consent_id: str, *, region: str) -> None:
        """A caller calls from a number whose live consent for this brand is `consent_id`.

        Raises:
            RuntimeError: there is no caller ID.
        """
        if self._facts is None or self._facts.caller_id is None:
            raise RuntimeError("only a caller who shows a number can be known again")
        self._number = self._facts.caller_id
        self._add(State.RETURNED, consent=consent_id, region=region, **self._commitments())

    def submitting(self, attempt: int = 1, context: str | None = None) -> None:
        """The hook is about to be called; `context` is what is sent along, if anything."""
        body: dict[str, Scalar] = {"attempt": attempt}
        if context is not None:
            body["context"] = context
        self._add(State.SUBMITTING, **body)

    def submission_ended(
        self,
        state: State,
        *,
        reason: str,
        status: int | None,
        attempts: int,
        answer: str | None,
        forward: str | None = None,
    ) -> None:
        """What became of the submission.

        Args:
            state: one of `OUTCOMES`.
            reason: a stable word.
            status: the HTTP status, if one came.
            attempts: connections tried.
            answer: the SHA-256 of the answer's bytes.
            forward: the number in E.164 that the hook sent the caller to.
        """
        body: dict[str, Scalar] = {"reason": reason, "status": status, "attempts": attempts}
        if answer is not None:
            body["answer_c"] = commitment(self._salt, "answer", answer)
            self._learned["answer"] = answer
        if forward is not None:
            body["forward_c"] = commitment(self._salt, "forward", forward)
            self._learned["forward"] = forward
        self._add(state, **body)

    def expired(self, reason: str) -> None:
        """It was never sent and must not be sent any more."""
        self._add(State.EXPIRED, reason=reason)

    def ended(self, state: State, reason: str) -> None:
        """The dialogue ended without an agreement: declined or abandoned."""
        self._add(state, reason=reason, keys=[list(key) for key in self._keys])

    def withheld(self, reason: str) -> None:
        """The ledger did not take the agreement: the record ends as declined, without a number.

        To be called after an `append` that raised `Withheld` for what `take()` gave.
        """
        if self._facts is None or self._number is None:
            raise RuntimeError("nothing was withheld")
        self._pending = [event for event in self._taken if event.type not in _AGREEING]
        self.state = State.ENTERED if self._disclosure is not None else State.RETURNED
        self.ended(State.DECLINED, reason)

    def take(self) -> Batch:
        """What is to be stored now; afterwards nothing is pending.

        Personal data goes with the event that says the caller agreed and only with it: a caller who
        did not leaves no number behind.
        """
        events = self._taken = tuple(map(self._whole, self._pending))
        self._pending = []
        learned, self._learned = self._learned or None, {}
        personal = None
        if any(event.type in AGREED for event in events) and self.state is not State.DECLINED:
            personal = self._personal()
        return Batch(self.id, events, personal, self._first_disclosure(events), learned)

    def _personal(self) -> PersonalData:
        assert self._facts is not None  # noqa: S101 - whoever agrees has called
        values = {"salt": self._salt.hex(), "number": self.number}
        if self._facts.caller_id is not None:
            values["caller_id"] = self._facts.caller_id
        if self._entered is not None:
            values["digits"] = self._entered.digits
        return PersonalData(
            kind="consent" if self._entered is not None else "returned",
            values=values,
            line_id=self._facts.line_id,
            brand=self._facts.brand,
            rules=self._rules,
        )

    def _commitments(self) -> dict[str, Scalar]:
        bound: dict[str, Scalar] = {"number_c": commitment(self._salt, "number", self.number)}
        caller = None if self._facts is None else self._facts.caller_id
        if caller is not None:
            bound["ani_c"] = commitment(self._salt, "ani", caller)
        return bound

    def _whole(self, event: StoredEvent) -> StoredEvent:
        """The event with what it says of the call, which the first one does for all of them."""
        facts = self._facts
        if facts is None or event.type not in _FIRST:
            return event
        body = {
            **event.body,
            "line_id": facts.line_id,
            "did": facts.did,
            "brand": facts.brand,
            "legal_name": facts.legal_name,
            "purpose": facts.purpose,
            "call_uid": facts.call_uid,
            "linked_id": facts.linked_id,
            "channel": facts.channel,
            "attestation": facts.attestation,
            "server": facts.server,
            "tz": facts.tz,
            "clock_synced": facts.clock_synced,
            "software": facts.software,
            "config_sha256": facts.config_sha256,
        }
        return replace(event, body=body)

    def _first_disclosure(self, events: tuple[StoredEvent, ...]) -> DisclosureHeard | None:
        return self._disclosure if events and events[0].type is State.DISCLOSED else None

    def _add(self, state: State, **body: Scalar | Sequence[Scalar | Sequence[Scalar]]) -> None:
        self.state = step(self.state, state)
        self._pending.append(
            StoredEvent(self._identifiers.next(), self.id, state, timestamp(), body)
        )


_FIRST: Final = frozenset({State.DISCLOSED, State.RETURNED})
_AGREEING: Final = frozenset({State.CONFIRMED, State.SUBMITTING})
