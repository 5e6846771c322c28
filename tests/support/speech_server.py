"""An engine for SPEECH RECOGNIZE: what res_speech_aeap of Asterisk connects to.

A WebSocket server (RFC 6455) that speaks the part of AEAP which res_speech_aeap.c uses. It "hears"
what it is told to, after the first second of sound, or nothing.
"""

import asyncio
import base64
import hashlib
import json
import struct
from typing import Any, Self

_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_TEXT, _BINARY, _CLOSE = 1, 2, 8
_SOUND_BYTES = 8000
"""A second of ulaw."""


class SpeechServer:
    """Serves one engine on a port of the loopback; an async context manager."""

    def __init__(self) -> None:
        self.hears: list[dict[str, Any]] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.split(":", 1)[1].strip()
            for line in request.splitlines()
            if line.lower().startswith("sec-websocket-key:")
        )
        proof = base64.b64encode(hashlib.sha1((key + _KEY).encode()).digest())  # noqa: S324 - RFC 6455
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: "
            + proof
            + b"\r\nSec-WebSocket-Protocol: speech_to_text\r\n\r\n"
        )
        sound = 0
        try:
            while True:
                kind, data = await _frame(reader)
                if kind == _CLOSE:
                    break
                if kind == _BINARY:
                    before, sound = sound, sound + len(data)
                    if before < _SOUND_BYTES <= sound and self.hears:
                        params = {"results": self.hears}
                        _send(writer, {"request": "set", "id": "1", "params": params})
                elif kind == _TEXT:
                    sound = 0
                    asked = json.loads(data)
                    if "request" in asked:
                        _send(writer, _response(asked))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _response(asked: dict[str, Any]) -> dict[str, Any]:
    answer = {"response": asked["request"], "id": asked["id"]}
    if asked["request"] == "setup":
        return answer | {"codecs": asked["codecs"]}
    return answer


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one frame of a client, which is masked (section 5.2)."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", await reader.readexactly(8))
    mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
    data = await reader.readexactly(length)
    return first & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    assert len(data) < 1 << 16
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack("!H", len(data))
    writer.write(bytes([0x80 | _TEXT]) + length + data)
