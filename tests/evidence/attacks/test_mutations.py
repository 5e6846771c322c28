"""The program and the standalone check agree about exports that were changed at random.

Half of the changes are an owner's, who signs all of it again; what they do not both find has to be
what neither can find.
"""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import canonical
from tests.support.forgery import Place, edit_lines, forge_export, resign

if TYPE_CHECKING:
    from pathlib import Path

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**60, "", "x", "en", "fr-CA", "1", "*", [], ["*"], {}, "a" * 64,
    "2026-11-26T10:00:00.000Z", "1999-01-01T00:00:00.000Z", "Europe/Paris", "marketing", "all",
    "01a207a2-80d0-7359-b1ce-8f4b4e34e569", "US", "B", "any", "brand", 1.5, "\u00e9\ud800",
]  # fmt: skip
FEW, MANY = 100, 1000
"""Seeds: the first ones on every run, all of them in the long one."""


def body_changed(dice: random.Random, export: Path, place: Place) -> None:
    """An owner gives a field of some event another value, and signs again."""
    lines = [json.loads(line) for line in (export / "chain.jsonl").read_text().splitlines()]
    shown = [
        n for n, entry in enumerate(lines) if isinstance(entry, list) and type(entry[1]) is dict
    ]
    chosen, seen = dice.choice(shown), [0]
    target = lines[chosen][1]["seq"]
    chain = lines[chosen][1]["ledger_id"]

    def change(body: dict[str, Any]) -> None:
        if (body["ledger_id"], body["seq"]) != (chain, target):
            return
        seen[0] += 1
        names = [name for name in sorted(body) if name not in {"ledger_id", "seq"}]
        name = dice.choice([*names, "extra"])
        entry = dice.choice(body["dialogue"]) if name == "dialogue" and body["dialogue"] else None
        if entry is not None:
            entry[dice.randrange(len(entry))] = dice.choice(VALUES)
        elif dice.random() < 0.2:
            body.pop(name, None)
        else:
            body[name] = dice.choice(VALUES)

    forge_export(export, place.keys, change, tags=dice.random() < 0.8)


def line_moved(dice: random.Random, export: Path, place: Place) -> None:
    """A line of some file is dropped, doubled, moved or cut; the files are signed again."""
    file = export / dice.choice(["chain.jsonl", "checkpoints.jsonl", "opened.jsonl"])

    def change(lines: list[str]) -> list[str]:
        here, there = dice.randrange(len(lines)), dice.randrange(len(lines))
        match dice.randrange(4):
            case 0:
                del lines[here]
            case 1:
                lines.insert(there, lines[here])
            case 2:
                lines[here], lines[there] = lines[there], lines[here]
            case _:
                lines[here] = lines[here][: dice.randrange(len(lines[here]))]
        return lines

    edit_lines(file, change)
    resign(export, place.keys)


def value_changed(dice: random.Random, export: Path, place: Place) -> None:
    """A value that opens a commitment is changed, added or removed; the files are signed again."""

    def change(lines: list[str]) -> list[str]:
        here = dice.randrange(len(lines))
        values = json.loads(lines[here])
        name = dice.choice([*sorted(values), "words"])
        if dice.random() < 0.4:
            values.pop(name, None)
        else:
            values[name] = dice.choice(["", "x", "ab", "ab" * 32, "+14155550166"])
        lines[here] = canonical(values)
        return lines

    edit_lines(export / "opened.jsonl", change)
    resign(export, place.keys)


def file_changed(dice: random.Random, export: Path, place: Place) -> None:
    """An outsider changes a byte, removes a file or adds one."""
    files = sorted(
        path for path in export.rglob("*") if path.is_file() and path.name != "signer.pem"
    )
    path = dice.choice(files)
    content = bytearray(path.read_bytes())
    match dice.randrange(3):
        case 0:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(7)
            path.write_bytes(bytes(content))
        case 1 if path.name not in {"SHA256SUMS", "SHA256SUMS.sig"}:
            path.unlink()
        case _:
            (export / "more.txt").write_text("more")
    if dice.random() < 0.3 and path.suffix in {".txt", ".wav"}:
        resign(export, place.keys)


MUTATIONS = (body_changed, body_changed, line_moved, value_changed, file_changed)


def run(place: Place, original: Path, tmp_path: Path, seeds: range) -> int:
    caught = 0
    for seed in seeds:
        dice = random.Random(seed)  # noqa: S311 - no secret
        export = shutil.copytree(original, tmp_path / "mutated")
        dice.choice(MUTATIONS)(dice, export, place)
        try:
            found = place.both(export)  # they agree, or this fails
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        caught += found.status == 1
        shutil.rmtree(export)
    return caught


@pytest.mark.timeout(900)
def test_program_and_check_agree_on_random_mutations(
    honest: Place, honest_export: Path, tmp_path: Path
) -> None:
    assert run(honest, honest_export, tmp_path, range(FEW)) > FEW // 2


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FEW, MANY, FEW))
def test_and_on_many_more(honest: Place, honest_export: Path, tmp_path: Path, first: int) -> None:
    assert run(honest, honest_export, tmp_path, range(first, first + FEW)) > FEW // 2
