"""Every route: what changes something is a POST, and is refused to all who may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from starlette.routing import Route

from agi_bridge.console.app import Console
from tests.support import call_env
from tests.support.console_serving import (
    ANYBODY,
    NOBODY,
    PEOPLE,
    FakeService,
    serving,
    settings,
    sign_in,
)

if TYPE_CHECKING:
    from pathlib import Path

ROUTES: Final = [
    each
    for each in Console(FakeService(call_env.settings()))._routes().routes
    if isinstance(each, Route)
]
POSTED: Final = [
    route.path.format(record="one", key="one", call="one", sha256="0", line="shop", language="en",
                      name="disclosure")
    for route in ROUTES if "POST" in (route.methods or ())
]  # fmt: skip
FOR_ALL: Final = {"/sign-in", "/sign-out", "/calls", "/consents"}
"""What changes nothing: whose session it is, and look-ups by number."""


def test_a_route_takes_forms_or_shows_something_and_never_both() -> None:
    assert len(POSTED) > 8
    assert all(len({"GET", "POST"} & set(route.methods or ())) == 1 for route in ROUTES)


@pytest.mark.parametrize("path", POSTED)
async def test_another_site_posts_nothing(tmp_path: Path, path: str) -> None:
    async with serving(FakeService(settings(tmp_path, ANYBODY))) as client:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await client.post(path, headers=headers)).status_code == 403


@pytest.mark.parametrize("path", sorted({*POSTED} - {"/sign-in"}))
async def test_nobody_posts_anything_without_a_session(tmp_path: Path, path: str) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        assert (await client.post(path)).status_code == 403


@pytest.mark.parametrize("path", sorted({*POSTED} - FOR_ALL))
async def test_who_may_only_look_posts_nothing(tmp_path: Path, path: str) -> None:
    async with serving(FakeService(settings(tmp_path, PEOPLE))) as client:
        await sign_in(client, "bob")
        assert (await client.post(path, data={"number": "1"})).status_code == 403
    async with serving(FakeService(settings(tmp_path, NOBODY))) as client:
        assert (await client.post(path)).status_code == 403
