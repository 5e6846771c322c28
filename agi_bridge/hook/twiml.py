"""Reads the TwiML in an answer's XML: the verbs that a call can carry out, as values.

Pure; `xml_document` parses the XML. Names are case-sensitive and verbs keep their order, as in
TwiML. An unknown verb or attribute is skipped and its name is in `skipped`. Known values are
clamped to what a caller can bear. What exceeds the limits of one answer is skipped under a name
whose second part begins with `too_`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from agi_bridge.hook.xml_document import Node, NotTwiml, parse_document

MAX_VERBS: Final = 16
"""More steps than any caller waits for; the rest is skipped."""
MAX_DIALS: Final = 3
"""Destinations that are rung one after the other, while the caller waits."""
MAX_SPOKEN: Final = 4096
"""Characters of all that is said, in all languages: TwiML's limit of one `Say`. Minutes."""
MAX_SILENCE: Final = 60
"""Seconds of all pauses together."""
MAX_NUMBERS: Final = 10
"""Numbers that one `Dial` rings together: TwiML's own limit."""
MAX_NUMBER_TEXT: Final = 64
"""A longer text is not a telephone number. It is skipped: if cut, it would be another number."""

_KNOWN_ANSWERS: Final = 32
_KNOWN_CHARACTERS: Final = 2048  # a longer answer is read each time it comes
_MAX_SKIPPED: Final = 20
_INTEGER: Final = re.compile(r"\s*([+-]?[0-9]{1,9})\s*")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_ODD: Final = re.compile(r"[^A-Za-z_.\-]+")


@dataclass(frozen=True, slots=True, repr=False)
class Say:
    """Speak a text.

    Attributes:
        text: one line, blanks collapsed; may hold anything, telephone numbers too.
        language: BCP 47, or None for the line's own.
        loop: how often, 1 to 3.
    """

    text: str
    language: str | None = None
    loop: int = 1

    def __repr__(self) -> str:
        return f"Say(<{len(self.text)} characters>, language={self.language!r}, loop={self.loop})"


@dataclass(frozen=True, slots=True, repr=False)
class Dial:
    """Ring one or several numbers together.

    Attributes:
        numbers: as they were sent, untrusted: see the forward policy before dialling one.
        timeout: seconds to ring, 5 to 120, or None for the line's own ring time.
        time_limit: seconds to talk, 10 to 14,400, or None for the line's own limit.
        caller_id: as it was sent, untrusted; used only where the line allows it.
    """

    numbers: tuple[str, ...]
    timeout: int | None = None
    time_limit: int | None = None
    caller_id: str | None = None

    def __repr__(self) -> str:
        shown = "None" if self.caller_id is None else "<set>"
        return (
            f"Dial(<{len(self.numbers)} numbers>, timeout={self.timeout}, "
            f"time_limit={self.time_limit}, caller_id={shown})"
        )


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait in silence, `seconds` from 0 to 30."""

    seconds: int = 1


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Reject:
    """End the call as if it had not been answered; `reason` is `rejected` or `busy`."""

    reason: Literal["rejected", "busy"] = "rejected"


Verb = Say | Dial | Pause | Hangup | Reject


def read_response(text: str) -> tuple[tuple[Verb, ...], tuple[str, ...]]:
    """The verbs of a `<Response>` in order, and the names of what was skipped.

    A business answers all its callers with the same few texts, so these are read once.

    Raises:
        NotTwiml: not XML, forbidden XML, too deep, a namespace that is too long, or another root.
    """
    return _known(text) if len(text) <= _KNOWN_CHARACTERS else _read(text)


def _read(text: str) -> tuple[tuple[Verb, ...], tuple[str, ...]]:
    root = parse_document(text, "Response")
    namespace, _, name = root.tag.rpartition("Response")
    if name or (namespace and not namespace.endswith("}")):
        raise NotTwiml("not_response")
    reader = _Reader(namespace)
    verbs = tuple(reader.verbs(root))
    return verbs, tuple(reader.skipped)


_known: Final = lru_cache(maxsize=_KNOWN_ANSWERS)(_read)


class _Reader:
    """Nodes to verbs, noting by name what is left aside."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._spoken_left = MAX_SPOKEN
        self._silence_left = MAX_SILENCE
        self._dials_left = MAX_DIALS
        self._skipped: dict[str, None] = {}  # ordered, each name once

    @property
    def skipped(self) -> Iterator[str]:
        return iter(self._skipped)

    def verbs(self, root: Node) -> Iterator[Verb]:
        self._leave("Response", root.attributes)
        if "".join(root.own).strip():
            self._skip("Response:text")
        count = 0
        for node in root.children:
            verb = self._verb(node)
            if verb is None:
                continue
            if count == MAX_VERBS:
                self._skip("Response:too_many_verbs")
                return
            count += 1
            yield verb

    def _verb(self, node: Node) -> Verb | None:
        name = self._name(node)
        if name == "Say":
            return self._say(node)
        if name == "Dial":
            return self._dial(node)
        attributes = dict(node.attributes)
        verb: Verb
        if name == "Pause":
            verb = self._pause(attributes)
        elif name == "Hangup":
            verb = Hangup()
        elif name == "Reject":
            verb = self._reject(attributes)
        else:
            self._skip(_safe(node.tag))
            return None
        self._leave(name, attributes)
        self._leave_children(name, node)
        return verb

    def _say(self, node: Node) -> Say | None:
        attributes = dict(node.attributes)
        language = attributes.pop("language", "").strip().replace("_", "-") or None
        if language is not None and _LANGUAGE.fullmatch(language) is None:
            self._skip("Say@language")
            language = None
        loop = self._whole("Say", attributes, "loop", default=1, low=0, high=3)
        self._leave("Say", attributes)
        self._leave_children("Say", node)
        text = " ".join("".join(node.spoken).split())
        if not text:
            self._skip("Say:empty")
            return None
        if len(text) > self._spoken_left:
            self._skip("Say:too_long")
            text = text[: self._spoken_left]
        self._spoken_left -= len(text)
        if not text:
            return None
        # 0 is TwiML's "endless": as often as we ever repeat.
        return Say(text, language, loop or 3)

    def _dial(self, node: Node) -> Dial | None:
        attributes = dict(node.attributes)
        timeout = self._whole("Dial", attributes, "timeout", default=0, low=5, high=120)
        limit = self._whole("Dial", attributes, "timeLimit", default=0, low=10, high=14_400)
        caller_id = attributes.pop("callerId", "").strip() or None
        if caller_id is not None and len(caller_id) > MAX_NUMBER_TEXT:
            self._skip("Dial@callerId")
            caller_id = None
        self._leave("Dial", attributes)
        numbers = self._numbers(node)
        if not numbers:
            self._skip("Dial:empty")
            return None
        if self._dials_left == 0:
            self._skip("Response:too_many_dials")
            return None
        self._dials_left -= 1
        return Dial(numbers, timeout or None, limit or None, caller_id)

    def _numbers(self, node: Node) -> tuple[str, ...]:
        """The nested `<Number>`s, or else the text of the `<Dial>` itself."""
        nested = [child for child in node.children if self._name(child) == "Number"]
        for child in nested:
            self._leave("Number", child.attributes)
        self._leave_children("Dial", node, known="Number")
        texts = ("".join(child.own) for child in nested) if nested else ["".join(node.own)]
        numbers: list[str] = []
        for text in texts:
            number = " ".join(text.split())
            if len(number) > MAX_NUMBER_TEXT:
                self._skip("Dial:too_long")
            elif len(numbers) == MAX_NUMBERS:
                self._skip("Dial:too_many_numbers")
            elif number:
                numbers.append(number)
        return tuple(numbers)

    def _pause(self, attributes: dict[str, str]) -> Pause:
        seconds = self._whole("Pause", attributes, "length", default=1, low=0, high=30)
        if seconds > self._silence_left:
            self._skip("Pause:too_long")
            seconds = self._silence_left
        self._silence_left -= seconds
        return Pause(seconds)

    def _reject(self, attributes: dict[str, str]) -> Reject:
        reason = attributes.pop("reason", "rejected")
        if reason == "busy":
            return Reject("busy")
        if reason != "rejected":
            self._skip("Reject@reason")
        return Reject()

    def _whole(
        self, verb: str, attributes: dict[str, str], name: str, *, default: int, low: int, high: int
    ) -> int:
        """A whole number between two bounds; the default if it is absent or no number."""
        text = attributes.pop(name, None)
        if text is None:
            return default
        found = _INTEGER.fullmatch(text)
        if found is None:
            self._skip(f"{verb}@{name}")
            return default
        return min(max(int(found[1]), low), high)

    def _name(self, node: Node) -> str:
        """The verb's name, or '' for an element of another namespace than the root's."""
        name = node.tag.removeprefix(self._namespace)
        return "" if "}" in name or not node.tag.startswith(self._namespace) else name

    def _leave(self, verb: str, attributes: dict[str, str]) -> None:
        for name in attributes:
            self._skip(f"{verb}@{_safe(name)}")

    def _leave_children(self, verb: str, node: Node, known: str | None = None) -> None:
        for child in node.children:
            if self._name(child) != known:
                self._skip(f"{verb}>{_safe(child.tag)}")

    def _skip(self, name: str) -> None:
        if len(self._skipped) < _MAX_SKIPPED:
            self._skipped[name] = None


def _safe(name: str) -> str:
    """A foreign name for a log: no namespace, no digits (they could be a number), not long."""
    return _ODD.sub("#", name.rpartition("}")[2])[:32]
