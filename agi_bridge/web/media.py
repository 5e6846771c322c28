"""`GET /v1/audio/NAME.wav`: recordings for a PBX that cannot read the bridge's files.

A name is a keyed hash (HMAC-SHA-512) of the sound. Nobody can guess it, which matters because a
recording may speak of its caller. It survives a restart, so the PBX's cache stays valid. It always
means the same sound, so the PBX does not fetch it again.

The length is on purpose. Asterisk copies the path of its cached file into a buffer with the size of
the URL (file.c, ast_openstream_full and filehelper). A short URL would truncate the path, and the
recording would not be found.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.responses import FileResponse, Response

from agi_bridge.web.errors import ProblemResponse

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request

    from agi_bridge.speech import Recording

AUDIO: Final = "/v1/audio/"

MAX_KNOWN: Final = 10_000
"""URLs that are remembered; the PBX fetches each as soon as it gets it."""

# One year: res_http_media_cache reads max-age, and revalidates after it. `private` keeps callers'
# recordings out of shared proxies.
_CACHING: Final = "private, max-age=31536000, immutable"
_TYPE: Final = "audio/wav"
_PURPOSE: Final = b"agi-bridge: addresses of recordings"


class _Sound(NamedTuple):
    wav: Path
    sha256: str


class RecordingEndpoint:
    """Serves the recordings whose URL the PBX was given. Belongs to one event loop.

    Args:
        url: the base URL that the PBX uses, without a trailing slash.
        secret: a key of this installation, from which the key for names is derived.
    """

    def __init__(self, url: str, secret: bytes) -> None:
        self._url = url
        self._key = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(secret)
        self._sounds: OrderedDict[str, _Sound] = OrderedDict()

    def address(self, recording: Recording) -> str:
        """Return the URL at which the PBX can fetch a recording from now on."""
        name = hmac.digest(self._key, recording.sha256.encode(), "sha512").hex()
        self._sounds[name] = _Sound(recording.wav, recording.sha256)
        self._sounds.move_to_end(name)
        if len(self._sounds) > MAX_KNOWN:
            self._sounds.popitem(last=False)
        return f"{self._url}{AUDIO}{name}.wav"

    async def __call__(self, request: Request) -> Response:
        """Answer a request for a recording.

        Raises:
            ProblemResponse: 404, the name is unknown, or its file is missing or has changed.
        """
        sound = self._sounds.get(request.path_params["name"])
        if sound is None:
            raise _unknown()
        headers = {"ETag": f'"{sound.sha256}"', "Cache-Control": _CACHING}
        if _has(request.headers, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        status = await asyncio.to_thread(_intact, sound)
        if status is None:
            raise _unknown()
        return FileResponse(sound.wav, headers=headers, media_type=_TYPE, stat_result=status)


def _intact(sound: _Sound) -> os.stat_result | None:
    """The status of a file; None if it is missing, or differs from the consent record's hash."""
    try:
        with sound.wav.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() == sound.sha256:
                return sound.wav.stat()
    except OSError:
        pass
    return None


def _has(headers: Mapping[str, str], etag: str) -> bool:
    """Whether the client has the sound already (RFC 9110, 13.1.2)."""
    given = headers.get("if-none-match", "").split(",")
    return not {tag.strip().removeprefix("W/") for tag in given}.isdisjoint({etag, "*"})


def _unknown() -> ProblemResponse:
    return ProblemResponse(
        404, "unknown_recording", "", "is not a recording of this bridge", "use a URL it has issued"
    )
