from __future__ import annotations

import pytest

from agi_bridge.call.context import called_did
from tests.support.call_env import line


@pytest.mark.parametrize(
    ("called", "did"),
    [
        ((None, None, "14155550112", "s"), "+14155550112"),
        (("+14155550199", None, None, None), "+14155550199"),
        ((None, None, None, None), "+14155550111"),
    ],
    ids=["one of the line's", "the fallback line", "nothing said"],
)
def test_the_did_is_the_one_called(called: tuple[str | None, ...], did: str) -> None:
    assert called_did(line(did=["+14155550111", "+14155550112"]), called) == did
