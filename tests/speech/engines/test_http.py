"""A speech service by HTTP, played by a small server in the test."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.speech import BadEngine, EngineError
from agi_bridge.speech.engines import HttpEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = "sk-secret"
VOICES = {"fr": "nova", "*": "alloy"}


class Service:
    """Reads one request a connection, notes it, and answers as it is told."""

    def __init__(self, answer: bytes, *, hang: bool = False) -> None:
        self.answer = answer
        self.hang = hang
        self.head = ""
        self.asked: dict[str, Any] = {}
        self.heard = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except asyncio.IncompleteReadError:
            pass  # the engine's time was over before it asked
        finally:
            writer.close()
            self.gone.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next(
            int(line.partition(":")[2])
            for line in head.splitlines()
            if line.lower().startswith("content-length")
        )
        self.head, self.asked = head, json.loads(await reader.readexactly(size))
        self.heard.set()
        writer.write(self.answer)
        if self.hang:
            await reader.read()


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    server = await asyncio.start_server(service, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}/v1/audio/speech"


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def engine(url: str, **more: Any) -> HttpEngine:
    return HttpEngine(url, **{"model": "tts-1", "voices": VOICES, "key": KEY, **more})


async def test_the_service_is_asked_as_openai_documents_it(tmp_path: Path) -> None:
    service = Service(ok(b"RIFF"))
    async with serving(service) as url:
        speaker = engine(url)
        await speaker.render("Bonjour", "fr", tmp_path / "out.wav")
        await speaker.close()
    assert (tmp_path / "out.wav").read_bytes() == b"RIFF"
    assert service.head.startswith("POST /v1/audio/speech HTTP/1.1\r\n")
    assert f"authorization: bearer {KEY}" in service.head.lower()
    assert service.asked == {
        "model": "tts-1",
        "voice": "nova",
        "input": "Bonjour",
        "response_format": "wav",
    }


async def test_a_language_without_a_voice_uses_the_general_one(tmp_path: Path) -> None:
    service = Service(ok(b"RIFF"))
    async with serving(service) as url:
        speaker = engine(url, key=None)
        await speaker.render("Hola", "es", tmp_path / "out.wav")
        await speaker.close()
    assert service.asked["voice"] == "alloy"
    assert "authorization" not in service.head.lower()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 401 No\r\ncontent-length: 9\r\n\r\nsk-secret", "answered 401"),
        (b"HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n", "answered 302"),
        (ok(b""), "sent no data"),
        (ok(b"x" * 101), "sent too much data"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nRIFF", "failed \\(RemoteProtocolError\\)"),
        (b"garbage\r\n\r\n", "failed \\(RemoteProtocolError\\)"),
        (b"", "failed \\(RemoteProtocolError\\)"),
    ],
)
async def test_a_response_that_is_not_speech_is_an_error_without_secrets(
    tmp_path: Path, answer: bytes, words: str
) -> None:
    async with serving(Service(answer)) as url:
        speaker = engine(url, max_output_bytes=100)
        with pytest.raises(EngineError, match=words) as caught:
            await speaker.render("Call 415 555 0171", "fr", tmp_path / "out.wav")
        await speaker.close()
    assert KEY not in str(caught.value)
    assert "0171" not in str(caught.value)
    assert not (tmp_path / "out.wav").exists()


async def test_an_unreachable_service_is_an_error(tmp_path: Path) -> None:
    async with serving(Service(b"")) as url:
        pass
    speaker = engine(url)
    with pytest.raises(EngineError, match="ConnectError"):
        await speaker.render("x", "fr", tmp_path / "out.wav")
    await speaker.close()
    await speaker.close()


async def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    async with serving(Service(ok(b"RIFF"))) as url:
        speaker = engine(url)
        with pytest.raises(EngineError, match="cannot be written"):
            await speaker.render("x", "fr", tmp_path / "gone" / "out.wav")
        await speaker.close()


async def test_a_caller_who_hangs_up_closes_the_connection(tmp_path: Path) -> None:
    service = Service(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nRIFF", hang=True)
    async with serving(service) as url:
        speaker = engine(url)
        call = asyncio.create_task(speaker.render("x", "fr", tmp_path / "out.wav"))
        await service.heard.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await service.gone.wait()
        await speaker.close()


def test_the_languages_are_those_that_have_a_voice() -> None:
    assert not engine("https://example.com").languages
    assert engine("https://example.com", voices={"fr": "nova"}).languages == {"fr"}
    assert engine("https://example.com", languages=["en"]).languages == {"en"}


def test_the_identity_depends_on_voice_model_and_url_but_does_not_contain_the_url() -> None:
    first = engine("https://example.com/tenant")
    assert "tenant" not in first.identity
    assert KEY not in repr(vars(first)["identity"])
    others = [
        engine("https://example.com"),
        engine("https://example.com/tenant", model="tts-2"),
        engine("https://example.com/tenant", voices={"*": "nova"}),
    ]
    assert len({first.identity, *(other.identity for other in others)}) == 4


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"url": "http://example.com/v1"}, "url", "on another machine"),
        ({"url": "http://192.0.2.1/v1"}, "url", "on another machine"),
        ({"url": "ftp://example.com"}, "url", "must be an https:// URL"),
        ({"url": "https://user:word@example.com"}, "url", "must be an https:// URL"),
        ({"url": "https://"}, "url", "must be an https:// URL"),
        ({"url": "https://[::1"}, "url", "not a valid URL"),
        ({"url": "http://localhost", "voices": {}}, "voices", "is empty"),
    ],
)
def test_an_unusable_service_is_refused(given: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(BadEngine, match=words) as caught:
        engine(**given)
    assert caught.value.field == field
