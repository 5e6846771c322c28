"""A folder of prompts: the sound files `LANGUAGE/NAME.wav` and their texts.

The texts are in `manifest.json` or in `LANGUAGE/NAME.txt` beside the sound. The shipped manifest
also has hashes and lengths, which are checked. Businesses write .txt files for their recordings.
The consent record states which words a caller heard, so a sound without a text is refused. A
manifest entry may name another `file`: a new rendering then does not replace the sound that a
running bridge still plays.

`scan_folder` is the only reader of such folders: the service, `check` and `prompts` use it. Hidden
files (`.DS_Store`, `._disclosure.wav`, temporary files) are skipped. A file that Asterisk might
play instead of a recording is a fault of the recording: the record would name the wrong sound.
"""

from __future__ import annotations

import json
import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from agi_bridge.durable import write_synced
from agi_bridge.plain_text import NotText, read_text

from .errors import BadAudio, BadPrompts
from .problems import Problem
from .prompt_names import LEAST_QUESTION_SECONDS, QUESTIONS, language_tags, one_line
from .recording import RATE, WIDE_RATE, Recording, read_sound_info, text_hash
from .rivals import SOUND, WIDE, conflicts, visible_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SHIPPED = Path(__file__).parent / "prompts"
"""Folder of the shipped prompts."""

MANIFEST = "manifest.json"

SAME_SECONDS: Final = 0.25
"""Largest difference in length between a sound and its HD version, for example trimmed silence."""

_PROMPT = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\.wav")
_READABLE = 0o644  # the PBX runs under another account

PromptKey = tuple[str, str]
"""Language, in lower case, and name of a prompt."""

PromptSet = Mapping[PromptKey, Recording]
"""Recordings by language and name."""

T = TypeVar("T")

Source = Literal["recording", "rendered", "prompts", "shipped"]
"""The source of a prompt.

`recording`: speech.recordings. `rendered`: by `prompts render`. `prompts`: speech.prompts.
"""


@dataclass(frozen=True, slots=True)
class PromptFolder:
    """A folder of prompts and its path on the PBX; None: the same path."""

    path: Path
    pbx_path: str | None = None
    source: Source = "prompts"


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A sound file of a prompt."""

    source: Source
    file: Path
    text: str | None
    """The spoken words; None: the text is missing or unreadable."""
    problems: tuple[Problem, ...] = ()
    """Why the sound is not played; each follows the file's name."""
    recording: Recording | None = None
    """The recording; None: there is a problem."""

    @property
    def wide(self) -> Path | None:
        """The HD version of the sound, if it exists."""
        file = self.file.with_suffix(WIDE)
        return file if file.is_file() else None


@dataclass(frozen=True, slots=True)
class FolderContents:
    """The contents of a folder, usable or not."""

    folder: Path
    entries: Mapping[PromptKey, PromptFile]
    folder_problems: tuple[Problem, ...] = ()
    """Problems of the folder apart from its sounds; each begins with a file's name."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems for which the folder is refused."""
        return self.folder_problems + tuple(
            problem.of(entry.file.relative_to(self.folder))
            for entry in self.entries.values()
            for problem in entry.problems
        )

    @property
    def prompts(self) -> PromptSet:
        """The recordings. Raises BadPrompts with all problems."""
        if self.problems:
            raise BadPrompts(self.problems)
        return {key: each.recording for key, each in self.entries.items() if each.recording}


def overlay(folders: Iterable[PromptFolder], beneath: PromptSet) -> PromptSet:
    """Overlay folders on a prompt set. The first has precedence; a missing one adds nothing.

    Raises BadPrompts with all problems of the folders.
    """
    layers: list[PromptSet] = []
    problems: list[Problem] = []
    for folder in folders:
        try:
            layers.append(scan_folder(folder).prompts)
        except BadPrompts as error:
            problems += [problem.within(folder.path) for problem in error.problems]
    if problems:
        raise BadPrompts(problems)
    return merge_layers([*layers, beneath])


def merge_layers(layers: Sequence[Mapping[PromptKey, T]]) -> dict[PromptKey, T]:
    """Merge layers of prompts. The first has precedence."""
    return dict(ChainMap(*(dict(layer) for layer in layers)))


def find_prompt(prompts: Mapping[PromptKey, T], name: str, language: str) -> T | None:
    """Return what is played for a prompt. `fr-CA` falls back to `fr`."""
    for tag in language_tags(language):
        found = prompts.get((tag, name))
        if found is not None:
            return found
    return None


def read_folder(folder: Path, pbx_path: str | None = None) -> PromptSet:
    """Read and check a folder of prompts; `pbx_path` is its path on the PBX, if different.

    Raises BadPrompts with all problems, or if the folder is empty.
    """
    prompts = scan_folder(PromptFolder(folder, pbx_path)).prompts
    if not prompts:
        raise BadPrompts([Problem("no_prompts")])
    return prompts


def scan_folder(folder: PromptFolder) -> FolderContents:
    """Read a folder of prompts, file by file. A missing folder is empty. Blocks."""
    path = folder.path
    if not path.is_dir():
        return FolderContents(path, {})
    folder_problems: list[Problem] = []
    listed = _manifest(path, folder_problems)
    places: dict[PromptKey, str] = {}
    for key, place in _sounds(path, folder_problems):
        if key in places:
            folder_problems.append(Problem("duplicate", other=places[key]).of(place))
        else:
            places[key] = place
    entries: dict[PromptKey, Mapping[str, Any]] = {}
    for (language, name), entry in listed.items():
        entries[language.lower(), name] = {"language": language, **entry}
        if "file" in entry or (language.lower(), name) not in places:
            places[language.lower(), name] = entry.get("file", f"{language}/{name}{SOUND}")
    reader = _FolderReader(folder, sorted({tag for tag, _ in places}))
    found = {key: reader.entry(key, place, entries.get(key)) for key, place in places.items()}
    return FolderContents(path, found, tuple(folder_problems))


def _sounds(folder: Path, folder_problems: list[Problem]) -> Iterator[tuple[PromptKey, str]]:
    """Yield the sounds in valid places; report the others."""
    for path in _listed(folder, folder, folder_problems):
        tags = language_tags(path.name)
        if not path.is_dir():
            if path.suffix.lower() == SOUND:
                problem = Problem("no_language_folder", name=path.name)
                folder_problems.append(problem.of(path.name))
        elif tags:
            for file in _listed(folder, path, folder_problems):
                expected = file.name.lower()
                place = f"{path.name}/{file.name}"
                if not _PROMPT.fullmatch(expected):
                    continue  # not a possible prompt name
                if file.name == expected:
                    yield (tags[0], file.stem), place
                else:
                    folder_problems.append(Problem("case", name=expected).of(place))


def _listed(folder: Path, place: Path, folder_problems: list[Problem]) -> list[Path]:
    """List a subfolder without hidden files."""
    try:
        return visible_files(place)
    except OSError as error:
        name = str(place.relative_to(folder))
        problem = Problem("unreadable", reason=error.strerror)
        folder_problems.append(problem if name == "." else problem.of(name))
        return []


class _FolderReader:
    """Reads the sounds of one folder."""

    def __init__(self, folder: PromptFolder, tags: Iterable[str]) -> None:
        self._folder = folder
        self._root = (folder.pbx_path or str(folder.path.absolute())).rstrip("/")
        self._tags = frozenset(tags)
        self._beside: dict[Path, Mapping[str, Sequence[str]]] = {}

    def entry(self, key: PromptKey, place: str, listed: Mapping[str, Any] | None) -> PromptFile:
        """Read one sound."""
        file = self._folder.path / place
        text: str | None = None
        recording = None
        problems: list[Problem] = []
        try:
            text = read_transcript(file) if listed is None else listed["text"]
        except BadAudio as error:
            problems.append(error.problem)
        try:
            self._rivals(file)
            recording = self._recording(key, place, text or "", listed or {})
        except BadAudio as error:
            problems.insert(0, error.problem)
        except FileNotFoundError:
            problems = [Problem("not_found")]
        except OSError as error:
            problems = [Problem("unreadable", reason=error.strerror)]
        source = self._folder.source
        return PromptFile(source, file, text, tuple(problems), None if problems else recording)

    def _recording(
        self, key: PromptKey, place: str, text: str, listed: Mapping[str, Any]
    ) -> Recording:
        file = self._folder.path / place
        sound = read_sound_info(file, text=text)
        if key[1] in QUESTIONS and sound.samples < LEAST_QUESTION_SECONDS * RATE:
            raise BadAudio("short_question", seconds=LEAST_QUESTION_SECONDS)
        recording = Recording(
            name=key[1],
            language=listed.get("language", place.partition("/")[0]),
            text=text,
            path=f"{self._root}/{place.removesuffix(SOUND)}",
            wav=file,
            samples=sound.samples,
            sha256=sound.sha256,
            text_sha256=text_hash(text),
            state=sound.state,
        )
        for name, value in listed.items():
            if name in Recording.__slots__ and getattr(recording, name) != value:
                raise BadAudio("differs", manifest=MANIFEST, field=name)
        _check_wide(file.with_suffix(WIDE), recording.seconds)
        return recording

    def _rivals(self, file: Path) -> None:
        """Raise BadAudio if Asterisk might play another file instead."""
        if file.parent not in self._beside:
            self._beside[file.parent] = conflicts(file.parent, self._tags)
        for name in self._beside[file.parent].get(file.stem, ()):
            raise BadAudio("rival", name=name)


def _check_wide(file: Path, seconds: float) -> None:
    """Raise BadAudio if the HD version is unusable or has another length."""
    try:
        length = read_sound_info(file, WIDE_RATE).samples / WIDE_RATE
    except FileNotFoundError:
        return
    except BadAudio as error:
        raise BadAudio("wide", name=file.name, problem=error) from None
    if abs(length - seconds) > SAME_SECONDS:
        raise BadAudio("wide_differs", name=file.name)


def read_manifest(folder: Path) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the entries of a folder's manifest, by language and name; empty if it has none.

    Raises BadPrompts.
    """
    problems: list[Problem] = []
    listed = _manifest(folder, problems)
    if problems:
        raise BadPrompts(problems)
    return listed


def write_manifest(folder: Path, entries: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Replace a folder's manifest atomically and durably. Raises OSError."""
    content: dict[str, dict[str, Any]] = {}
    for (language, name), entry in entries.items():
        content.setdefault(language, {})[name] = dict(entry)
    new = folder / f".{MANIFEST}"
    write_synced(new, json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n")
    new.chmod(_READABLE)
    new.replace(folder / MANIFEST)


def _manifest(folder: Path, problems: list[Problem]) -> dict[tuple[str, str], Mapping[str, Any]]:
    try:
        content = json.loads(read_text(folder / MANIFEST))
        return dict(_entries(content))
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(Problem("unreadable", reason=error.strerror).of(MANIFEST))
    except (ValueError, TypeError, AttributeError, KeyError):
        problems.append(Problem("manifest").of(MANIFEST))
    return {}


def _entries(content: Any) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:  # noqa: ANN401  # JSON
    for language, prompts in content.items():
        for name, entry in prompts.items():
            place = entry.get("file", "a.wav")
            if not isinstance(entry["text"], str) or not isinstance(place, str):
                raise TypeError
            if ".." in place.split("/") or place.startswith("/") or not place.endswith(".wav"):
                raise ValueError
            yield (language, name), entry


def read_transcript(file: Path) -> str:
    """Return the text in the .txt file beside a sound as one line.

    Raises BadAudio if the text is missing or unreadable.
    """
    name = f"{file.stem}.txt"
    try:
        text = one_line(read_text(file.with_suffix(".txt")))
    except FileNotFoundError:
        text = ""
    except NotText as error:
        raise BadAudio("text", problem=error, name=name) from None
    except OSError as error:
        raise BadAudio("text_unreadable", reason=error.strerror, name=name) from None
    if not text:
        raise BadAudio("no_text", name=name)
    return text
