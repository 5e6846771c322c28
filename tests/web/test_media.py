"""Recordings over HTTP: as Asterisk fetches them, and as others might try to."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from structlog.testing import capture_logs

from agi_bridge.speech import Library, Recording
from agi_bridge.web import AUDIO, REVOCATIONS, RecordingEndpoint, WebServer
from agi_bridge.web import media as module
from tests.support.web_serving import TOKEN, KeptRevocations, error_of, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

URL = "http://pbx-side.example:4580/bridge"
SECRET = bytes(range(32))


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """One of the shipped prompts, in a folder of the test's own."""
    shipped = Library(cache=tmp_path).prompt("goodbye", "en")
    copy = tmp_path / "goodbye.wav"
    copy.write_bytes(shipped.wav.read_bytes())
    return replace(shipped, wav=copy)


@pytest.fixture
def media() -> RecordingEndpoint:
    return RecordingEndpoint(URL, SECRET)


@asynccontextmanager
async def serving(
    folder: Path, media: RecordingEndpoint, web: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        WebServer(settings(folder, web), KeptRevocations(), media) as listening,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.port}", trust_env=False) as client,
    ):
        yield client


@pytest.fixture
async def client(tmp_path: Path, media: RecordingEndpoint) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path, media) as running:
        yield running


def path(media: RecordingEndpoint, recording: Recording) -> str:
    """The path that an address leads to behind a proxy that takes the prefix off."""
    return media.address(recording).removeprefix(URL)


# -- addresses


def test_an_address_is_long_enough_for_asterisk_and_short_enough_for_its_database(
    media: RecordingEndpoint, recording: Recording
) -> None:
    address = media.address(recording)
    assert re.fullmatch(rf"{re.escape(URL)}/v1/audio/[0-9a-f]{{128}}\.wav", address)
    longest = RecordingEndpoint("x" * 80, SECRET).address(recording)
    # astdb.c: "/MediaCache/" and the URL in 256 bytes, its end included.
    assert len(f"/MediaCache/{longest}") < 256


def test_an_address_stays_the_same_for_the_same_sound_and_secret(
    media: RecordingEndpoint, recording: Recording
) -> None:
    again = RecordingEndpoint(URL, SECRET).address(replace(recording, name="other", text="other"))
    assert media.address(recording) == again
    assert media.address(replace(recording, sha256="0" * 64)) != again
    assert RecordingEndpoint(URL, bytes(32)).address(recording) != again


def test_an_address_tells_nothing_of_sound_text_or_secret(
    media: RecordingEndpoint, recording: Recording
) -> None:
    address = media.address(recording)
    for secret in (recording.sha256, recording.text_sha256, recording.name, SECRET.hex()):
        assert secret[:16] not in address.removeprefix(URL)


async def test_addresses_that_were_given_long_ago_are_forgotten(
    tmp_path: Path, media: RecordingEndpoint, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN", 2)
    first, second = recording, replace(recording, sha256="0" * 64)
    media.address(first)
    media.address(second)
    media.address(first)
    media.address(replace(recording, sha256="1" * 64))
    async with serving(tmp_path, media) as client:
        assert (await client.get(path(RecordingEndpoint(URL, SECRET), first))).status_code == 200
        assert (await client.get(path(RecordingEndpoint(URL, SECRET), second))).status_code == 404


# -- what Asterisk asks


async def test_a_recording_is_served_whole_to_be_kept_for_a_year(
    client: httpx.AsyncClient, media: RecordingEndpoint, recording: Recording
) -> None:
    response = await client.get(path(media, recording))
    assert response.status_code == 200
    assert response.content == recording.wav.read_bytes()
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert response.headers["etag"] == f'"{recording.sha256}"'
    assert response.headers["content-length"] == str(recording.wav.stat().st_size)


async def test_its_head_is_the_same_without_the_sound(
    client: httpx.AsyncClient, media: RecordingEndpoint, recording: Recording
) -> None:
    whole = await client.get(path(media, recording))
    head = await client.head(path(media, recording))
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "cache-control"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize("given", ['"{0}"', 'W/"{0}"', '"other", "{0}"', "*"])
async def test_who_has_it_is_told_so(
    client: httpx.AsyncClient, media: RecordingEndpoint, recording: Recording, given: str
) -> None:
    wanted = {"If-None-Match": given.format(recording.sha256)}
    response = await client.get(path(media, recording), headers=wanted)
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == f'"{recording.sha256}"'
    other = {"If-None-Match": '"other"'}
    assert (await client.get(path(media, recording), headers=other)).status_code == 200


async def test_a_part_of_it_is_served_on_its_own(
    client: httpx.AsyncClient, media: RecordingEndpoint, recording: Recording
) -> None:
    sound = recording.wav.read_bytes()
    asked = {"Range": "bytes=100-199", "If-Range": f'"{recording.sha256}"'}
    part = await client.get(path(media, recording), headers=asked)
    assert (part.status_code, part.content) == (206, sound[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(sound)}"
    changed = {"Range": "bytes=100-199", "If-Range": '"other"'}
    assert (await client.get(path(media, recording), headers=changed)).content == sound
    beyond = await client.get(path(media, recording), headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416


# -- what nobody gets


@pytest.mark.parametrize(
    "asked",
    [
        f"{AUDIO}{'0' * 128}.wav",
        f"{AUDIO}goodbye.wav",
        f"{AUDIO}.wav",
        AUDIO,
        f"{AUDIO}../../etc/passwd.wav",
        f"{AUDIO}..%2f..%2fetc%2fpasswd.wav",
        f"{AUDIO}%2fetc%2fpasswd.wav",
        f"{AUDIO}%00.wav",
    ],
)
async def test_what_was_not_given_out_is_not_there(
    client: httpx.AsyncClient, media: RecordingEndpoint, recording: Recording, asked: str
) -> None:
    media.address(recording)
    response = await client.get(asked)
    assert response.status_code == 404
    assert "etag" not in response.headers


@pytest.mark.parametrize("change", ["gone", "other", "folder"])
async def test_a_file_that_is_not_what_the_record_names_is_not_served(
    client: httpx.AsyncClient, media: RecordingEndpoint, recording: Recording, change: str
) -> None:
    wanted = path(media, recording)
    recording.wav.unlink()
    if change == "other":
        recording.wav.write_bytes(b"other")
    if change == "folder":
        recording.wav.mkdir()
    response = await client.get(wanted)
    assert response.status_code == 404
    assert error_of(response)["code"] == "unknown_recording"


async def test_recordings_are_only_read(
    client: httpx.AsyncClient, media: RecordingEndpoint, recording: Recording
) -> None:
    response = await client.post(path(media, recording), content=b"x")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert error_of(response)["fix"] == f"use {response.headers['allow']}"


async def test_a_fault_is_logged_without_the_address(
    client: httpx.AsyncClient,
    media: RecordingEndpoint,
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(module, "_intact", broken)
    wanted = path(media, recording)
    with capture_logs() as logs:
        response = await client.get(wanted)
    assert response.status_code == 500
    assert [log["path"] for log in logs] == [AUDIO]
    assert wanted.removeprefix(AUDIO)[:16] not in str(logs)


# -- beside revocations


async def test_recordings_alone_open_no_other_path(client: httpx.AsyncClient) -> None:
    assert (await client.post(REVOCATIONS, json={})).status_code == 404


async def test_recordings_need_no_token_and_revocations_go_on_needing_theirs(
    tmp_path: Path, media: RecordingEndpoint, recording: Recording
) -> None:
    async with serving(tmp_path, media, 'token = {env = "WEB"}\n') as client:
        assert (await client.get(path(media, recording))).status_code == 200
        assert (await client.post(REVOCATIONS, json={})).status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert (await client.post(REVOCATIONS, json={})).status_code == 422
