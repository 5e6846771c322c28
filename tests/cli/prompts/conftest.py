"""A shop to run the commands for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.prompts_commands import Shop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A line in English, its policy address set, with an engine that speaks everything."""
    return Shop(tmp_path).configure()


@pytest.fixture(scope="session")
def rendered_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a shop all of whose prompts are rendered: not to be written to."""
    folder = tmp_path_factory.mktemp("rendered")
    assert Shop(folder).configure()("render", "--line", "shop").status == 0
    return folder / "state"


@pytest.fixture
def rendered(shop: Shop, rendered_once: Path) -> Shop:
    """The shop with all its prompts rendered."""
    shutil.copytree(rendered_once, shop.folder / "state")
    return shop
