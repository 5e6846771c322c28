"""The program and the standalone check agree about exports that were changed at random.

Most of the changes are an owner's, who signs all of it again; what they do not both find has to be
what neither can find.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent.signing import generate_keys
from tests.support import varied_ledger
from tests.support.forgery import Place
from tests.support.mutations import mutate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.timestamp_authority import Authority

FEW, MANY = 20, 1000
"""Seeds: the first ones on every run, all of them in the long one."""
EACH = 70
"""Seeds of one long test."""


@pytest.fixture(scope="session")
def varied(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> tuple[Place, Path]:
    """A ledger with every kind of event, and an export of one person from two chains."""
    folder = tmp_path_factory.mktemp("varied")
    (folder / "state").mkdir()
    place = Place(folder / "state", generate_keys(), authority.root)
    asyncio.run(varied_ledger.fill(place, authority))
    export = place.copy(folder / "copy").export(folder / "export", place.ids["first"])
    return place, export


def run(varied: tuple[Place, Path], tmp_path: Path, seeds: range) -> int:
    place, original = varied
    assert place.other_keys is not None
    caught = 0
    for seed in seeds:
        dice = random.Random(seed)  # noqa: S311 - no secret
        export = shutil.copytree(original, tmp_path / "mutated")
        changes = mutate(dice, export, [place.keys, place.other_keys])
        try:
            found = place.both(export)  # they agree, or this fails
        except Exception as error:
            error.add_note(f"seed {seed}: {', '.join(changes)}")
            raise
        caught += found.status == 1
        shutil.rmtree(export)
    return caught


def test_what_is_changed_holds_before(varied: tuple[Place, Path]) -> None:
    place, export = varied
    found = place.both(export, elsewhere=True)
    assert (found.failing, found.codes) == (set(), frozenset())


@pytest.mark.timeout(300)
def test_program_and_check_agree_on_random_mutations(
    varied: tuple[Place, Path], tmp_path: Path
) -> None:
    assert run(varied, tmp_path, range(FEW)) > FEW // 2


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(FEW, MANY, EACH))
def test_and_on_many_more(varied: tuple[Place, Path], tmp_path: Path, first: int) -> None:
    assert run(varied, tmp_path, range(first, first + EACH)) > EACH // 2
