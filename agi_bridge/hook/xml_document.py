"""Parses the XML of an answer, untrusted and not always well-formed, into a tree of nodes.

Pure; it does not know the verbs of TwiML. No document type, no entity, and no more than
`MAX_DEPTH` levels. A text that is not well-formed is repaired where its meaning
is certain: the vendor's own examples have typographic quotes. Anything that a server puts around
the document, such as a PHP warning, is ignored.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from html.entities import html5
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

MAX_DEPTH: Final = 8
"""`<Response><Say><prosody><emphasis>` is four deep; a bomb is thousands."""
MAX_NAMESPACE: Final = 256
"""Characters of a namespace's name. The parser repeats it in front of each element's name."""

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

# Elements of HTML that have no end tag, and those whose end tag may be left out.
_UNPAIRED: Final = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
        *("track", "wbr", "dd", "dt", "li", "p", "td", "th", "tr"),
    }
)
_HIDDEN: Final = (("<!--", "-->"), ("<?", "?>"), ("<script", "</script"), ("<style", "</style"))
"""What may hold anything and shows nothing, in small letters. An open `<?` is source code."""
_NAME: Final = re.compile(r"<(/?)([a-z_][\w.:-]*)")


class NotTwiml(ValueError):  # noqa: N818 - an answer that is not what it should be, not our error
    """The text is not a TwiML document.

    Attributes:
        reason: `not_xml`, `forbidden_xml`, `too_deep`, `too_large` or `not_response`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Node:
    """An element: its own text, and the text of all that is inside it."""

    tag: str
    attributes: dict[str, str]
    own: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    children: "list[Node]" = field(default_factory=list)


def parse_document(text: str, root: str) -> Node:
    """Return the root element of a document.

    A text that is not well-formed is repaired where its meaning is certain, see `_repaired`. If it
    still is not, and a whole element `root` stands in it, that is the document, see `_bare`.

    Raises:
        NotTwiml: not XML, forbidden XML, too deep, or a namespace that is too long.
    """
    text = text.strip("\0").strip()
    if declaration := _DECLARATION.match(text):
        text = text[declaration.end() :]
    for candidate in _candidates(text, root):
        with suppress(ParseError):
            return _parse(candidate)
    raise NotTwiml("not_xml")


class _Builder:
    """Target of the parser: builds nodes, and stops at the depth limit while it still reads."""

    def __init__(self) -> None:
        self.document = Node("", {})
        self._open = [self.document]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise NotTwiml("too_deep")
        self._part(tag)
        node = Node(tag, attributes)
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


def _parse(text: str) -> Node:
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


def _candidates(text: str, root: str) -> Iterator[str]:
    """Yield what the document may be: the text as it came first."""
    yield text
    yield _repaired(text)
    if (bare := _bare(text, root)) is not None:
        yield bare
        yield _repaired(bare)


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

    parts = list(_parted(text, "<![CDATA[", "]]>"))
    parts[::2] = [
        _TAG.sub(mend, _VOID.sub(_closed, _AMPERSAND.sub(_reference, part))) for part in parts[::2]
    ]
    return "".join(parts)


def _bare(text: str, root: str) -> str | None:
    """The document in a text that has something before or behind it; None if there is none.

    It reaches from the first start tag to the last end tag of the root, and no start tag follows:
    two documents stay what they are, not well-formed. Before it may stand text and whole elements,
    such as warnings that an interpreter prints and scripts of a proxy. If an element, a comment or
    a document type is open there, the document is part of something else, such as a page about it.
    """
    starts = [found.start() for found in re.finditer(rf"<{root}(?=[\s/>])", text)]
    if not starts or not _is_closed(text[: starts[0]].lower()):
        return None
    ends = [found.end() for found in re.finditer(rf"</{root}\s*>", text)]
    if not ends:  # it may be empty: <Response/>
        tag = _TAG.match(text, starts[0])
        ends = [tag.end()] if tag is not None and tag[0].endswith("/>") else [0]
    return text[starts[0] : ends[-1]] if starts[-1] < ends[-1] else None


def _is_closed(markup: str) -> bool:
    """Whether nothing is open at the end of some HTML in small letters."""
    for opening, closing in _HIDDEN:
        markup = "".join([*_parted(markup, opening, closing)][::2])
        if opening in markup:
            return False
    if "<!" in markup:
        return False
    open_: Counter[str] = Counter()
    for tag in _TAG.findall(markup):
        name = _NAME.match(tag)
        if name is not None and name[2] not in _UNPAIRED and not tag.endswith("/>"):
            open_[name[2]] += -1 if name[1] else 1
    return not any(open_.values())


def _parted(text: str, opening: str, closing: str) -> Iterator[str]:
    """Yield by turns what is outside and inside two marks, such as those of a CDATA section.

    In one pass, unlike a pattern.
    """
    place = 0
    while (start := text.find(opening, place)) >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            break
        end += len(closing)
        yield text[place:start]
        yield text[start:end]
        place = end
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
