"""A folder of prompts: `LANGUAGE/NAME.wav`, and what is spoken in each.

The texts are in `manifest.json` (as shipped: with hashes and lengths, which are checked) or, for
prompts that a business records itself, in `LANGUAGE/NAME.txt` beside the sound. The record of
consent says which words a caller heard, so a sound without its text is refused. An entry of the
manifest may name another `file`: so what was rendered anew does not take an old sound's place while
a bridge that knows only the old one still plays it.
"""

from __future__ import annotations

import json
import os
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadAudio, BadPrompts
from .recording import Recording, examine, text_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHIPPED = Path(__file__).parent / "prompts"
"""The prompts that come with the package."""

MANIFEST = "manifest.json"

_READABLE = 0o644  # who renders need not be the account that plays

Shelf = Mapping[tuple[str, str], Recording]
"""Recordings by language and name."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of prompts, and where the PBX sees it; None: by the same path."""

    path: Path
    seen_as: str | None = None


def layered(folders: Iterable[Folder], beneath: Shelf) -> Shelf:
    """Lay folders over a shelf, the first on top; one that is empty or not there adds nothing.

    Raises BadPrompts naming everything that is wrong with them.
    """
    layers: list[Shelf] = []
    problems: list[str] = []
    for folder in folders:
        if folder.path.is_dir():
            try:
                layers.append(_read(folder.path, folder.seen_as))
            except BadPrompts as error:
                problems += [f"{folder.path}: {problem}" for problem in error.problems]
    if problems:
        raise BadPrompts(problems)
    return dict(ChainMap(*(dict(layer) for layer in [*layers, beneath])))


def read_folder(folder: Path, seen_as: str | None = None) -> Shelf:
    """Read and check a folder of prompts; `seen_as` is its path on the PBX, if that differs.

    Raises BadPrompts naming everything that is wrong with it, or that there is nothing in it.
    """
    shelf = _read(folder, seen_as)
    if not shelf:
        raise BadPrompts(["no LANGUAGE/NAME.wav is there"])
    return shelf


def _read(folder: Path, seen_as: str | None) -> Shelf:
    problems: list[str] = []
    listed = _manifest(folder, problems)
    root = (seen_as or str(folder.absolute())).rstrip("/")
    places = {key: f"{key[0]}/{key[1]}.wav" for key in listed}
    for path in sorted(folder.glob("*/*.wav")):
        places[path.parent.name, path.stem] = f"{path.parent.name}/{path.name}"
    places |= {key: entry["file"] for key, entry in listed.items() if "file" in entry}
    shelf: dict[tuple[str, str], Recording] = {}
    for key, place in places.items():
        seen = f"{root}/{place.removesuffix('.wav')}"
        try:
            shelf[key] = _recording(key, folder / place, seen, listed.get(key))
        except BadAudio as error:
            problems.append(f"{place} {error}")
        except FileNotFoundError:
            problems.append(f"{place} is not there")
        except OSError as error:
            problems.append(f"{place} cannot be read ({error.strerror})")
    if problems:
        raise BadPrompts(problems)
    return shelf


def read_manifest(folder: Path) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return what a folder's manifest lists, by language and name; nothing if it has none.

    Raises BadPrompts.
    """
    problems: list[str] = []
    listed = _manifest(folder, problems)
    if problems:
        raise BadPrompts(problems)
    return listed


def write_manifest(folder: Path, entries: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Replace a folder's manifest in one step; it lasts when this returns. Raises OSError."""
    content: dict[str, dict[str, Any]] = {}
    for (language, name), entry in entries.items():
        content.setdefault(language, {})[name] = dict(entry)
    new = folder / f".{MANIFEST}"
    with new.open("w", encoding="utf-8") as opened:
        opened.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    new.chmod(_READABLE)
    new.replace(folder / MANIFEST)


def _manifest(folder: Path, problems: list[str]) -> dict[tuple[str, str], Mapping[str, Any]]:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return dict(_entries(content))
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(f"{MANIFEST} cannot be read ({error.strerror})")
    except (ValueError, TypeError, AttributeError, KeyError):
        problems.append(f"{MANIFEST} is not what it should be: language, name, text and hashes")
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


def _recording(
    key: tuple[str, str], path: Path, seen_as: str, entry: Mapping[str, Any] | None
) -> Recording:
    sound = examine(path)
    text = _text_beside(path) if entry is None else entry["text"]
    recording = Recording(
        name=key[1],
        language=key[0],
        text=text,
        path=seen_as,
        wav=path,
        samples=sound.samples,
        sha256=sound.sha256,
        text_sha256=text_hash(text),
    )
    for name, value in (entry or {}).items():
        if name in Recording.__slots__ and getattr(recording, name) != value:
            raise BadAudio(f"differs from {MANIFEST} in its {name}")
    return recording


def _text_beside(path: Path) -> str:
    try:
        text = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        text = ""
    except UnicodeDecodeError:
        raise BadAudio("has a text that is not UTF-8") from None
    if not text:
        raise BadAudio(f"has no text: write what is spoken into {path.stem}.txt beside it")
    return text
