"""`agi-bridge init` with a free port and the hook's key in a file."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.init_command import KEY, Init

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def port() -> str:
    """A port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The key, as Instaply's letter was saved."""
    path = tmp_path / "from-instaply"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
def init(tmp_path: Path, port: str, key_file: Path) -> Init:
    """The command with what has no default."""
    return Init(tmp_path / "etc", port, key_file)
