"""The control socket of a running service: where it is, and how a command asks there.

One request a connection, one line of JSON each way:

    {"request": "status", "arguments": {}, "config": "/etc/agi-bridge/agi-bridge.toml"}
    {"ok": {…}}   or   {"error": {"code": "unknown_request", "text": "…"}}

The socket is `control.sock` in the runtime directory that systemd makes (`$RUNTIME_DIRECTORY`), or
without one in `state_dir`. A link in `state_dir` leads there, so the configuration alone is enough
to find it. If the file on disk is broken, or names another state_dir than the one in force, the
places are tried where services are by default; a service that reads another file does not answer
there.

`app.control` is the service's side. This side imports little, because `agi-bridge health` runs
every few seconds in a container.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.config_file import STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOCKET_NAME: Final = "control.sock"
RUNTIME_VARIABLE: Final = "RUNTIME_DIRECTORY"
"""Where systemd says which runtime directory it made (systemd.exec(5))."""

DEFAULT_PLACES: Final = (Path("/run/agi-bridge"), STATE_DIR)
"""The runtime directory of the unit in packaging/, and the default state_dir."""
OTHER_SERVICE: Final = "other_service"
"""The code with which a service refuses a request that is meant for another one."""
_MAX_ANSWER: Final = 16 << 20
"""Bytes of an answer that a client reads."""


class ControlError(Exception):
    """A request failed or was refused.

    Attributes:
        code: `not_running`, `not_allowed`, `no_answer`, `unknown_request`, `bad_request`, `busy`,
            `other_service`, `failed`, or a handler's own.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def ask(
    state_dir: Path | None,
    request: str,
    *,
    seconds: float = 10.0,
    config: Path | None = None,
    **arguments: object,
) -> dict[str, Any]:
    """Ask the service that runs with a state directory or a configuration; return its answer.

    Blocks.

    Args:
        state_dir: the service's state directory; None: not known.
        request: its name.
        seconds: the timeout of the answer.
        config: the file that the service reads: then the default places are tried too.
        arguments: of the request; JSON values.

    Raises:
        ControlError: no service runs there, it does not answer, or it refuses.
    """
    runtime = runtime_dir()
    sure = [each / SOCKET_NAME for each in (state_dir, runtime) if each is not None]
    question: dict[str, object] = {"request": request, "arguments": arguments}
    try:
        return _exchange(sure, question, seconds)
    except ControlError as error:
        if error.code != "not_running":
            raise
    if config is not None:
        question["config"] = str(config.resolve())
        for place in DEFAULT_PLACES:
            try:
                return _exchange([place / SOCKET_NAME], question, seconds)
            except ControlError as error:
                if error.code not in {"not_running", "not_allowed", OTHER_SERVICE}:
                    raise
    where = "here" if state_dir is None else f"with the state_dir {state_dir}"
    raise ControlError("not_running", f"no agi-bridge is running {where}")


def _exchange(
    paths: Sequence[Path], question: Mapping[str, object], seconds: float
) -> dict[str, Any]:
    """Ask at the first of these sockets that somebody listens at. Raises ControlError."""
    try:
        with _connected(paths, seconds) as connection:
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline(_MAX_ANSWER)
    except TimeoutError:
        raise ControlError(
            "no_answer", f"the service did not answer within {seconds:g} s"
        ) from None
    except OSError as error:
        raise ControlError(
            "no_answer", f"the connection to the service failed ({error.strerror})"
        ) from None
    return _read_answer(line)


def _read_answer(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
        if "error" not in answer:
            return dict(answer["ok"])
        raise ControlError(str(answer["error"]["code"]), str(answer["error"]["text"]))
    except (ValueError, KeyError, TypeError):
        raise ControlError("no_answer", "the service ended before it answered") from None


@contextmanager
def _connected(paths: Sequence[Path], seconds: float) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        for path in paths:
            try:
                with short_path(path) as name:
                    connection.connect(name)
            except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
                continue
            except PermissionError:
                raise ControlError(
                    "not_allowed",
                    f"{path}: only root and the service's account may use it; run this as one of "
                    "them",
                ) from None
            yield connection
            return
    raise ControlError("not_running", "no agi-bridge is running here")


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Return a path of at most 107 bytes to a socket in a deep folder (sun_path in unix(7))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def runtime_dir() -> Path | None:
    """Return the runtime directory that systemd made for this unit; None outside of one."""
    given = os.environ.get(RUNTIME_VARIABLE, "").split(":")[0]
    return Path(given) if given.startswith("/") else None
