"""The process of a `ModelProcess`: it loads a model and renders a sentence for each line it reads.

    -> {"text": "...", "language": "fr"}
    <- {"rate": 24000, "bytes": N}, and N bytes of samples; or {"error": "..."}

When the model is loaded it writes `{}`; if loading fails, `{"error": "..."}`. The process exits
when its standard input is closed, even during a sentence, so it never outlives the bridge.
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
"""Class of the model, by module of this package."""

_NICENESS = 5  # calls come first
_MAX_ERROR = 200


class Model(Protocol):
    """A loaded voice."""

    def speak(self, text: str, language: str) -> tuple[int, bytes]:
        """Return rate and samples (16 bit, one channel, little endian) of a sentence."""


def main(arguments: list[str]) -> int:
    """Load a model and serve it until standard input is closed."""
    kind, options = arguments

    def load() -> Model:
        module = importlib.import_module(f".{kind}", __package__)
        model: Model = getattr(module, KINDS[kind])(**json.loads(options))
        # From here on no library may write a file, whatever the text.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        return model

    os.nice(_NICENESS)
    with os.fdopen(os.dup(1), "wb") as replies:
        os.dup2(2, 1)  # the output of a library that prints would corrupt the replies
        return serve(load, read_lines(sys.stdin.buffer), replies)


def read_lines(source: IO[bytes], end: Callable[[int], object] = os._exit) -> Iterable[bytes]:
    """Read lines in a thread, which ends the process after the last line."""
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
    except Exception as error:  # noqa: BLE001 - a library may raise anything; the bridge logs it
        _reply(replies, {"error": f"{type(error).__name__}: {error}"[:_MAX_ERROR]})
        return 1
    _reply(replies, {})
    for line in requests:
        request = json.loads(line)
        try:
            rate, samples = model.speak(request["text"], request["language"])
        # The exception's text may contain the spoken text, so only its class is sent.
        except Exception as error:  # noqa: BLE001 - one failed sentence must not end the process
            _reply(replies, {"error": type(error).__name__})
        else:
            _reply(replies, {"rate": rate, "bytes": len(samples)}, samples)
    return 0


def _reply(replies: IO[bytes], header: dict[str, Any], samples: bytes = b"") -> None:
    replies.write(json.dumps(header).encode() + b"\n" + samples)
    replies.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
