"""Two bridges on one PostgreSQL behind a real Asterisk: one fails under calls, nobody is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from agi_bridge.consent.ledger import schema
from tests.support.external_db import execute
from tests.support.failover import Pair
from tests.support.postgresql import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(900)]

ROOT: Final = Path(__file__).parents[2]
ACCEPTED: Final = ["disclosed", "entered", "confirmed", "submitting", "accepted"]


@pytest.fixture
def url() -> Iterator[str]:
    """A database of a server whose socket the scenario's processes may use."""
    with PostgreSQL.running() as server, server.database() as url:
        yield url


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The same, with a standby."""
    with Pair.running() as pair:
        yield pair


def revision(url: str) -> str:
    """The revision of the ledger's tables."""
    return str(execute(url, "SELECT version_num FROM alembic_version")[0][0])


def move_when_asked(folder: Path, pair: Pair) -> None:
    """Have a database moved as soon as the scenario asks for it."""
    for name in ("move", "moved"):
        os.mkfifo(folder / name)

    def move() -> None:
        (folder / "move").open("rb").close()
        pair.lose_primary()
        (folder / "moved").open("wb").close()

    threading.Thread(target=move, daemon=True).start()  # the scenario may end before it asks


def scenario(
    folder: Path, url: str, asterisk: Path, *, fault: str, way: str, calls: int
) -> dict[str, Any]:
    """Run the scenario in a network of its own; a user who is not root is, in there."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    ran = subprocess.run(  # noqa: S603 - our own arguments
        [
            *("unshare", *root, "--net", "--mount"),
            *(sys.executable, "-m", "tests.support.two_machines"),
            *(folder, url, fault, way, str(calls)),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "AGI_BRIDGE_ASTERISK": str(asterisk)},
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def keep(request: pytest.FixtureRequest, result: dict[str, Any], reached: Counter[str]) -> None:
    """Write down what was measured, beside the test's result (`--junitxml`)."""
    names = ("seconds", "first_prompt_ms")
    kept = {"reached": dict(reached), **{name: result[name] for name in names}}
    request.node.user_properties.extend(kept.items())


def judge(result: dict[str, Any]) -> Counter[str]:
    """Where callers got to. Each got to one place, and what is stored is what was sent."""
    callers, places = result["callers"], dict(result["reached"])
    assert sorted(places) == sorted(callers) == sorted(who for who, _ in result["reached"])
    assert set(places.values()) <= {"forward", "default"}
    assert set(result["texted"].values()) <= {1}
    stored = Counter(number for number, story in result["stored"] if "submitting" in story)
    assert set(stored.values()) <= {1}
    assert set(result["texted"]) <= set(stored)
    accepted = {number for number, story in result["stored"] if story == ACCEPTED}
    forwarded = {f"+1415212{who}" for who, place in places.items() if place == "forward"}
    assert forwarded <= accepted
    return Counter(places.values())


def test_a_bridge_is_killed_under_calls(tmp_path: Path, url: str, asterisk_binary: Path) -> None:
    """The light form: its callers reach the default, those who come later the other bridge."""
    reached = judge(scenario(tmp_path, url, asterisk_binary, fault="killed", way="srv", calls=6))
    assert reached == {"default": 3, "forward": 3}


def test_a_bridge_that_is_frozen_is_ended_by_its_watchdog(
    tmp_path: Path, url: str, asterisk_binary: Path
) -> None:
    """A watchdog as systemd's: its callers hear nothing until then, and reach the default."""
    result = scenario(tmp_path, url, asterisk_binary, fault="frozen", way="srv", calls=6)
    assert result["ended"] == "SIGABRT"
    assert judge(result)["default"] >= 3


def test_two_bridges_are_upgraded_one_at_a_time_and_one_goes_back(
    tmp_path: Path, url: str, asterisk_binary: Path
) -> None:
    """A migration while both run; the release before is started again on its tables, twice."""
    result = scenario(tmp_path, url, asterisk_binary, fault="upgraded", way="list", calls=6)
    assert judge(result) == {"forward": 6}
    assert (revision(url), result["ended"]) == ("9000", "0")


@pytest.mark.long
@pytest.mark.parametrize("way", ["srv", "list"])
@pytest.mark.parametrize("fault", ["killed", "drained", "frozen", "cut_off", "upgraded"])
def test_a_bridge_fails_under_fifty_calls(
    tmp_path: Path,
    url: str,
    asterisk_binary: Path,
    request: pytest.FixtureRequest,
    *,
    fault: str,
    way: str,
) -> None:
    """`--junitxml` has how many callers got where, and how long they waited for a voice."""
    result = scenario(tmp_path, url, asterisk_binary, fault=fault, way=way, calls=50)
    reached = judge(result)
    keep(request, result, reached)
    later = 25 if fault in {"killed", "drained", "upgraded"} else 0
    assert reached["forward"] >= later
    assert revision(url) == ("9000" if fault == "upgraded" else schema.VERSION)


@pytest.mark.long
@pytest.mark.parametrize("way", ["srv", "list"])
def test_the_primary_moves_under_fifty_calls(
    tmp_path: Path, pair: Pair, asterisk_binary: Path, request: pytest.FixtureRequest, way: str
) -> None:
    """Twenty-five are in the dialogue then; both bridges find the new primary."""
    move_when_asked(tmp_path, pair)
    result = scenario(tmp_path, pair.socket_url, asterisk_binary, fault="moved", way=way, calls=50)
    reached = judge(result)
    keep(request, result, reached)
    assert reached["forward"] >= 25
    assert execute(pair.second.url("postgres"), "SELECT pg_is_in_recovery()") == [(False,)]
