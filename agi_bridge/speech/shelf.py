"""A folder of prompts: `LANGUAGE/NAME.wav`, and what is spoken in each.

The texts are in `manifest.json` (as shipped: with hashes and lengths, which are checked) or, for
prompts that a business records itself, in `LANGUAGE/NAME.txt` beside the sound. The record of
consent says which words a caller heard, so a sound without its text is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadAudio, BadPrompts
from .recording import Recording, examine, text_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHIPPED = Path(__file__).parent / "prompts"
"""The prompts that come with the package."""

MANIFEST = "manifest.json"

Shelf = dict[tuple[str, str], Recording]
"""Recordings by language and name."""


def read_folder(folder: Path, seen_as: str | None = None) -> Shelf:
    """Read and check a folder of prompts; `seen_as` is its path on the PBX, if that differs.

    Raises BadPrompts naming everything that is wrong with it.
    """
    problems: list[str] = []
    listed = _manifest(folder, problems)
    root = (seen_as or str(folder.absolute())).rstrip("/")
    shelf: Shelf = {}
    for path in sorted(folder.glob("*/*.wav")):
        language, name = path.parent.name, path.stem
        entry = listed.pop((language, name), None)
        try:
            recording = _recording(path, entry, f"{root}/{language}/{name}")
        except BadAudio as error:
            problems.append(f"{language}/{path.name} {error}")
        except OSError as error:
            problems.append(f"{language}/{path.name} cannot be read ({error.strerror})")
        else:
            shelf[language, name] = recording
    problems += [f"{language}/{name}.wav is not there" for language, name in listed]
    if not shelf and not problems:
        problems.append("no LANGUAGE/NAME.wav is there")
    if problems:
        raise BadPrompts(problems)
    return shelf


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
            if not isinstance(entry["text"], str):
                raise TypeError
            yield (language, name), entry


def _recording(path: Path, entry: Mapping[str, Any] | None, seen_as: str) -> Recording:
    sound = examine(path)
    text = _text_beside(path) if entry is None else entry["text"]
    recording = Recording(
        name=path.stem,
        language=path.parent.name,
        text=text,
        path=seen_as,
        samples=sound.samples,
        sha256=sound.sha256,
        text_sha256=text_hash(text),
    )
    for key, value in (entry or {}).items():
        if key in Recording.__slots__ and getattr(recording, key) != value:
            raise BadAudio(f"differs from {MANIFEST} in its {key}")
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
