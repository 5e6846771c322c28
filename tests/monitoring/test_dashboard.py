"""The Grafana dashboard: of Grafana's schema, and each query answered by a real Prometheus."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from agi_bridge.consent import PushBacklog
from agi_bridge.observe import CallLogEntry
from agi_bridge.settings import StatusSettings
from agi_bridge.status import StatusServer
from tests.monitoring.test_rules import RULES, rules
from tests.status.test_exposition import METRICS
from tests.support.prometheus import promtool, scraping
from tests.support.statuses import Pretended

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE: Final = Path(__file__).parents[2] / "monitoring" / "grafana-dashboard.json"
TEXT: Final = FILE.read_text(encoding="utf-8")


def expressions() -> list[str]:
    """The queries of all panels, as Grafana sends them."""
    found = [target["expr"] for panel in json.loads(TEXT)["panels"] for target in panel["targets"]]
    return [each.replace("$__rate_interval", "1m").replace("$job", "agi-bridge") for each in found]


def lost(given: Any, read: Any, path: str = "") -> Iterator[str]:
    """What the schema's own classes did not keep: it is in no schema."""
    if isinstance(given, dict):
        for key, value in given.items():
            if key not in read:
                yield f"{path}.{key}"
            else:
                yield from lost(value, read[key], f"{path}.{key}")
    elif isinstance(given, list):
        for place, (value, other) in enumerate(zip(given, read, strict=True)):
            yield from lost(value, other, f"{path}[{place}]")
    elif given != read:
        yield f"{path}: {given!r}"


def test_the_dashboard_is_of_grafanas_schema() -> None:
    given = json.loads(TEXT)
    read = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(given)))
    assert list(lost(given, read)) == []


def test_no_panel_covers_another_and_each_has_a_name_of_its_own() -> None:
    panels = json.loads(TEXT)["panels"]
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert (
        len({panel["id"] for panel in panels}) == len({p["title"] for p in panels}) == len(panels)
    )


def test_every_metric_is_shown_and_none_that_does_not_exist() -> None:
    shown = set()
    for name in re.findall(r"agi_bridge_(\w+)", " ".join(expressions())):
        shown.add(name.removesuffix("_bucket"))
    assert shown == set(METRICS)


@pytest.mark.programs
async def test_a_real_prometheus_answers_every_query_of_a_real_scrape(tmp_path: Path) -> None:
    service = busy()
    shown = StatusServer(StatusSettings(port=0), service.status)
    task = asyncio.create_task(shown.run())
    try:
        async with asyncio.timeout(10):
            await shown.listening.wait()
        status, output = await promtool(
            "check", "metrics", stdin=service.status.metrics_text().encode()
        )
        assert (status, output) == (0, "")
        counting = asyncio.create_task(count(service))
        async with scraping(tmp_path, f"127.0.0.1:{shown.port}", RULES) as prometheus:
            empty = [each for each in expressions() if not await prometheus.query(each)]
            assert empty == []
            assert await prometheus.rules() == [f"AgiBridge{name}" for name in rules()]
        counting.cancel()
        await asyncio.wait({counting})
    finally:
        task.cancel()
        await asyncio.wait({task})


def busy() -> Pretended:
    """A service of which everything is known."""
    service = Pretended(calls=1)
    service.state.unsent, service.state.waiting, service.state.free_bytes = 0, {}, 10**10
    service.state.push = PushBacklog()
    service.metrics.checkpoint_published([])
    return service


async def count(service: Pretended) -> None:
    """Have something to count for as long as Prometheus scrapes."""
    metrics = service.metrics
    while True:
        entry = CallLogEntry("1")
        entry.step("disclosure")
        entry.note(line="shop", result="done")
        entry.dialled("forward", "ANSWER")
        metrics.call_ended(entry)
        metrics.hook_answered("shop", "accepted", 200, "dial", 0.1)
        metrics.appended(0.01, stored=True)
        metrics.speech_rendered("piper", "rendered", 0.2)
        await asyncio.sleep(0.05)
