"""Refuses to build packages whose version is not the one that tag and change log name.

    python -m scripts.version_gate

A commit with a tag `v1.2.3` is the release 1.2.3: the program says so, and the change log has a
dated section of it with nothing left under "Unreleased". Any other commit comes before the next
release: its version has no tag yet, and the change log has a section "Unreleased".
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[1]
_HEADING: Final = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)
_TAG: Final = re.compile(r"v\d+\.\d+\.\d+\S*")


def faults(version: str, changelog: str, *, here: Sequence[str], tags: Sequence[str]) -> list[str]:
    """What is wrong with a version, one line each.

    Args:
        version: what the program says.
        changelog: the text of CHANGELOG.md.
        here: the tags of the commit.
        tags: all tags.
    """
    releases = [tag for tag in here if _TAG.fullmatch(tag)]
    sections = {name: (date, at) for name, date, at in _sections(changelog)}
    found = []
    if not releases:
        if f"v{version}" in tags:
            found.append(
                f"agi_bridge.__version__ is {version}, which is released: write the next version"
            )
        if "Unreleased" not in sections:
            found.append('CHANGELOG.md has no section "Unreleased"')
        return found
    found += [
        f"the tag is {tag} and agi_bridge.__version__ is {version}: make them the same"
        for tag in releases
        if tag != f"v{version}"
    ]
    date, _ = sections.get(version, ("", ""))
    if not date:
        found.append(f"CHANGELOG.md has no section with a date for {version}")
    _, left = sections.get("Unreleased", ("", ""))
    if left:
        found.append(f'CHANGELOG.md has entries under "Unreleased": move them to {version}')
    return found


def _sections(changelog: str) -> list[tuple[str, str, str]]:
    """Name, date and text of each section."""
    parts = _HEADING.split(changelog)[1:]
    triples = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return [(name, date or "", text.strip()) for name, date, text in triples]


def _tags(*arguments: str) -> list[str]:
    output = subprocess.run(  # noqa: S603 - fixed words
        ["git", "tag", *arguments],  # noqa: S607 - the git of this machine
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return output.split()


def main() -> int:
    """The command: 1 if something is wrong."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = faults(__version__, changelog, here=_tags("--points-at", "HEAD"), tags=_tags())
    for line in found:
        print(f"version: {line}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
