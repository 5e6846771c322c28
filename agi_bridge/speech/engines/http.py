"""A service with OpenAI's `POST /v1/audio/speech`: theirs, or one of one's own that speaks it.

The texts go to that service: name one only if its operator may read what the hook says to callers.
Proxies, `.netrc` and certificates named in the environment are ignored, as the hook's client does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Final

import httpx

from agi_bridge.net import is_loopback
from agi_bridge.speech.errors import BadEngine, EngineError

from .base import MAX_OUTPUT_BYTES, Engine

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

CONNECT_SECONDS: Final = 1.0
"""Longest that connecting may take; the whole is bounded by the caller's patience."""

ANY: Final = "*"
"""In `voices`: the voice of every other language."""


class HttpEngine(Engine):
    """The service at a URL such as `https://speech.example/v1/audio/speech`.

    `voices` gives a voice by language, `*` standing for every other one; `model` is the service's
    name for its model, `key` the bearer token, if it wants one. Raises BadEngine if the URL will
    not do: https, or http on this machine.
    """

    at_once = 8  # it only waits

    def __init__(
        self,
        url: str,
        *,
        model: str,
        voices: Mapping[str, str],
        languages: Collection[str] = (),
        key: str | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> None:
        _check(url)
        if not voices:
            raise BadEngine("voices", 'is empty: name a voice for each language, or for "*"')
        served = languages or (() if ANY in voices else voices)
        identity = json.dumps(["http", url, model, sorted(voices.items())])
        # A URL may hold what is nobody's business, such as a tenant's name.
        super().__init__("http", hashlib.sha256(identity.encode()).hexdigest(), served)
        self._url = url
        self._model = model
        self._voices = dict(voices)
        self._headers = {"accept": "audio/wav", "user-agent": "agi-bridge"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"
        self._max_bytes = max_output_bytes
        self._client: httpx.AsyncClient | None = None

    async def render(self, text: str, language: str, output: Path) -> None:
        """Ask the service. Raises EngineError; its text holds neither URL nor key nor text."""
        asked = {
            "model": self._model,
            "voice": self._voices.get(language) or self._voices.get(ANY),
            "input": text,
            "response_format": "wav",
        }
        try:
            async with self._opened().stream("POST", self._url, json=asked) as response:
                if response.status_code != httpx.codes.OK:
                    raise EngineError(f"the service answered {response.status_code}")
                sound = await self._body(response)
        except httpx.HTTPError as error:
            raise EngineError(f"the service failed ({type(error).__name__})") from None
        try:
            await asyncio.to_thread(output.write_bytes, sound)
        except OSError as error:
            raise EngineError(f"the sound cannot be written ({error.strerror})") from error

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers=self._headers,
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
                trust_env=False,
            )
        return self._client

    async def _body(self, response: httpx.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > self._max_bytes:
                raise EngineError("the service says too much")
            chunks.append(chunk)
        if not size:
            raise EngineError("the service answered nothing")
        return b"".join(chunks)


def _check(url: str) -> None:
    """Raise BadEngine unless texts and a key may be sent to this URL."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise BadEngine("url", "cannot be read as a URL") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
        raise BadEngine("url", "is no https:// address without user and password")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise BadEngine("url", "is http, but not on this machine: take https")
