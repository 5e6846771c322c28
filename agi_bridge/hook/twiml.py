"""The subset of TwiML that a telephone can act upon, as values. Pure.

Names are case-sensitive and verbs keep their order, as in TwiML. What we do not know is skipped
and named in `skipped`; what we know is clamped to what a caller can bear. The XML is untrusted:
no document type, no entities, a limit on depth and on what one answer may ask for. What is beyond
that limit is skipped under a name that says so: its second part begins with `too_`.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5
from typing import Final, Literal
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

MAX_DEPTH: Final = 8
"""`<Response><Say><prosody><emphasis>` is four deep; a bomb is thousands."""
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
"""A longer text is no telephone number. It is skipped, not cut: a cut number is another number."""

MAX_NAMESPACE: Final = 256
"""Characters of a namespace's name. The parser repeats it in front of each element's name."""

_MAX_SKIPPED: Final = 20
_DECLARATION: Final = re.compile(r"<\?xml[^>]*\?>")
# Elements inside a text that leave a word whole: SSML's, as TwiML takes them, and HTML's. All
# others part what stands before and behind them, as `<p>`, `<s>` and `<br/>` do.
_INLINE: Final = frozenset(
    {
        *("emphasis", "lang", "mark", "phoneme", "prosody", "say-as", "sub"),
        *("a", "abbr", "b", "em", "font", "i", "q", "small", "span", "strong", "sup", "u", "wbr"),
    }
)
_TAG: Final = re.compile(r"<[^<>]*>")
_LONG_NAMESPACE: Final = re.compile(
    rf"""xmlns[^=<>]{{0,100}}=\s*(?:"[^"]{{{MAX_NAMESPACE + 1}}}|'[^']{{{MAX_NAMESPACE + 1}}})"""
)
# What XML 1.0 (2.2) allows in no document, not even as a character reference.
_FORBIDDEN: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_AMPERSAND: Final = re.compile(
    r"&(?:#([0-9]{1,7});|#[xX]([0-9A-Fa-f]{1,6});|(\w{1,32});)?", re.ASCII
)
_XML_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
_VOID: Final = re.compile(r"<(br|wbr|hr)\b([^<>]*?)/?>|</(?:br|wbr|hr)\s*>", re.IGNORECASE)
_PREFIX: Final = re.compile(r"xmlns:([\w.-]+)\s*=")
# A name with a prefix: at the head of a tag, or as an attribute's name.
_PREFIXED: Final = re.compile(r"""(</?|\s)([A-Za-z_][\w.-]*):(?=[A-Za-z_][\w.-]*(?:[\s/>=]))""")
_UNQUOTED: Final = re.compile(r"""("[^"]*"|'[^']*')|=\s*([^\s"'<>=]+?)(?=\s|/?>$)""")
# An attribute's value between quotes of any shape; a double one may hold single ones, and back.
_QUOTED: Final = re.compile(
    "=\\s*(?:"
    '["\u201c-\u201f\u2033]([^<>"\u201c-\u201f\u2033]*)["\u201c-\u201f\u2033]'
    "|"
    "['\u2018-\u201b\u2032]([^<>'\u2018-\u201b\u2032]*)['\u2018-\u201b\u2032]"
    ")"
)
_INTEGER: Final = re.compile(r"\s*([+-]?[0-9]{1,9})\s*")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_ODD: Final = re.compile(r"[^A-Za-z_.\-]+")


class NotTwiml(ValueError):  # noqa: N818 - an answer that is not what it should be, not our error
    """The text is no TwiML document.

    Attributes:
        reason: `not_xml`, `forbidden_xml`, `too_deep`, `too_large` or `not_response`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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

    A text that is not well-formed is repaired where its meaning is certain, see `_repaired`.

    Raises:
        NotTwiml: not XML, forbidden XML, too deep, a namespace that is too long, or another root.
    """
    text = text.strip("\0").strip()
    if declaration := _DECLARATION.match(text):
        text = text[declaration.end() :]
    try:
        root = _parse(text)
    except ParseError:
        try:
            root = _parse(_repaired(text))
        except ParseError:
            raise NotTwiml("not_xml") from None  # its text quotes nothing, but none is needed
    namespace, _, name = root.tag.rpartition("Response")
    if name or (namespace and not namespace.endswith("}")):
        raise NotTwiml("not_response")
    reader = _Reader(namespace)
    verbs = tuple(reader.verbs(root))
    return verbs, tuple(reader.skipped)


@dataclass(slots=True)
class _Node:
    """An element: its own text, and the text of all that is inside it."""

    tag: str
    attributes: dict[str, str]
    own: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    children: "list[_Node]" = field(default_factory=list)


class _Builder:
    """Target of the parser: builds nodes, and stops at the depth limit while it still reads."""

    def __init__(self) -> None:
        self.document = _Node("", {})
        self._open = [self.document]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise NotTwiml("too_deep")
        self._part(tag)
        node = _Node(tag, attributes)
        self._open[-1].children.append(node)
        self._open.append(node)

    def data(self, text: str) -> None:
        self._open[-1].own.append(text)
        for node in self._open:
            node.spoken.append(text)

    def end(self, tag: str) -> None:
        self._open.pop()
        self._part(tag)

    def _part(self, tag: str) -> None:
        if tag.rpartition("}")[2].lower() not in _INLINE:
            for node in self._open:
                node.spoken.append(" ")

    def close(self) -> None:
        """The parser wants it; the document is read from the attribute."""


def _parse(text: str) -> _Node:
    if _LONG_NAMESPACE.search(text):
        raise NotTwiml("too_large")
    builder = _Builder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    try:
        parser.feed(text)
        parser.close()
    except DefusedXmlException:
        raise NotTwiml("forbidden_xml") from None  # its text quotes the document
    return builder.document.children[0]


def _repaired(text: str) -> str:
    """The text as XML, where what is meant is certain.

    * Typographic quotes around attribute values, as the vendor's page prints them, and values
      without quotes get straight ones.
    * HTML's entities become their characters, other ampersands `&amp;`.
    * HTML's void elements (`<br>`) are closed.
    * Control characters that XML forbids are dropped.
    * The colon of a prefix that no `xmlns:` binds becomes a full stop: the name stays foreign.
    """
    text = _FORBIDDEN.sub("", text)
    bound = {"xml", "xmlns", *_PREFIX.findall(text)}

    def without_prefix(found: re.Match[str]) -> str:
        return found[0] if found[2] in bound else f"{found[1]}{found[2]}."

    def mend(tag: re.Match[str]) -> str:
        mended = _QUOTED.sub(_requote, tag[0])
        if mended.startswith(("<!", "<?")):
            return mended
        mended = _UNQUOTED.sub(lambda found: found[1] or f'="{found[2]}"', mended)
        return _PREFIXED.sub(without_prefix, mended)

    parts = list(_parted(text))
    parts[::2] = [
        _TAG.sub(mend, _VOID.sub(_closed, _AMPERSAND.sub(_reference, part))) for part in parts[::2]
    ]
    return "".join(parts)


def _parted(text: str) -> Iterator[str]:
    """Yield what is outside and inside CDATA sections by turns. In one pass, unlike a pattern."""
    place = 0
    while (start := text.find("<![CDATA[", place)) >= 0:
        end = text.find("]]>", start)
        if end < 0:
            break
        yield text[place:start]
        yield text[start : end + 3]
        place = end + 3
    yield text[place:]


def _closed(found: re.Match[str]) -> str:
    return "" if found[1] is None else f"<{found[1]}{found[2]}/>"


def _reference(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if decimal or hexadecimal:
        code = int(decimal) if decimal else int(hexadecimal, 16)
        allowed = code <= sys.maxunicode and not _FORBIDDEN.match(chr(code))
        return found[0] if allowed else ""
    if name in _XML_ENTITIES:
        return found[0]
    if name is not None and (character := html5.get(f"{name};")) is not None:
        return "".join(f"&#{ord(each)};" for each in character)
    return f"&amp;{found[0][1:]}"


def _requote(found: re.Match[str]) -> str:
    value: str = found[1] if found[1] is not None else found[2]
    return '="' + value.replace('"', "&quot;") + '"'


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

    def verbs(self, root: _Node) -> Iterator[Verb]:
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

    def _verb(self, node: _Node) -> Verb | None:
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

    def _say(self, node: _Node) -> Say | None:
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

    def _dial(self, node: _Node) -> Dial | None:
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

    def _numbers(self, node: _Node) -> tuple[str, ...]:
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

    def _name(self, node: _Node) -> str:
        """The verb's name, or '' for an element of another namespace than the root's."""
        name = node.tag.removeprefix(self._namespace)
        return "" if "}" in name or not node.tag.startswith(self._namespace) else name

    def _leave(self, verb: str, attributes: dict[str, str]) -> None:
        for name in attributes:
            self._skip(f"{verb}@{_safe(name)}")

    def _leave_children(self, verb: str, node: _Node, known: str | None = None) -> None:
        for child in node.children:
            if self._name(child) != known:
                self._skip(f"{verb}>{_safe(child.tag)}")

    def _skip(self, name: str) -> None:
        if len(self._skipped) < _MAX_SKIPPED:
            self._skipped[name] = None


def _safe(name: str) -> str:
    """A foreign name for a log: no namespace, no digits (they could be a number), not long."""
    return _ODD.sub("#", name.rpartition("}")[2])[:32]
