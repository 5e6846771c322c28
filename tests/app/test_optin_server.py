"""The public link: one page, read only, that nothing of a request gets into."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from agi_bridge.app.optin_server import HEADERS, serve_page
from agi_bridge.net import bind
from tests.support.commands import config, invoke

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


PAGE = "<!DOCTYPE html><title>Opt-in</title><p>as written</p>"


@asynccontextmanager
async def served() -> AsyncIterator[httpx.AsyncClient]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve_page(PAGE, lambda: bind("127.0.0.1", 0, "test"), port.set_result)
    )
    try:
        url = f"http://127.0.0.1:{await port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield client
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_the_page_is_served_as_it_is_with_headers_that_let_it_load_nothing() -> None:
    async with served() as client:
        response = await client.get("/?x=<script>")
        assert (response.status_code, response.text) == (200, PAGE)
        assert response.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in response.headers["content-security-policy"]
        for name, value in HEADERS.items():
            assert response.headers[name] == value
        assert (await client.head("/")).status_code == 200


@pytest.mark.parametrize("path", ["/index.html", "/../etc/passwd", "/<script>"])
async def test_there_is_no_other_path(path: str) -> None:
    async with served() as client:
        response = await client.get(path)
    assert (response.status_code, response.text) == (404, "")
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_can_be_sent_to_it(method: str) -> None:
    async with served() as client:
        response = await client.request(method, "/", content=b"x")
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]
    assert response.headers["x-frame-options"] == "DENY"


def test_serving_writes_no_file(tmp_path: Path) -> None:
    code, _, err = invoke(
        "consents", "optin-page", "--line", "shop", "--serve", "--out", tmp_path / "x.html",
        "--config", config(tmp_path),
    )  # fmt: skip
    assert code == 2
    assert err.count("\n") == 1
    assert not (tmp_path / "x.html").exists()
