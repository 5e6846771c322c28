"""The engine `http`: a service with OpenAI's `POST /v1/audio/speech`, or a compatible one.

The service receives the texts: configure it only if its operator may read what callers hear.
Proxies, `.netrc` and certificates from the environment are ignored, as in the hook's client.
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
"""Time limit for connecting. The speech budget limits the whole request."""

ANY: Final = "*"
"""Key in `voices` for all other languages."""


class HttpEngine(Engine):
    """The service at a URL such as `https://speech.example/v1/audio/speech`.

    `voices` maps languages to voices, `*` to the voice of all others. `model` is the service's name
    of the model, `key` its bearer token, if it needs one. Raises BadEngine unless the URL is https,
    or http on this machine.
    """

    at_once = 8  # the service does the work

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
        # Hashed: a URL may contain private data, such as a tenant's name.
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
        """Request the speech. Raises EngineError without URL, key or spoken text in its text."""
        body = {
            "model": self._model,
            "voice": self._voices.get(language) or self._voices.get(ANY),
            "input": text,
            "response_format": "wav",
        }
        try:
            async with self._opened().stream("POST", self._url, json=body) as response:
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
                raise EngineError("the service sent too much data")
            chunks.append(chunk)
        if not size:
            raise EngineError("the service sent no data")
        return b"".join(chunks)


def _check(url: str) -> None:
    """Raise BadEngine unless this URL is safe for texts and a key."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise BadEngine("url", "is not a valid URL") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
        raise BadEngine("url", "must be an https:// URL without user and password")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise BadEngine("url", "must use https, because the service is on another machine")
