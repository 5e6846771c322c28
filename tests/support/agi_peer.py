"""The PBX's end of an AGI connection, byte by byte, and handlers for it."""

import asyncio
import socket
import struct
from collections.abc import Callable

from agi_bridge.agi import Channel, Server

HOST = "127.0.0.1"


ENVIRONMENT = b"agi_network: yes\nagi_request: agi://h/s\nagi_uniqueid: 1.1\n\n"


class Peer:
    """The PBX's end, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, server: Server, data: bytes = b"") -> "Peer":
        peer = cls(*await asyncio.open_connection(HOST, server.port))
        peer.writer.write(data)
        return peer

    async def line(self) -> bytes:
        return await self.reader.readline()

    async def rest(self) -> bytes:
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def quick(channel: Channel) -> None:
    await channel.answer()


async def forever(channel: Channel) -> None:
    await channel.answer()
    await asyncio.Event().wait()


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something holds that only the server's inside shows."""
    while not true():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)
