"""Decides whether a text message is an opt-out request, in English, Spanish and French.

"Any reasonable means" of revoking count (47 CFR 64.1200(a)(10)). A message is a STOP if it is
a phrase of `stop_phrases`, or a sentence with no other meaning. An unclear message goes to a
person: that costs a minute, but a missed request means another text to somebody who refused.

`stop_text` turns the message into words. Words become the longest known phrases, and rules compare
the kinds of these phrases, in time proportional to the length of the message.
"""

from __future__ import annotations

import difflib
import itertools
import re
from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import TYPE_CHECKING, Final

from agi_bridge.web.stop_phrases import LANGUAGES, OPPOSITE, SIGNS, several
from agi_bridge.web.stop_refusals import may_refuse
from agi_bridge.web.stop_text import Reading, is_liking, readings, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LONGEST: Final = 2000
"""Characters that are read. Ten joined text messages, the maximum of networks, have fewer."""

_SHORT: Final = 8
"""Maximum number of phrases in a message with one topic."""

_NEAR: Final = 5
"""Maximum distance, in phrases, of two phrases that belong together."""

_LONG_WORD: Final = 6
"""Minimum length of a word that a typing error does not turn into another word."""

_LONGEST_GLUED: Final = 60
"""Maximum length, in letters, of a message that is also read without its blanks."""


class Intent(StrEnum):
    """The intent of a message."""

    STOP = "stop"
    UNCLEAR = "unclear"
    """Perhaps an opt-out: a person must read it."""
    YES = "yes"
    """An agreement (`yes_words`); `read_intent` never says so."""
    OTHER = "other"


def read_intent(message: str) -> Intent:
    """Decide whether a message is an opt-out request.

    Case, accents, punctuation and invisible characters do not count. Neither does quoted text in a
    reply, unless it may mean a STOP: then the intent is unclear.
    """
    text = message[:_LONGEST]
    if is_liking(text):
        return Intent.OTHER
    own = unquoted(text)
    intents = {_intent_of(reading) for reading in readings(own)}
    if Intent.STOP in intents:
        return Intent.STOP
    if own != text:
        intents |= {_intent_of(reading) for reading in readings(text)}
    if intents != {Intent.OTHER} or any(sign in SIGNS for sign in text) or may_refuse(own):
        return Intent.UNCLEAR
    return Intent.OTHER


# -- kinds of phrases -----------------------------------------------------------------------------


class _Kind(Flag):
    """The kinds of a phrase; a phrase may have several."""

    REQUEST = auto()
    ALONE = auto()
    CONTACT = auto()
    REFUSAL = auto()
    SOFT = auto()
    NOTHING = auto()
    REMOVAL = auto()
    TEXT = auto()
    RECORD = auto()
    DETAIL = auto()
    PERMISSION = auto()
    OWN = auto()
    AT_ALL = auto()
    AROUND = auto()
    COURTESY = auto()
    PERHAPS = auto()
    HINT = auto()


_UNKNOWN: Final = _Kind(0)
_SUBJECT: Final = _Kind.TEXT | _Kind.RECORD | _Kind.DETAIL | _Kind.PERMISSION
_ASKING: Final = _Kind.REQUEST | _Kind.CONTACT | _Kind.NOTHING
_FILLING: Final = _Kind.AROUND | _Kind.AT_ALL | _Kind.OWN


_MERE: Final = frozenset({"no", "nope", "non", "i said", "again"})
"""A sentence that does not make a STOP beside it unclear."""


def _split(phrases: str) -> Iterator[str]:
    return (" ".join(phrase.split()) for phrase in phrases.split(","))


def _known() -> tuple[dict[str, _Kind], tuple[str, ...]]:
    """All phrases with their kinds, and the prefixes of words that are hints."""
    known: dict[str, _Kind] = {}
    stems: list[str] = []
    for language in LANGUAGES:
        for kind, phrases in (
            (_Kind.REQUEST, language.requests),
            (_Kind.ALONE, language.alone),
            (_Kind.CONTACT, language.contact),
            (_Kind.REFUSAL, language.refusals),
            (_Kind.SOFT, language.soft),
            (_Kind.NOTHING, several(language.nothing, language.texts)),
            (_Kind.REMOVAL, language.removals),
            (_Kind.TEXT, language.texts),
            (_Kind.RECORD, language.records),
            (_Kind.DETAIL, language.details),
            (_Kind.PERMISSION, language.permissions),
            (_Kind.OWN, language.own),
            (_Kind.AT_ALL, language.at_all),
            (_Kind.AROUND, language.around),
            (_Kind.COURTESY, language.courtesies),
            (_Kind.PERHAPS, language.perhaps),
            (_Kind.HINT, language.hints),
        ):
            for phrase in _split(phrases):
                if phrase.endswith("*"):
                    stems.append(phrase[:-1])
                else:
                    known[phrase] = known.get(phrase, _UNKNOWN) | kind
    return known, tuple(stems)


_KNOWN, _STEMS = _known()

_MOST_WORDS: Final = {
    first: max(phrase.count(" ") + 1 for phrase in phrases)
    for first, phrases in itertools.groupby(sorted(_KNOWN), key=lambda p: p.partition(" ")[0])
}
"""For each word, the length in words of the longest phrase that begins with it."""

_SINGLE: Final = [
    phrase
    for phrase, kinds in _KNOWN.items()
    if kinds & (_Kind.REQUEST | _Kind.ALONE | _Kind.REMOVAL)
    and re.fullmatch(r"[a-z]{4,}", phrase)  # shorter ones are near anything
]
_LONG: Final = [word for word in _SINGLE if len(word) >= _LONG_WORD]

_GLUED: Final = {
    phrase.replace(" ", ""): bool(kinds & _ASKING)
    for phrase, kinds in _KNOWN.items()
    if len(phrase) > 1 and kinds & (_ASKING | _FILLING | _SUBJECT | _Kind.COURTESY)
} | {
    phrase.replace(" ", ""): True
    for language in LANGUAGES
    for phrase in _split(several(language.refusals, language.texts))
}
"""Phrases without blanks, and whether each is a request. Single letters are left out."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A phrase that was found: its kinds, its words, and the number of words before it."""

    kinds: _Kind
    text: str
    start: int


def _intent_of(reading: Reading) -> Intent:
    words, breaks = _without_courtesies(reading)
    if not words:
        return Intent.OTHER
    phrases = list(_phrases(words))
    clauses = [list(_phrases(clause)) for clause in _clauses(words, breaks)]
    if _asks(phrases, breaks) or (clauses and all(_asks(one, frozenset()) for one in clauses)):
        return Intent.STOP
    if _may_ask(phrases, breaks) or _is_misspelt(phrases) or _is_glued(words):
        return Intent.UNCLEAR
    return Intent.OTHER


def _most_words(words: Sequence[str], place: int) -> int:
    """The maximum length in words of a phrase that begins here; 0 if no phrase does."""
    return min(_MOST_WORDS.get(words[place], 0), len(words) - place)


def _without_courtesies(reading: Reading) -> tuple[list[str], frozenset[int]]:
    left: list[str] = []
    breaks: set[int] = set()
    place = 0
    while place < len(reading.words):
        if place in reading.breaks:
            breaks.add(len(left))
        for size in range(_most_words(reading.words, place), 0, -1):
            phrase = reading.words[place : place + size]
            if kinds := _KNOWN.get(" ".join(phrase)):
                left += () if kinds == _Kind.COURTESY else phrase
                place += size
                break
        else:
            left.append(reading.words[place])
            place += 1
    return left, frozenset(breaks - {0})


def _clauses(words: Sequence[str], breaks: frozenset[int]) -> Iterator[Sequence[str]]:
    """Yield the parts between commas and full stops, without a mere "no"."""
    places = [0, *sorted(breaks), len(words)]
    for start, end in itertools.pairwise(places):
        clause = words[start:end]
        if clause and " ".join(clause) not in _MERE:
            yield clause


def _phrases(words: Sequence[str]) -> Iterator[_Phrase]:
    """Yield the longest known phrases from left to right, and the unknown words between them."""
    place = 0
    while place < len(words):
        for size in range(max(1, _most_words(words, place)), 0, -1):
            text = " ".join(words[place : place + size])
            kinds = _KNOWN.get(text, _UNKNOWN)
            if size == 1 and text.startswith(_STEMS):
                kinds |= _Kind.HINT
            if kinds:
                break
        yield _Phrase(kinds, text, place)
        place += size


# -- rules ----------------------------------------------------------------------------------------


def _asks(phrases: Sequence[_Phrase], breaks: frozenset[int]) -> bool:
    """Whether the whole message has no other meaning than STOP."""

    def only(kinds: _Kind) -> bool:
        return all(phrase.kinds & kinds for phrase in phrases)

    def has(kinds: _Kind) -> bool:
        return any(phrase.kinds & kinds for phrase in phrases)

    removal = only(_FILLING | _Kind.REMOVAL | _Kind.RECORD | _Kind.PERMISSION | _Kind.TEXT)
    return (
        (has(_Kind.REQUEST) and only(_FILLING | _Kind.REQUEST | _SUBJECT))
        or (has(_Kind.ALONE) and only(_Kind.ALONE | _Kind.AT_ALL))
        or (has(_Kind.NOTHING) and only(_Kind.NOTHING | _Kind.AT_ALL))
        or (has(_Kind.CONTACT) and only(_FILLING | _Kind.CONTACT))
        or (
            only(_FILLING | _Kind.REFUSAL | _Kind.TEXT)
            and _joined(phrases, breaks, _Kind.REFUSAL, _Kind.TEXT)
        )
        or (removal and _joined(phrases, breaks, _Kind.REMOVAL, _Kind.PERMISSION))
        or (removal and has(_Kind.OWN) and _joined(phrases, breaks, _Kind.REMOVAL, _Kind.RECORD))
    )


def _joined(
    phrases: Sequence[_Phrase], breaks: frozenset[int], first: _Kind, second: _Kind
) -> bool:
    """Whether one kind follows another, with only filler words and no comma between them."""
    open_ = False
    for phrase in phrases:
        if phrase.start in breaks:
            open_ = False
        if open_ and phrase.kinds & second:
            return True
        if phrase.kinds & first:
            open_ = True
        elif not phrase.kinds & _FILLING:
            open_ = False
    return False


def _may_ask(phrases: Sequence[_Phrase], breaks: frozenset[int]) -> bool:
    """Whether anything in it may be an opt-out, so that a person must read it."""
    sure = _Kind.REQUEST | _Kind.CONTACT | _Kind.NOTHING | _Kind.HINT
    if any(phrase.kinds & sure for phrase in phrases):
        return True
    # "exit", "I quit", "end this": hardly anything else is said.
    asked = _Kind.PERHAPS | _Kind.ALONE
    if any(phrase.kinds & asked for phrase in phrases) and all(
        phrase.kinds & (asked | _FILLING | _SUBJECT) for phrase in phrases
    ):
        return True
    return _names(phrases, breaks)


def _names(phrases: Sequence[_Phrase], breaks: frozenset[int]) -> bool:
    """Whether something is refused or removed, with texts, a number or similar named nearby."""
    short = len(phrases) <= _SHORT
    refused = removed = named = -2 * _NEAR
    for place, phrase in enumerate(phrases):
        if phrase.start in breaks and not short:
            removed = named = -2 * _NEAR
        if phrase.kinds & _SUBJECT:
            named = place
        if phrase.kinds & _Kind.REMOVAL:
            removed = place
        near = _SHORT if short else _NEAR
        if phrase.kinds & _Kind.TEXT and place - refused <= _NEAR:
            return True
        if named >= 0 and removed >= 0 and abs(named - removed) <= near:
            return True
        if phrase.kinds & (_Kind.REFUSAL | _Kind.SOFT):
            refused = place
    return False


def _is_misspelt(phrases: Sequence[_Phrase]) -> bool:
    """Whether the only unknown word is nearly a known one, and nothing has another topic."""
    unknown = [phrase.text for phrase in phrases if not phrase.kinds]
    if len(unknown) != 1 or unknown[0] in OPPOSITE or len(phrases) > _SHORT:
        return False
    word = unknown[0]
    once = re.sub(r"(.)\1", r"\1", word)
    if any(once[:1] == one[0] and sorted(once) == sorted(one) for one in _SINGLE):
        return True
    if any(_slipped(word, one) for one in ("stop", *_LONG)):
        return True
    return bool(difflib.get_close_matches(word, _LONG, n=1, cutoff=0.85))


def _slipped(word: str, right: str) -> bool:
    """Whether one letter is wrong, missing or extra, or two are swapped."""
    if abs(len(word) - len(right)) > 1:
        return False
    head = _shared(word, right)
    tail = _shared(word[head:][::-1], right[head:][::-1])
    given, wanted = word[head : len(word) - tail], right[head : len(right) - tail]
    swapped = len(given) == len(wanted) == 2 and given == wanted[::-1]  # noqa: PLR2004 - a pair
    return swapped or (len(given) <= 1 and len(wanted) <= 1)


def _shared(one: str, other: str) -> int:
    """The length of the common prefix of two words."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _is_glued(words: Sequence[str]) -> bool:
    """Whether a request has missing or extra blanks: "stopsendingtexts", "st op"."""
    text = "".join(words)
    if len(text) > _LONGEST_GLUED or text in OPPOSITE:
        return False
    # How far known phrases go from the start, and whether a request can be among them.
    reached: dict[int, bool] = {0: False}
    for start in range(len(text)):
        if start in reached:
            for end in range(start + 1, len(text) + 1):
                if (asks := _GLUED.get(text[start:end])) is not None:
                    reached[end] = reached.get(end, False) or reached[start] or asks
    return reached.get(len(text), False)
