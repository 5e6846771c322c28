"""Reads the hook's answer: status, type and body become instructions, a refusal or unusable.

Pure: bytes and a status in, one `Answer` out.

The contract is the vendor's page (IVR integration, "Response"): a 200 with a small subset of
TwiML, a 403 for a wrong key, a 400 for a missing parameter. Everything else is `Unusable`: a fault
on the other side, with a stable word as its reason.

All of an answer is read before anything of it is acted upon. What is read is untrusted: numbers
and texts are handed on as they came, and no `repr` here shows them.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

from agi_bridge.hook.text import decode, normalised, straight_quotes
from agi_bridge.hook.twiml import (
    Dial,
    Hangup,
    Pause,
    Reject,
    Say,
    Verb,
    read_response,
)
from agi_bridge.hook.xml_document import NotTwiml

__all__ = [
    "MAX_BYTES",
    "Answer",
    "Dial",
    "Hangup",
    "Instructions",
    "Kind",
    "Pause",
    "Refusal",
    "RefusalReason",
    "Reject",
    "Say",
    "Unusable",
    "Verb",
    "read_answer",
]

MAX_BYTES: Final = 65_536
"""An answer is a few hundred bytes; a longer body than this is not looked at."""

Kind = Literal["dial", "no_forwarding", "not_linked", "other", "no_document"]
RefusalReason = Literal["invalid_key", "missing_parameter", "client_error"]

# The vendor's page, "Response", rows 2 and 3; any of the languages is enough to know the answer.
_NO_FORWARDING: Final = {
    normalised("Sorry, this store did not define voice call forwarding"),
    normalised("Désolé, ce magasin n'a pas défini de numéro vocal"),
}
_NOT_LINKED: Final = {
    normalised("Sorry, this number is not linked to any store"),
    normalised("Désolé, ce numéro n'est lié à aucun magasin"),
}
# RFC 9110, 15.5.9 and 15.5.10; RFC 8470, 5.2; RFC 6585, 4: the request may be or become valid. An
# idempotent receiver answers 409 while it still works on the same key.
_TRY_AGAIN: Final = frozenset({408, 409, 425, 429})
_ACCEPTING: Final = frozenset({200, 201, 202, 204})
_LONGEST_SENTENCE: Final = 200
"""Characters; a longer text is none of the vendor's sentences, and costs time to compare."""
_PROPERTY: Final = re.compile(r'"property"\s*:\s*"(?:@\.)?(key|from|to|context)"')
_NAMES_KEY: Final = re.compile(r'"key"\s*:')


@dataclass(frozen=True, slots=True)
class Instructions:
    """A readable answer: the verbs in document order.

    Attributes:
        verbs: what to do; empty if nothing in the answer can be acted upon.
        kind: `dial` if any verb dials; else which documented answer it is; else `other`. A webhook
            that accepts and names nothing to do: `no_document`.
        skipped: names of verbs and `Verb@attribute`s that were left aside, for the log.
    """

    verbs: tuple[Verb, ...]
    kind: Kind
    skipped: tuple[str, ...] = ()

    @property
    def over_limit(self) -> tuple[str, ...]:
        """Those of `skipped` that were too many or too long."""
        return tuple(name for name in self.skipped if name.partition(":")[2].startswith("too_"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """The hook understood and refused: a fault of our key, our request or our configuration.

    Attributes:
        status: the HTTP status, 400 to 499.
        reason: `invalid_key`, `missing_parameter` or `client_error`.
        field: the request field that the hook complains about, if it names a known one.
    """

    status: int
    reason: RefusalReason
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    """No answer that can be understood; whether the text was sent is unknown.

    Attributes:
        status: the HTTP status, None if there was none.
        reason: `too_large`, `empty`, `not_xml`, `forbidden_xml`, `too_deep`,
            `not_response`, `redirect`, `server_error`, `unexpected_status`; of a webhook also
            `try_again`. The client adds its own for the network.
    """

    status: int | None
    reason: str


Answer = Instructions | Refusal | Unusable


def read_answer(
    status: int, content_type: str | None, body: bytes, *, may_be_empty: bool = False
) -> Answer:
    """The meaning of an answer; never raises.

    Args:
        status: the HTTP status.
        content_type: the header as it came, asked only for a charset: what the body is, it shows.
        body: all of it, undone of any content encoding.
        may_be_empty: it is a webhook's: any 2xx accepts, with a document or without, and the
            statuses that ask for another try refuse nothing.
    """
    if may_be_empty:
        if status in _TRY_AGAIN:
            return Unusable(status, "try_again")
        if status in _ACCEPTING and not body.strip():
            return Instructions((), "no_document")
        status = HTTPStatus.OK if status in _ACCEPTING else status
    return _read_answer(status, content_type, body)


def _read_answer(status: int, content_type: str | None, body: bytes) -> Answer:
    too_large = len(body) > MAX_BYTES
    if 400 <= status < 500:  # noqa: PLR2004 - RFC 9110, 15.5
        if too_large:
            return Refusal(status, "client_error")  # the status says enough
        return _read_refusal(status, decode(body, content_type))
    if too_large:
        return Unusable(status, "too_large")
    if status == HTTPStatus.OK:
        return _read_ok(decode(body, content_type))
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110, 15.4
        return Unusable(status, "redirect")
    return Unusable(status, "server_error" if status >= 500 else "unexpected_status")  # noqa: PLR2004 - RFC 9110, 15.6


def _read_ok(text: str) -> Instructions | Unusable:
    if not text.strip():
        return Unusable(200, "empty")
    try:
        verbs, skipped = read_response(text)
    except NotTwiml as error:
        return Unusable(200, error.reason)
    return Instructions(verbs, _kind(verbs), skipped)


def _kind(verbs: tuple[Verb, ...]) -> Kind:
    if any(isinstance(verb, Dial) for verb in verbs):
        return "dial"
    spoken = (verb.text for verb in verbs if isinstance(verb, Say))
    texts = {normalised(text) for text in spoken if len(text) <= _LONGEST_SENTENCE}
    if not texts.isdisjoint(_NOT_LINKED):
        return "not_linked"
    return "other" if texts.isdisjoint(_NO_FORWARDING) else "no_forwarding"


def _read_refusal(status: int, text: str) -> Refusal:
    """The vendor's JSON, read by its names: the page's own example is not well-formed."""
    text = straight_quotes(text)
    if status == HTTPStatus.FORBIDDEN and (_NAMES_KEY.search(text) or not text.strip()):
        return Refusal(status, "invalid_key", "key")
    found = _PROPERTY.search(text)
    field = found[1] if found else None
    if status == HTTPStatus.BAD_REQUEST and found and "missing" in text.casefold():
        return Refusal(status, "missing_parameter", field)
    return Refusal(status, "client_error", field)
