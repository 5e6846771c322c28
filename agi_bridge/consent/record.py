"""`ConsentRecord`: collects what happens in one call, and turns it into events to store. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from agi_bridge.consent.dialogue import Dialogue
from agi_bridge.consent.encoding import Identifiers, commitments, new_salt, timestamp
from agi_bridge.consent.models import (
    INSTAPLY,
    AgreementFacts,
    AgreementRules,
    Batch,
    PersonalData,
    StoredEvent,
    event_body,
)
from agi_bridge.consent.states import AGREED, State, step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agi_bridge.consent.dialogue import Entry
    from agi_bridge.consent.encoding import Scalar
    from agi_bridge.consent.models import (
        CallMetadata,
        DisclosureHeard,
        NumberEntered,
        SendingFacts,
    )


class ConsentRecord:
    """The consent of one call, event by event; `take()` hands over what is not stored yet.

    The events of the dialogue wait here until the caller has agreed, declined or gone, so that an
    agreement reaches the disk in one transaction and with one fsync. A number stays in memory only,
    unless it is confirmed.

    Args:
        call: what is known of the call; None for a consent that is stored already.
        rules: the limits to keep to.
        dialogue: collects what is played and keyed; its entries go into the next event.

    Attributes:
        id: the consent's.
        state: the last one.
        repeats: the submission repeats one whose outcome is unknown, so that what keeps it from
            being sent says nothing about the first one.
    """

    __slots__ = (
        "_agreed_at",
        "_agreement",
        "_call",
        "_disclosure",
        "_entered",
        "_identifiers",
        "_learned",
        "_lease_seconds",
        "_max_age_days",
        "_number",
        "_pending",
        "_relies_on",
        "_rules",
        "_salt",
        "_taken",
        "dialogue",
        "id",
        "repeats",
        "state",
    )

    def __init__(
        self,
        call: CallMetadata | None,
        rules: AgreementRules | None = None,
        dialogue: Dialogue | None = None,
    ) -> None:
        self._identifiers = Identifiers()
        self.id = self._identifiers.next()
        self.state: State | None = None
        self._call = call
        self._rules = rules or AgreementRules()
        self._salt = new_salt()
        self.dialogue = dialogue or Dialogue()
        self._pending: list[StoredEvent] = []
        self._taken: tuple[StoredEvent, ...] = ()
        self._disclosure: DisclosureHeard | None = None
        self._entered: NumberEntered | None = None
        self._number: str | None = None
        self._learned: dict[str, str] = {}
        self._lease_seconds = 0.0
        self._relies_on: str | None = None
        self._max_age_days = 0
        self._agreed_at = ""
        self.repeats = False
        self._agreement: AgreementFacts | None = None

    @classmethod
    def stored(
        cls,
        consent_id: str,
        state: State,
        personal: Mapping[str, str],
        agreement: AgreementFacts | None = None,
    ) -> ConsentRecord:
        """Continue a consent that is in the ledger, from its opened personal data."""
        record = cls(None)
        record._agreement = agreement
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

    @property
    def agreement(self) -> AgreementFacts:
        """What a platform is told about the agreement.

        Raises:
            RuntimeError: nobody has agreed.
        """
        if self._agreement is not None:
            return self._agreement
        call, heard = self._call, self._disclosure
        if call is None or heard is None or not self._agreed_at:
            raise RuntimeError("nobody has agreed")
        return AgreementFacts(
            consent_id=self.id,
            line_id=call.line_id,
            brand=call.brand,
            purpose=call.purpose,
            language=heard.language,
            disclosure_sha256=heard.sha256,
            agreed_at=self._agreed_at,
        )

    def disclosed(self, heard: DisclosureHeard, *, cut: bool = False) -> None:
        """The disclosure was played, to its end or not; `cut` if a key ended it."""
        self._disclosure = heard
        self.dialogue.played(heard.sound, heard.endpos, cut=cut)
        self._add_heard(State.DISCLOSED, **event_body(heard))

    def entered(self, number: NumberEntered) -> None:
        """A number that may be texted was keyed; the last one counts."""
        self._entered = number
        self._number = number.e164
        self._add_heard(State.ENTERED, **event_body(number))

    def confirmed(self, act: str, *, confirm_by_reply: bool = False) -> None:
        """The caller agreed, by the act that the line asks for (`number_then_1` or `number`).

        With `confirm_by_reply` the consent is complete only once a YES has come back by text.

        Raises:
            IllegalTransition: no number was entered.
            RuntimeError: the disclosure was not heard to its end in this call.
        """
        step(self.state, State.CONFIRMED)
        if self._disclosure is None or not self._disclosure.complete:
            raise RuntimeError("no consent without a disclosure that was played to its end")
        body: dict[str, Scalar] = {
            "method": "ivr_dtmf",
            "act": act,
            **commitments(self._salt, self._values()),
        }
        if confirm_by_reply:
            body["confirm_by_reply"] = True
        self._add_heard(State.CONFIRMED, **body)

    def returned(
        self,
        consent_id: str,
        *,
        region: str,
        max_age_days: int = 0,
        language: str = "",
        disclosure_sha256: str = "",
    ) -> None:
        """A caller calls from a number whose live consent for this brand is `consent_id`.

        The ledger checks in its transaction that it still is, and is not older than
        `max_age_days`. `language` and `disclosure_sha256` are of that consent's disclosure.

        Raises:
            RuntimeError: there is no caller ID.
        """
        if self._call is None or self._call.caller_id is None:
            raise RuntimeError("only a caller who shows a number can be known again")
        self._number = self._call.caller_id
        self._relies_on, self._max_age_days = consent_id, max_age_days
        self._add_heard(
            State.RETURNED,
            consent=consent_id,
            region=region,
            **commitments(self._salt, self._values()),
        )
        self._agreement = AgreementFacts(
            consent_id=self.id,
            line_id=self._call.line_id,
            brand=self._call.brand,
            purpose=self._call.purpose,
            language=language,
            disclosure_sha256=disclosure_sha256,
            agreed_at=self._agreed_at,
        )

    def submitting(
        self, sending: SendingFacts, attempt: int = 1, context: str | None = None
    ) -> None:
        """The hook is about to be called; `context` is what is sent along, if anything."""
        body: dict[str, Scalar] = {"attempt": attempt, **event_body(sending)}
        if context is not None:
            body["context"] = context
        if sending.hook_kind != INSTAPLY:
            body["hook_kind"] = sending.hook_kind
        if sending.idempotent:
            body["idempotent"] = True
        self._lease_seconds = sending.seconds
        self.repeats = self.state is State.UNKNOWN
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
        """The submission ended with this outcome.

        Args:
            state: one of `OUTCOMES`.
            reason: a stable word.
            status: the HTTP status, if one came.
            attempts: connections tried.
            answer: the SHA-256 of the answer's bytes.
            forward: the number in E.164 that the hook sent the caller to.
        """
        body: dict[str, Scalar] = {"reason": reason, "status": status, "attempts": attempts}
        named = {"answer": answer, "forward": forward}
        learned = {name: value for name, value in named.items() if value is not None}
        self._learned.update(learned)
        body.update(commitments(self._salt, learned))
        self._add(state, **body)

    def expired(self, reason: str) -> None:
        """It was never sent and must not be sent any more."""
        self._add(State.EXPIRED, reason=reason)

    def ended(self, state: State, reason: str) -> None:
        """The dialogue ended without an agreement: declined or abandoned."""
        self._add_heard(state, reason=reason)

    def withheld(self, reason: str) -> None:
        """The ledger did not take the agreement: the record ends as declined, without a number.

        To be called after an `append` that raised `Withheld` for what `take()` gave.
        """
        if self._call is None or self._number is None:
            raise RuntimeError("nothing was withheld")
        heard: list[Entry] = []
        for event in self._taken:
            if event.type is State.CONFIRMED:
                heard = cast("list[Entry]", event.body["dialogue"])  # as `_add_heard` made it
        self._pending = [event for event in self._taken if event.type not in _AGREEING]
        self.state = State.ENTERED if self._disclosure is not None else State.RETURNED
        self._add(State.DECLINED, reason=reason, dialogue=[*heard, *self.dialogue.take()])

    def take(self) -> Batch:
        """Return what must be stored now; afterwards nothing is pending.

        Personal data goes with the event that says the caller agreed and only with it: a caller who
        did not leaves no number behind.
        """
        events = self._taken = tuple(map(self._whole, self._pending))
        self._pending = []
        learned, self._learned = self._learned or None, {}
        personal = None
        if any(event.type in AGREED for event in events) and self.state is not State.DECLINED:
            personal = self._personal()
        return Batch(
            self.id,
            events,
            personal,
            self._first_disclosure(events),
            learned,
            self._lease_seconds,
        )

    def _personal(self) -> PersonalData:
        call = self._call
        assert call is not None  # noqa: S101 - an agreement has a call
        return PersonalData(
            kind="consent" if self._entered is not None else "returned",
            values={"salt": self._salt.hex(), **self._values()},
            line_id=call.line_id,
            brand=call.brand,
            seller=call.legal_name,
            purpose=call.purpose,
            rules=self._rules,
            may_lift=call.caller_is_trusted,
            relies_on=self._relies_on,
            max_age_days=self._max_age_days,
        )

    def _values(self) -> dict[str, str]:
        """The values that identify the caller, by the names that they are sealed under."""
        values = {"number": self.number}
        if self._call is not None and self._call.caller_id is not None:
            values["caller_id"] = self._call.caller_id
        if self._entered is not None:
            values["digits"] = self._entered.digits
        return values

    def _commitments(self) -> dict[str, str]:
        return commitments(self._salt, self._values())

    def _whole(self, event: StoredEvent) -> StoredEvent:
        """The event with what it says of the call, which the first one does for all of them."""
        if self._call is None or event.type not in _FIRST:
            return event
        body = {**event.body, **event_body(self._call)}
        return StoredEvent(event.event_id, event.consent_id, event.type, event.at, body)

    def _first_disclosure(self, events: tuple[StoredEvent, ...]) -> DisclosureHeard | None:
        return self._disclosure if events and events[0].type is State.DISCLOSED else None

    def _add_heard(self, state: State, **body: Scalar) -> None:
        """Add an event of the dialogue, with what was played and keyed since the one before."""
        self._add(state, **body, dialogue=self.dialogue.take())

    def _add(self, state: State, **body: Scalar | Sequence[Scalar | Sequence[Scalar]]) -> None:
        self.state = step(self.state, state, repeats="idempotent" in body)
        at = timestamp()
        if state in AGREED:
            self._agreed_at = at
        self._pending.append(StoredEvent(self._identifiers.next(), self.id, state, at, body))


_FIRST: Final = frozenset({State.DISCLOSED, State.RETURNED})
_AGREEING: Final = frozenset({State.CONFIRMED, State.SUBMITTING})
