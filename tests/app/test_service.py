"""The service whole: what it builds, how it recovers, stops, and what it never writes down."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import shutil
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agi_bridge.agi import SAFE_APPLICATIONS
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import build, listeners, service
from agi_bridge.app.ledger import open_ledger
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.observe import configure_logging
from agi_bridge.speech import SHIPPED
from tests.support.call_env import DID, KEY, settings, shipped_milliseconds
from tests.support.consent_builders import SENDING, confirmed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.app.service import Service
    from agi_bridge.hook.testing import FakeHook
    from tests.support.captured_log import Log

TOKEN = "word-that-only-the-pbx-knows"
KEYED = "4155550123"
CALLER = "15145550100"
FORWARD = "+14155550199"
NAME = "Alexandra Caller"


@asynccontextmanager
async def bridge(
    tmp_path: Path, fake_hook: FakeHook, tables: dict[str, Any] | None = None, **line: Any
) -> AsyncIterator[Service]:
    configured = settings(tmp_path, fake_hook.url, tables, **line)
    async with service.running(configured) as server:
        yield server


async def call(
    server: Service, keys: str, path: str = f"consent?to={DID}", **pbx: Any
) -> CallRecord:
    pbx.setdefault("sounds", shipped_milliseconds)
    fake = FakeAsterisk(keys=keys, caller_id=CALLER, caller_name=NAME, **pbx)
    return await fake.call("127.0.0.1", server.port, path)


async def test_no_output_of_a_call_contains_a_number_a_name_or_a_secret(
    tmp_path: Path, fake_hook: FakeHook, written: Log, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    token = tmp_path / "token"
    token.write_text(TOKEN)
    tables = {"agi": {"port": 0, "token": {"file": str(token)}}, "hook": {"method": "GET"}}
    path = f"consent?to={DID}&token={TOKEN}"
    async with bridge(tmp_path / "state", fake_hook, tables) as server:
        for scenario in ("dial", "say", "not-linked", "403", "400", "500", "reset", "garbage"):
            fake_hook.scenario = scenario
            await call(server, f"{KEYED},1", path)
        fake_hook.scenario, fake_hook.forward = "dial", "+19005550123"
        await call(server, f"{KEYED},1", path)
        await call(server, "4115550123,!", path)
        await call(server, f"{KEYED},1", path, dial="BUSY")
        await call(server, "*", path, sounds=lambda _: None)
        await call(server, "", f"consent?to=%2B14155559999&token={TOKEN}")
        await call(server, "", f"consent?to={DID}&token=guessed")
    captured = capfd.readouterr()
    everything = written.getvalue() + captured.out + captured.err
    assert everything.count('"event": "call"') >= 13
    for secret in (
        KEYED, KEYED[3:], "5550123", CALLER, "5550100", FORWARD[1:], "4155550199", DID[1:],
        "4155550111", "9005550123", "4115550123", "14155559999", NAME, KEY, TOKEN, "guessed",
    ):  # fmt: skip
        assert secret not in everything, secret


async def test_at_info_a_call_is_one_line(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    configure_logging("info", written)
    async with bridge(tmp_path, fake_hook) as server:
        await written.line("status.listening")
        before = len(written.getvalue())
        await call(server, f"{KEYED},1")
    (line,) = [json.loads(text) for text in written.getvalue()[before:].splitlines()]
    assert (line["event"], line["hook"], line["result"]) == ("call", "accepted", "done")


async def test_submissions_that_a_crash_left_open_are_settled_at_the_next_start(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    record = confirmed()
    record.submitting(SENDING)
    async with await open_ledger(settings(tmp_path), create=True) as ledger:
        await ledger.append(record.take())
    async with bridge(tmp_path, fake_hook):
        pass
    assert '"count": 1' in written.getvalue()
    async with await open_ledger(settings(tmp_path), create=True) as ledger:
        assert (await ledger.events(record.id))[-1].type.value == "unknown"


async def test_a_second_one_does_not_take_what_the_first_is_busy_with_for_left_open(
    tmp_path: Path, fake_hook: FakeHook
) -> None:
    fake_hook.scenario = "slow"
    async with bridge(tmp_path, fake_hook) as server:
        busy = asyncio.create_task(call(server, f"{KEYED},1"))
        await fake_hook.received()
        with pytest.raises(OSError, match="another agi-bridge is already running"):
            async with bridge(tmp_path, fake_hook):
                pass
        async with await open_ledger(settings(tmp_path)) as ledger:
            assert (await ledger.events())[-1].type.value == "submitting"
        busy.cancel()
    async with bridge(tmp_path, fake_hook):
        pass


async def test_prompts_with_an_old_brand_are_one_error_of_their_line(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    folder = tmp_path / "speech" / "lines" / "shop" / "en"
    folder.mkdir(parents=True)
    for name in ("disclosure", "accepted"):
        shutil.copyfile(SHIPPED / "en" / f"{name}.wav", folder / f"{name}.wav")
        (folder / f"{name}.txt").write_text("Old Store thanks you.", encoding="utf-8")
    async with bridge(tmp_path, fake_hook, policy_url="example.com/sms"):
        pass
    warnings = [line for line in map(json.loads, written.getvalue().splitlines())
                if line["event"] == "service.prompts_outdated"]  # fmt: skip
    assert [(line["line"], line["prompts"]) for line in warnings] == [
        ("shop", ["en/disclosure", "en/accepted"])
    ]


async def test_a_ledger_that_contradicts_its_last_checkpoint_is_logged(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    async with bridge(tmp_path, fake_hook) as server:
        await call(server, f"{KEYED},1")
    async with bridge(tmp_path, fake_hook):
        pass
    assert "ledger.contradicts_checkpoint" not in written.getvalue()
    for file in tmp_path.glob("consents.db*"):
        file.unlink()
    async with bridge(tmp_path, fake_hook):
        pass
    event = await written.line("ledger.contradicts_checkpoint")
    assert event["level"] == "error"


async def test_an_invalid_checkpoint_file_does_not_prevent_a_start(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    (tmp_path / "checkpoints.jsonl").write_text("nonsense\n")
    async with bridge(tmp_path, fake_hook):
        pass
    event = await written.line("checkpoint.file_unreadable")
    assert "line 1" in event["reason"]


async def test_it_does_not_start_without_a_place_for_consents(
    tmp_path: Path, fake_hook: FakeHook
) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(LedgerUnavailable, match=r"state_dir: .*state is not a folder"):
        async with bridge(tmp_path / "state", fake_hook):
            pass


async def test_consecutive_calls_leave_no_task_and_no_open_file(
    tmp_path: Path, fake_hook: FakeHook, written: Log
) -> None:
    async with bridge(tmp_path, fake_hook) as server:
        await call(server, f"{KEYED},1")
        tasks, files = len(asyncio.all_tasks()), open_files()
        for keys in (f"{KEYED},1", "*", "415!", "") * 5:
            await call(server, keys)
        gc.collect()
        assert len(asyncio.all_tasks()) <= tasks + 1  # a chore may have paused meanwhile
        assert open_files() <= files + 1  # a connection may be closing
    assert written.getvalue().count('"event": "call"') == 21


@pytest.mark.parametrize("taken", ["agi", "web"])
async def test_a_port_that_is_taken_leaves_the_disk_as_it_was(tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        tables = over_http(tmp_path, port if taken == "web" else 0)
        tables["agi"] = {"port": port if taken == "agi" else 0}
        tables["web"]["port"] = port if taken == "web" else port + 1
        configured = settings(tmp_path / "state", tables=tables)
        with pytest.raises(OSError, match=rf"{taken}: 127\.0\.0\.1 port {port}: Address already"):
            async with service.running(configured):
                pass
    assert not (tmp_path / "state").exists()


async def test_too_few_descriptors_are_logged_and_calls_beyond_them_refused(
    tmp_path: Path, fake_hook: FakeHook, written: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "raise_soft_limit", lambda _: 200)
    async with bridge(tmp_path, fake_hook) as server:
        assert server.server._limits.max_calls == 7
        await call(server, "*")
    event = await written.line("descriptors.too_few")
    assert event["limit"] == 200
    assert "1000 calls need 3184 file descriptors" in event["problem"]
    assert "calls beyond 7 are refused" in event["problem"]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def over_http(tmp_path: Path, port: int) -> dict[str, Any]:
    """The tables of a bridge whose PBX fetches recordings, with espeak-ng's stand-in."""
    program = tmp_path / "speak"
    sound = SHIPPED / "en" / "goodbye.wav"
    program.write_text(f'#!/bin/sh\ncat > /dev/null\ncp "{sound}" "$1"\n')
    program.chmod(0o755)
    engine = {"kind": "command", "command": [str(program), "{output}"]}
    url = "http://pbx-side.example:4580"
    return {
        "speech": {"delivery": "http", "url": url, "engines": [engine]},
        "web": {"port": port},
    }


@pytest.mark.programs
async def test_recordings_go_to_the_pbx_as_addresses_that_outlive_the_service(
    tmp_path: Path, fake_hook: FakeHook, unused_tcp_port: int
) -> None:
    fake_hook.forward = "</Dial><Say>We open at nine.</Say><Dial>"
    tables = over_http(tmp_path, unused_tcp_port)
    played = []
    for _ in range(2):
        async with bridge(tmp_path, fake_hook, tables) as server:
            made = await call(server, f"{KEYED},1", sounds=lambda _: 60_000)
            played.append([sound for sound in made.played if sound.startswith("http")])
            async with httpx.AsyncClient(trust_env=False) as client:
                for address in played[-1]:
                    path = address.removeprefix("http://pbx-side.example:4580")
                    got = await client.get(f"http://127.0.0.1:{unused_tcp_port}{path}")
                    assert (got.status_code, got.content[:4]) == (200, b"RIFF"), address
    assert played[0] == played[1]
    assert len(played[0]) >= 5


async def test_no_address_of_a_recording_is_logged(
    tmp_path: Path, fake_hook: FakeHook, written: Log, unused_tcp_port: int
) -> None:
    async with bridge(tmp_path, fake_hook, over_http(tmp_path, unused_tcp_port)) as server:
        made = await call(server, f"{KEYED},1", sounds=lambda _: 60_000)
        await call(server, f"{KEYED},1", sounds=lambda _: None)
        addresses = {sound for sound in made.played if sound.startswith("http")}
        async with httpx.AsyncClient(trust_env=False) as client:
            for address in addresses:
                path = address.removeprefix("http://pbx-side.example:4580")
                await client.get(f"http://127.0.0.1:{unused_tcp_port}{path[:-5]}.wav")
    assert len(addresses) >= 4
    assert '"event": "call.failed"' in written.getvalue()
    for address in addresses:
        assert address.rpartition("/")[2][:16] not in written.getvalue()


async def test_callers_hear_the_lines_rendered_prompts_and_the_record_contains_them(
    tmp_path: Path, fake_hook: FakeHook
) -> None:
    rendered = tmp_path / "speech" / "lines" / "shop" / "en"
    rendered.mkdir(parents=True)
    sound = (SHIPPED / "en" / "disclosure-example-store.wav").read_bytes()
    (rendered / "disclosure.wav").write_bytes(sound)
    (rendered / "disclosure.txt").write_text("Of the shop's own.", encoding="utf-8")
    async with bridge(tmp_path, fake_hook) as server:
        made = await call(server, f"{KEYED},1", sounds=lambda _: 60_000)
    assert str(rendered / "disclosure") in made.played
    words = hashlib.sha256(b"Of the shop's own.").hexdigest()
    async with await open_ledger(settings(tmp_path)) as ledger:
        assert words in [event.body.get("disclosure_sha256") for event in await ledger.events()]
        kept = await ledger.disclosure(words)
        assert kept is not None
        assert await ledger.audio(hashlib.sha256(sound).hexdigest()) == sound
    assert kept.text == "Of the shop's own."


def test_calls_may_run_the_configured_speech_application_and_no_other() -> None:
    command = ["Flite", "{text}"]
    voice = settings(tables={"speech": {"engines": [{"kind": "pbx", "command": command}]}})
    assert build.applications(voice) == SAFE_APPLICATIONS | {"Flite"}
    assert build.applications(settings()) == SAFE_APPLICATIONS
