"""FastAGI servers of a few lines, for what a real bridge must never do: crash, refuse, lie.

They speak canned lines on a plain socket, so that the tests of the PBX configuration and the
dialplan stand on nothing but the protocol.
"""

import asyncio
import socket
import struct

from tests.support.listener import Listener

CLOSE = "close"
RESET = "reset"

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the kernel of a killed process


class CannedBridge(Listener):
    """Accepts calls, sends the given commands one by one, and ends as told.

    Args:
        commands: AGI commands; each is followed by its reply.
        ends: CLOSE (in good order, or by a crash: AGI shows no difference) or RESET.

    Attributes:
        calls: the environment of each call, in order.
        replies: every reply line of all calls.
    """

    def __init__(self, *commands: str, ends: str = CLOSE) -> None:
        super().__init__()
        self.commands = commands
        self.calls: list[dict[str, str]] = []
        self.replies: list[str] = []
        self.in_call = asyncio.Event()
        self._ends = ends

    @property
    def url(self) -> str:
        """Where the dialplan finds it."""
        return f"agi://{self.address}/consent"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        environment: dict[str, str] = {}
        try:
            while line := (await reader.readline()).decode().strip():
                name, _, value = line.partition(": ")
                environment[name] = value
            self.calls.append(environment)
            self.in_call.set()
            for command in self.commands:
                writer.write(command.encode() + b"\n")
                if command.startswith("failure"):
                    continue  # gets no reply
                reply = b"HANGUP\n"
                while reply == b"HANGUP\n":
                    reply = await reader.readline()
                self.replies.append(reply.decode().strip())
        finally:
            if self._ends == RESET:
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.close()


def result(value: str, **variables: str) -> list[str]:
    """Return the commands of a bridge that ends with AGI_BRIDGE_RESULT, after other variables."""
    named = {f"AGI_BRIDGE_{name.upper()}": text for name, text in variables.items()}
    return [
        f'SET VARIABLE {name} "{text}"'
        for name, text in {**named, "AGI_BRIDGE_RESULT": value}.items()
    ]
