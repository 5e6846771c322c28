"""The script: every text of the dialogue, by language, with placeholders for a line's values.

There is one TOML file per language. A business's own folder adds languages to the shipped ones, or
replaces one completely. A text may contain these placeholders:

    {brand}       the name that callers know
    {policy_url}  the address of terms and privacy, read aloud: "example dot com slash text"
    {mailing_address}  the business's, for the disclosure in Canada
    {help}        the word to send for help in the language
    {digits}      at the end only: digits that the PBX says after the recording
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
from .problems import Problem
from .prompt_names import PROMPTS, language_tags, one_line
from .recording import text_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEXTS: Final = Path(__file__).parent / "texts"
"""The shipped scripts."""

NAMES: Final = (
    "disclosure-marketing",
    "disclosure-canada",
    *(n for n in PROMPTS if n != "disclosure-example-store"),
)
"""Every text that a language must have."""

WORDS: Final = ("help", "dot", "slash", "dash")
"""Every word that a language must have."""

_DIGITS = "{digits}"
_PLACE = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = frozenset({"brand", "policy_url", "mailing_address", "help", "digits"})
_SPOKEN_SIGNS = {".": "dot", "/": "slash", "-": "dash"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it is to be recorded for a line."""

    name: str
    language: str
    text: str
    """The words, with all placeholders filled."""
    version: int
    """The version of the language's script; 0 if the line replaces the text."""
    digits_follow: bool
    """Whether digits follow, so that the voice must not fall at the end."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the text in UTF-8, in hex, as in the record of consent."""
        return text_hash(self.text)


@dataclass(frozen=True, slots=True)
class LineVariables:
    """A line's values for the placeholders, and its own texts."""

    brand: str
    policy_url: str = ""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Texts that replace the script's, by language and name, with the same placeholders."""
    mailing_address: str = ""


EXAMPLE: Final = LineVariables("Example Store", "example.com/text")
"""The values of the shipped branded recording."""


@dataclass(frozen=True, slots=True)
class _Language:
    version: int
    words: Mapping[str, str]
    texts: Mapping[str, str]
    unbranded: Mapping[str, str]


class Script:
    """The texts of all languages. Raises BadScript, which lists everything that is wrong."""

    def __init__(self, own: Path | None = None) -> None:
        problems: list[Problem] = []
        self._languages: dict[str, _Language] = {}
        for folder in filter(None, (TEXTS, own)):
            files = _files(folder, problems)
            for path in files:
                found = _read(path, problems)
                if found is not None:
                    self._languages[path.stem.lower()] = found
            if not files and not problems:
                problems.append(Problem("no_scripts").of(folder))
        if problems:
            raise BadScript(problems)

    @property
    def languages(self) -> frozenset[str]:
        """The languages with a script."""
        return frozenset(self._languages)

    def shipped(self, name: str, language: str) -> str:
        """Return the text of the shipped recording of a prompt."""
        if name == "disclosure-example-store":
            name = "disclosure"
        elif name in self._languages[language].unbranded:
            return self._languages[language].unbranded[name]
        return self.texts(EXAMPLE, [language], [name])[0].text

    def texts(
        self, line: LineVariables, languages: Iterable[str], names: Iterable[str]
    ) -> list[Text]:
        """Return a line's texts as they are to be recorded.

        Raises BadScript, which lists every missing language, text and value.
        """
        problems: list[Problem] = []
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
        self, line: LineVariables, language: str, name: str, problems: list[Problem]
    ) -> Text | None:
        script = self._script(language)
        if script is None:
            problems.append(Problem("no_script", language=language).of(repr(language)))
            return None
        own = line.texts.get(language, {}).get(name)
        template = script.texts.get(name) if own is None else own
        if template is None:
            problems.append(Problem("no_script_text", name=name).of(repr(language)))
            return None
        faults = [fault.of(name).within(language) for fault in _faults(template)]
        words = {
            "brand": line.brand,
            "policy_url": aloud(line.policy_url, script.words),
            "mailing_address": line.mailing_address,
            "help": script.words["help"],
            "digits": "",
        }
        places = set(_PLACE.findall(template)) & _PLACEHOLDERS - {"digits"}
        faults += [
            Problem("no_value", name=place).of(name).within(language)
            for place in sorted(places)
            if not words[place]
        ]
        problems += faults
        if faults:
            return None
        # One pass: braces in a brand are not placeholders.
        spoken = _PLACE.sub(lambda place: words[place[1]], one_line(template)).strip()
        version = script.version if own is None else 0
        return Text(name, language, spoken, version, template.endswith(_DIGITS))

    def _script(self, language: str) -> _Language | None:
        found = (self._languages.get(tag) for tag in language_tags(language))
        return next((script for script in found if script is not None), None)


def aloud(address: str, words: Mapping[str, str]) -> str:
    """Return a web address as it is read to a caller: without https://, with words for signs."""
    bare = re.sub(r"^\w+://(?:www\.)?", "", address.strip()).rstrip("/")
    spoken = re.sub(r"[./-]", lambda sign: f" {words[_SPOKEN_SIGNS[sign[0]]]} ", bare)
    return " ".join(spoken.split())


def _faults(template: str) -> list[Problem]:
    places = _PLACE.findall(template)
    faults = [Problem("placeholder", name=place) for place in places if place not in _PLACEHOLDERS]
    if "digits" in places[:-1] or ("digits" in places and not template.endswith(_DIGITS)):
        faults.append(Problem("digits_place"))
    if set("{}") & set(_PLACE.sub("", template)):
        faults.append(Problem("brace"))
    if not template.replace(_DIGITS, "").strip():
        faults.append(Problem("empty_text"))
    return faults


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    """Return the scripts in a folder, without hidden files (`._en.toml`)."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".toml"]
    except OSError as error:
        problems.append(Problem("unreadable", reason=error.strerror).of(folder))
        return []
    return [path for path in files if not path.name.startswith(".")]


def _read(path: Path, problems: list[Problem]) -> _Language | None:
    try:
        content = tomllib.loads(read_text(path))
    except NotText as error:
        problems.append(Problem("script", problem=error).of(path.name))
        return None
    except (OSError, ValueError, RecursionError) as error:
        problems.append(Problem("unreadable", reason=error).of(path.name))
        return None
    before = len(problems)
    tables = {name: _table(content, name, path, problems) for name in ("words", "texts")}
    unbranded = _table(content, "unbranded", path, problems) if "unbranded" in content else {}
    version = content.get("version")
    if not isinstance(version, int) or version < 1:
        problems.append(Problem("script_version").of(path.name))
        version = 1
    for table, names in {"words": WORDS, "texts": NAMES}.items():
        missing = [name for name in names if name not in tables[table]]
        if missing:
            problem = Problem("script_incomplete", table=table, names=", ".join(missing))
            problems.append(problem.of(path.name))
    for name, text in chain(tables["texts"].items(), unbranded.items()):
        problems += [fault.of(name).within(path.name) for fault in _faults(text)]
    if len(problems) > before:
        return None
    return _Language(version, tables["words"], tables["texts"], unbranded)


def _table(
    content: Mapping[str, Any], name: str, path: Path, problems: list[Problem]
) -> dict[str, str]:
    table = content.get(name, {})
    if isinstance(table, dict) and all(isinstance(value, str) for value in table.values()):
        return table
    problems.append(Problem("script_table").of(name).within(path.name))
    return {}
