"""A scrape: every metric of the list, by its name and labels, as other programs read it."""

from __future__ import annotations

import random

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agi_bridge.consent import PushBacklog
from agi_bridge.status.exposition import MAX_SAMPLES
from tests.support.statuses import Pretended

ROOM = 20
"""Samples that a scrape with twenty lines leaves for the gauges of later versions."""
METRICS = {
    "build_info": {"version", "python"},
    "calls_active": set(),
    "calls_total": {"line", "result"},
    "calls_refused_total": {"reason"},
    "call_seconds": set(),
    "first_sound_seconds": set(),
    "step_seconds": {"step"},
    "consents_total": {"line", "state"},
    "hook_requests_total": {"outcome", "code"},
    "hook_seconds": set(),
    "hook_circuit_open": set(),
    "history_dropped_total": set(),
    "hook_not_linked_total": {"line"},
    "forward_refused_total": {"line", "reason"},
    "dials_total": {"line", "leg", "status"},
    "waiting_unsent": set(),
    "waiting_person": {"kind"},
    "revocations_total": {"channel"},
    "limits_total": {"line", "limit"},
    "ledger_append_seconds": set(),
    "ledger_errors_total": set(),
    "ledger_free_bytes": set(),
    "last_checkpoint_timestamp_seconds": set(),
    "checkpoint_failures_total": {"sink"},
    "speech_renders_total": {"engine", "outcome"},
    "speech_seconds": {"engine"},
    "config_reloads_total": {"outcome"},
    "config_stale": set(),
    "console_down": set(),
    "draining": set(),
    "drain_forced_total": set(),
    "clock_synchronised": set(),
    "loop_lag_seconds": set(),
    "web_requests_total": {"path", "code"},
    "consent_queries_total": {"reason"},
    "push_deliveries_total": {"outcome"},
    "push_pending": set(),
    "push_oldest_seconds": set(),
    "push_endpoints_gone": set(),
    "stop_lookups_total": {"outcome"},
    "ready": set(),
}
"""Each metric's labels."""


@pytest.fixture
def service() -> Pretended:
    made = Pretended()
    made.state.unsent, made.state.waiting = 0, {"message": 1}
    made.state.push = PushBacklog()
    made.state.free_bytes = 5_000_000_000
    made.metrics.checkpoint_published([])
    return made


def scrape(service: Pretended) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The samples of a scrape by name, as prometheus_client reads them."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(service.status.metrics_text()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_every_metric_is_there_with_its_labels_and_no_other(service: Pretended) -> None:
    seen: dict[str, set[str]] = {}
    for name, samples in scrape(service).items():
        plain = name.removeprefix("agi_bridge_")
        for suffix in ("_bucket", "_sum", "_count"):
            plain = plain.removesuffix(suffix)
        seen[plain] = {label for labels, _ in samples for label in labels} - {"le"}
    assert seen == METRICS


def test_each_metric_has_a_help_text_and_a_type(service: Pretended) -> None:
    text = service.status.metrics_text()
    for name in METRICS:
        assert f"# HELP agi_bridge_{name} " in text
        assert f"# TYPE agi_bridge_{name} " in text


def test_what_is_not_known_yet_has_no_sample() -> None:
    found = scrape(Pretended())
    for name in ("waiting_unsent", "waiting_person", "push_pending", "ledger_free_bytes"):
        assert f"agi_bridge_{name}" not in found


def test_every_number_has_all_its_digits(service: Pretended) -> None:
    service.state.unsent = service.calls = 1_234_567
    service.state.waiting = {"message": 2_345_678}
    service.state.push = PushBacklog(3_456_789, 0, "2026-10-05T12:34:56.789Z", gone=9)
    service.state.free_bytes = 1_073_741_823
    service.state.loop_lag = 0.123456789
    service.metrics.hook_seconds.observe(12_345_678.875)
    service.metrics.calls.add("shop", "done", by=5_678_901)
    found = scrape(service)
    wanted = {
        "calls_active": 1_234_567,
        "waiting_unsent": 1_234_567,
        "push_pending": 3_456_789,
        "push_oldest_seconds": pytest.approx(4_551_426.961, rel=1e-12),
        "ledger_free_bytes": 1_073_741_823,
        "last_checkpoint_timestamp_seconds": service.now,
        "loop_lag_seconds": 0.123456789,
        "hook_seconds_sum": 12_345_678.875,
    }
    read = {name: found[f"agi_bridge_{name}"] for name in wanted}
    assert read == {name: [({}, value)] for name, value in wanted.items()}
    assert ({"kind": "message"}, 2_345_678) in found["agi_bridge_waiting_person"]
    assert ({"line": "shop", "result": "done"}, 5_678_901) in found["agi_bridge_calls_total"]
    bounds = {labels["le"] for labels, _ in found["agi_bridge_hook_seconds_bucket"]}
    assert {float(each) for each in bounds} == {*service.metrics.hook_seconds.bounds, float("inf")}


def test_a_histogram_is_cumulative(service: Pretended) -> None:
    for seconds in (0.004, 0.3, 99.0):
        service.metrics.hook_seconds.observe(seconds)
    found = scrape(service)
    buckets = {labels["le"]: value for labels, value in found["agi_bridge_hook_seconds_bucket"]}
    assert buckets["0.01"] == 1
    assert buckets["0.5"] == 2
    assert buckets["16.0" if "16.0" in buckets else "16"] == 2
    assert buckets["+Inf"] == 3
    assert found["agi_bridge_hook_seconds_count"] == [({}, 3)]
    [(_, total)] = found["agi_bridge_hook_seconds_sum"]
    assert total == pytest.approx(99.304)


def test_the_numbers_of_a_second_scrape_are_new(service: Pretended) -> None:
    scrape(service)
    service.metrics.calls.add("shop", "done")
    service.calls = 7
    found = scrape(service)
    assert ({"line": "shop", "result": "done"}, 1) in found["agi_bridge_calls_total"]
    assert found["agi_bridge_calls_active"] == [({}, 7)]


def test_twenty_lines_and_any_number_more_stay_within_the_limit() -> None:
    for count in (20, 200):
        service = Pretended(lines=tuple(f"line_{number}" for number in range(count)))
        service.state.unsent, service.state.waiting, service.state.free_bytes = 0, {}, 1
        service.metrics.checkpoint_published([])
        samples = sum(map(len, scrape(service).values()))
        assert samples <= MAX_SAMPLES
        assert samples + ROOM <= MAX_SAMPLES, "a gauge more needs a bound of a histogram less"


def test_ten_thousand_hostile_values_add_no_series(service: Pretended) -> None:
    before = sum(map(len, scrape(service).values()))
    chance = random.Random(1)  # noqa: S311 - a test's own dice
    for _ in range(10_000):
        word = f'"}}\n# {chance.randbytes(6).hex()} +14155550123'
        service.metrics.calls.add(word, "done")
        service.metrics.dials.add("shop", "forward", word)
        service.metrics.web_requests.add(word, "404")
        service.metrics.hook_answered(word, "unknown", chance.randrange(600, 1000), word, 1)
    text = service.status.metrics_text()
    assert sum(map(len, scrape(service).values())) == before
    assert "14155550123" not in text
