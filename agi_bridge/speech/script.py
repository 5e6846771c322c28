"""The script: every text of the dialogue, by language, with places for what is a line's own.

One TOML file a language; a folder of one's own adds languages to those shipped, or replaces one
whole. A text may hold these places, and no other:

    {brand}       the name that callers know
    {policy_url}  where terms and privacy are, read aloud: example.com/text -> "example dot com ..."
    {help}        the word that the language's texters send for help
    {digits}      at the end only: what the PBX says after the recording
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.plain_text import NotText, read_text

from .errors import BadScript
from .prompt_names import PROMPTS, language_tags, one_line
from .recording import text_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEXTS: Final = Path(__file__).parent / "texts"
"""The scripts that come with the package."""

NAMES: Final = ("disclosure-marketing", *(n for n in PROMPTS if n != "disclosure-example-store"))
"""Every text that a language has to have."""

WORDS: Final = ("help", "dot", "slash", "dash")
"""Every word that a language has to have."""

_DIGITS = "{digits}"
_PLACE = re.compile(r"\{([^{}]*)\}")
_PLACES = frozenset({"brand", "policy_url", "help", "digits"})
_SPOKEN_SIGNS = {".": "dot", "/": "slash", "-": "dash"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it is to be recorded for a line."""

    name: str
    language: str
    text: str
    """The words, with all places filled."""
    version: int
    """Of the language's script; 0 if the line replaces the text."""
    digits_follow: bool
    """Whether the PBX goes on with digits, so that the voice must not fall."""

    @property
    def sha256(self) -> str:
        """Of the text in UTF-8, in hex: what the record of consent refers to."""
        return text_hash(self.text)


@dataclass(frozen=True, slots=True)
class LineVariables:
    """What is a line's own in its texts."""

    brand: str
    policy_url: str = ""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Texts that replace the script's, by language and name; they may hold the same places."""


EXAMPLE: Final = LineVariables("Example Store", "example.com/text")
"""The line of the package's own branded recording."""


@dataclass(frozen=True, slots=True)
class _Language:
    version: int
    words: Mapping[str, str]
    texts: Mapping[str, str]
    unbranded: Mapping[str, str]


class Script:
    """The texts of all languages. Raises BadScript, naming everything that is wrong with them."""

    def __init__(self, own: Path | None = None) -> None:
        problems: list[str] = []
        self._languages: dict[str, _Language] = {}
        for folder in filter(None, (TEXTS, own)):
            files = _files(folder, problems)
            for path in files:
                found = _read(path, problems)
                if found is not None:
                    self._languages[path.stem.lower()] = found
            if not files and not problems:
                problems.append(f"{folder} holds no LANGUAGE.toml")
        if problems:
            raise BadScript(problems)

    @property
    def languages(self) -> frozenset[str]:
        """The languages that have a script."""
        return frozenset(self._languages)

    def shipped(self, name: str, language: str) -> str:
        """Return the words of the package's own recording of a prompt."""
        if name == "disclosure-example-store":
            name = "disclosure"
        elif name in self._languages[language].unbranded:
            return self._languages[language].unbranded[name]
        return self.texts(EXAMPLE, [language], [name])[0].text

    def texts(
        self, line: LineVariables, languages: Iterable[str], names: Iterable[str]
    ) -> list[Text]:
        """Return a line's texts, by name and language, as they are to be recorded.

        Raises BadScript, naming every language, text and place that is missing.
        """
        problems: list[str] = []
        wanted = list(names)
        found = [
            text
            for language in languages
            for name in wanted
            if (text := self._text(line, language, name, problems)) is not None
        ]
        if problems:
            raise BadScript(dict.fromkeys(problems))
        return found

    def _text(
        self, line: LineVariables, language: str, name: str, problems: list[str]
    ) -> Text | None:
        script = self._script(language)
        if script is None:
            problems.append(f"{language!r} has no script: write {language}.toml")
            return None
        own = line.texts.get(language, {}).get(name)
        template = script.texts.get(name) if own is None else own
        if template is None:
            problems.append(f"{language!r} has no text {name!r}")
            return None
        faults = [f"{language}: {name} {fault}" for fault in _faults(template)]
        words = {
            "brand": line.brand,
            "policy_url": aloud(line.policy_url, script.words),
            "help": script.words["help"],
            "digits": "",
        }
        places = set(_PLACE.findall(template)) & _PLACES - {"digits"}
        faults += [
            f"{language}: {name} needs the line's {place}, which is empty"
            for place in sorted(places)
            if not words[place]
        ]
        problems += faults
        if faults:
            return None
        # One pass: what a brand contains is never a place itself.
        spoken = _PLACE.sub(lambda place: words[place[1]], one_line(template)).strip()
        version = script.version if own is None else 0
        return Text(name, language, spoken, version, template.endswith(_DIGITS))

    def _script(self, language: str) -> _Language | None:
        found = (self._languages.get(tag) for tag in language_tags(language))
        return next((script for script in found if script is not None), None)


def aloud(address: str, words: Mapping[str, str]) -> str:
    """Return a web address as it is read to a caller: without https://, its signs as words."""
    bare = re.sub(r"^\w+://(?:www\.)?", "", address.strip()).rstrip("/")
    spoken = re.sub(r"[./-]", lambda sign: f" {words[_SPOKEN_SIGNS[sign[0]]]} ", bare)
    return " ".join(spoken.split())


def _faults(template: str) -> list[str]:
    places = _PLACE.findall(template)
    faults = [f"holds {{{place}}}, which is unknown" for place in places if place not in _PLACES]
    if "digits" in places[:-1] or ("digits" in places and not template.endswith(_DIGITS)):
        faults.append(f"may hold {_DIGITS} at its end only")
    if set("{}") & set(_PLACE.sub("", template)):
        faults.append("holds a brace of no place")
    if not template.replace(_DIGITS, "").strip():
        faults.append("is empty")
    return faults


def _files(folder: Path, problems: list[str]) -> list[Path]:
    """The scripts in a folder; hidden files (`._en.toml`) are passed over."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".toml"]
    except OSError as error:
        problems.append(f"{folder} cannot be read ({error.strerror})")
        return []
    return [path for path in files if not path.name.startswith(".")]


def _read(path: Path, problems: list[str]) -> _Language | None:
    try:
        content = tomllib.loads(read_text(path))
    except NotText as error:
        problems.append(f"{path.name} {error}")
        return None
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path.name} cannot be read: {error}")
        return None
    before = len(problems)
    tables = {name: _table(content, name, path, problems) for name in ("words", "texts")}
    unbranded = _table(content, "unbranded", path, problems) if "unbranded" in content else {}
    version = content.get("version")
    if not isinstance(version, int) or version < 1:
        problems.append(f"{path.name} has no version: a whole number, raised with every change")
        version = 1
    for table, names in {"words": WORDS, "texts": NAMES}.items():
        missing = [name for name in names if name not in tables[table]]
        if missing:
            problems.append(f"{path.name} lacks {table}: {', '.join(missing)}")
    for name, text in chain(tables["texts"].items(), unbranded.items()):
        problems += [f"{path.name}: {name} {fault}" for fault in _faults(text)]
    if len(problems) > before:
        return None
    return _Language(version, tables["words"], tables["texts"], unbranded)


def _table(
    content: Mapping[str, Any], name: str, path: Path, problems: list[str]
) -> dict[str, str]:
    table = content.get(name, {})
    if isinstance(table, dict) and all(isinstance(value, str) for value in table.values()):
        return table
    problems.append(f"{path.name}: {name} must be a table of texts")
    return {}
