"""A real Prometheus for the tests: Debian's, on its own port; it ends with the test.

The programs are unpacked into the checkout by `provision-prometheus.sh`.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SCRIPT: Final = Path(__file__).with_name("provision-prometheus.sh")
_TREE: Final = _SCRIPT.parents[2] / ".prometheus"
_PATIENCE: Final = 60.0


async def program(name: str) -> Path:
    """`prometheus` or `promtool`; fetched the first time."""
    process = await asyncio.create_subprocess_exec(str(_SCRIPT), str(_TREE), stdout=DEVNULL)
    assert await process.wait() == 0
    return _TREE / "bin" / name


async def promtool(*arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run promtool; return its exit status and what it says."""
    process = await asyncio.create_subprocess_exec(
        str(await program("promtool")), *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    output, complaint = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, (output + complaint).decode()


class Prometheus:
    """A running server that scrapes one target every second."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query; an error of Prometheus is an AssertionError."""
        answer = (await self._client.get("/api/v1/query", params={"query": expression})).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    async def rules(self) -> list[str]:
        """The names of the alerts that it evaluates."""
        groups = (await self._client.get("/api/v1/rules")).json()["data"]["groups"]
        return [rule["name"] for group in groups for rule in group["rules"]]


@asynccontextmanager
async def scraping(folder: Path, target: str, rules: Path) -> AsyncIterator[Prometheus]:
    """A Prometheus that has scraped the target at least three times."""
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{rules}]\n"
        "scrape_configs:\n  - job_name: agi-bridge\n"
        f'    static_configs: [{{targets: ["{target}"]}}]\n',
        encoding="utf-8",
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        str(await program("prometheus")),
        f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        stdout=DEVNULL, stderr=DEVNULL,
    )  # fmt: skip
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10
        ) as client:
            made = Prometheus(client)
            async with asyncio.timeout(_PATIENCE):
                await _scraped(made, process)
            yield made
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _scraped(made: Prometheus, process: asyncio.subprocess.Process) -> None:
    """Wait until there are enough scrapes for a rate."""
    while process.returncode is None:
        try:
            found = await made.query("count_over_time(up[1m]) >= 3")
        except (httpx.HTTPError, ValueError):
            found = []
        if found:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("Prometheus does not start")
