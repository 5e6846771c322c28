"""The process that a `Worker` runs: it holds a model and speaks a sentence for each line it reads.

    -> {"text": "...", "language": "fr"}
    <- {"rate": 24000, "bytes": N}, and N bytes of samples; or {"error": "..."}

Before the first line it says `{}` when the model is loaded, or `{"error": "..."}`. It ends when
its standard input does, so it cannot outlive the bridge, even in the midst of a sentence.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import resource
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KINDS: Final = {"kokoro": "KokoroModel", "piper": "PiperModel"}
"""Module of this package: its class."""

_NICENESS = 5  # calls come first
_MAX_ERROR = 200


class Model(Protocol):
    """A voice, loaded."""

    def speak(self, text: str, language: str) -> tuple[int, bytes]:
        """Return rate and samples (16 bit, one channel, little endian) of a sentence."""


def main(arguments: list[str]) -> int:
    """Load a model and serve it until standard input ends."""
    kind, options = arguments

    def load() -> Model:
        module = importlib.import_module(f".{kind}", __package__)
        model: Model = getattr(module, KINDS[kind])(**json.loads(options))
        # Nothing is to be written from here on, whatever a text makes a library do.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        return model

    os.nice(_NICENESS)
    with os.fdopen(os.dup(1), "wb") as replies:
        os.dup2(2, 1)  # a library that prints would break the line of replies
        return serve(load, lines_until_the_end(sys.stdin.buffer), replies)


def lines_until_the_end(
    source: IO[bytes], end: Callable[[int], object] = os._exit
) -> Iterable[bytes]:
    """Read lines in a thread of their own, which ends the process with the last one."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in source:
            lines.put(line)
        lines.put(b"")
        end(0)

    threading.Thread(target=read, name="requests", daemon=True).start()
    return iter(lines.get, b"")


def serve(load: Callable[[], Model], requests: Iterable[bytes], replies: IO[bytes]) -> int:
    """Load, then answer each request. Returns the process's exit status."""
    try:
        model = load()
    # Whatever a library may raise on loading: the bridge has to be told why.
    except Exception as error:  # noqa: BLE001  # the reason stands above
        _say(replies, {"error": f"{type(error).__name__}: {error}"[:_MAX_ERROR]})
        return 1
    _say(replies, {})
    for line in requests:
        request = json.loads(line)
        try:
            rate, samples = model.speak(request["text"], request["language"])
        # Its text may hold the spoken one, so its name alone is told.
        except Exception as error:  # noqa: BLE001  # one sentence it cannot say is not its end
            _say(replies, {"error": type(error).__name__})
        else:
            _say(replies, {"rate": rate, "bytes": len(samples)}, samples)
    return 0


def _say(replies: IO[bytes], header: dict[str, Any], samples: bytes = b"") -> None:
    replies.write(json.dumps(header).encode() + b"\n" + samples)
    replies.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
