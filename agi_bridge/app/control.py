"""The service's side of the control socket: who may ask, and how requests are answered.

`control_client` has the protocol, the place of the socket, and the side of the commands. The
socket's mode is 0600, and the peer's account, which the kernel names (SO_PEERCRED in unix(7)), must
be the service's own or root.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from agi_bridge.control_client import (
    OTHER_SERVICE,
    SOCKET_NAME,
    ControlError,
    runtime_dir,
    short_path,
)
from agi_bridge.diagnostics import RateLimitedEvent

if TYPE_CHECKING:
    from types import TracebackType

MAX_CONNECTIONS: Final = 16
"""Connections at once, out of the descriptors that `app.descriptors` keeps for others."""
_MAX_REQUEST: Final = 16_384
"""Bytes of a request."""
_REQUEST_SECONDS: Final = 5.0
"""How long a client may take to write its line, and to read the answer."""
_PEER: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid


@dataclass(frozen=True, slots=True)
class Peer:
    """The account and process of a client, from the kernel."""

    pid: int
    uid: int


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its name and arguments."""

    name: str
    arguments: Mapping[str, Any]
    peer: Peer


Answer = Mapping[str, Any]
"""What a handler answers: it becomes JSON."""

Handler = Callable[[Request], Answer | Awaitable[Answer]]
"""Answers one kind of request. A plain function must not block the event loop."""


class ControlSocket:
    """Answers requests while its `async with` block runs.

    If the socket cannot be made, the service runs without it and logs one error.

    Args:
        state_dir: the service's state directory; the caller holds its lock.
        handlers: by name of the request. Entries may be added while it runs.
        config: the file that the service reads; None: none.
    """

    def __init__(
        self, state_dir: Path, handlers: Mapping[str, Handler], config: Path | None = None
    ) -> None:
        self._config = None if config is None else str(config.resolve())
        self._link = state_dir / SOCKET_NAME
        self._path = (runtime_dir() or state_dir) / SOCKET_NAME
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused = RateLimitedEvent("control.peer_refused")

    async def __aenter__(self) -> Self:
        try:
            listener = _listen(self._path)
            try:
                if self._path != self._link:
                    _link(self._link, self._path)
                self._server = await asyncio.start_unix_server(
                    self._connected, sock=listener, limit=_MAX_REQUEST
                )
            except BaseException:
                listener.close()
                raise
        except OSError as error:
            structlog.get_logger().error(
                "control.not_available", socket=str(self._path), reason=error.strerror
            )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is None:
            return
        self._server.close()
        for path in {self._path, self._link}:
            with suppress(OSError):
                path.unlink()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._refused.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="control request")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(reader, writer)
            async with asyncio.timeout(_REQUEST_SECONDS):
                writer.write(json.dumps(answer, default=str).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # the client has gone, or does not read: nobody is left to tell
        finally:
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> dict[str, Any]:
        busy = len(self._tasks) > MAX_CONNECTIONS
        try:
            # Read it in any case: to close with it unread would reset the connection.
            async with asyncio.timeout(_REQUEST_SECONDS):
                line = await reader.readline()
        except ValueError:
            return _error("bad_request", "the request is too long")
        peer = _peer(writer.get_extra_info("socket"))
        if peer.uid not in {0, os.geteuid()}:
            self._refused.log(uid=peer.uid, pid=peer.pid)
            return _error(
                "not_allowed", "only root and the service's account may use the control socket"
            )
        if busy:
            return _error("busy", "too many requests at once: try again")
        given = _read_object(line)
        request = None if given is None else _read_request(given, peer)
        if given is None or request is None:
            return _error("bad_request", "the request is not a JSON object with a name")
        if None not in {self._config, given.get("config")} and given["config"] != self._config:
            return _error(OTHER_SERVICE, f"this service reads {self._config}")
        return await self._handle(request)

    async def _handle(self, request: Request) -> dict[str, Any]:
        handler = self._handlers.get(request.name)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            return _error("unknown_request", f"the known requests are {known}")
        try:
            answer = handler(request)
            if inspect.isawaitable(answer):
                answer = await answer
        except ControlError as error:
            return _error(error.code, str(error))
        except Exception as error:  # noqa: BLE001 - a request must not end the service
            structlog.get_logger().error(
                "control.request_failed", request=request.name, exc_info=error
            )
            return _error("failed", "the request failed; the service's log says why")
        return {"ok": dict(answer)}


def _listen(path: Path) -> socket.socket:
    """Bind and listen, replacing an earlier service's socket. The mode is set before listening."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as name:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            listener.bind(name)
            Path(name).chmod(0o600)
        listener.listen(MAX_CONNECTIONS)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except BaseException:
        listener.close()
        raise
    return listener


def _link(link: Path, target: Path) -> None:
    """Make or replace a link in one step."""
    fresh = link.with_name(f".{link.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    fresh.symlink_to(target)
    fresh.replace(link)


def _peer(connection: socket.socket) -> Peer:
    pid, uid, _ = _PEER.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    )
    return Peer(pid, uid)


def _read_object(line: bytes) -> dict[str, Any] | None:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _read_request(given: Mapping[str, Any], peer: Peer) -> Request | None:
    if not isinstance(given.get("request"), str) or not isinstance(given.get("config", ""), str):
        return None
    arguments = given.get("arguments", {})
    return Request(given["request"], arguments, peer) if isinstance(arguments, dict) else None


def _error(code: str, text: str) -> dict[str, Any]:
    return {"error": {"code": code, "text": text}}
