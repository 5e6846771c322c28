"""A configuration to check, and a server that uses a port."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.checking import checked_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agi_bridge.app.findings import Report


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Report]:
    """Check a configuration in the test's own folder."""
    return partial(checked_in, tmp_path)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that accepts connections and reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server
