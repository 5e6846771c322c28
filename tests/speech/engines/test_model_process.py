"""The worker's own end of the line."""

from __future__ import annotations

import io
import json
import os
import resource
import threading
from typing import TYPE_CHECKING

from agi_bridge.speech.engines import model_process

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Echo:
    """A model that says its text back."""

    def speak(self, text: str, language: str) -> tuple[int, bytes]:
        if text == "fail":
            raise ValueError(text)
        return 8000, f"{language}: {text}".encode()


def request(text: str) -> bytes:
    return json.dumps({"text": text, "language": "en"}).encode() + b"\n"


def test_each_request_has_its_reply_in_order() -> None:
    replies = io.BytesIO()
    assert (
        model_process.serve(Echo, [request("one"), request("fail"), request("two")], replies) == 0
    )
    assert replies.getvalue() == (
        b'{}\n{"rate": 8000, "bytes": 7}\nen: one{"error": "ValueError"}\n'
        b'{"rate": 8000, "bytes": 7}\nen: two'
    )


def test_a_model_that_cannot_be_loaded_is_reported_in_short() -> None:
    def load() -> Echo:
        raise ImportError("no such thing" * 100)

    replies = io.BytesIO()
    assert model_process.serve(load, [request("one")], replies) == 1
    error = json.loads(replies.getvalue())["error"]
    assert error.startswith("ImportError: no such thing")
    assert len(error) == 200


def test_the_end_of_the_requests_is_the_end_of_the_process() -> None:
    ended = threading.Event()
    lines = model_process.read_lines(io.BytesIO(b"one\ntwo\n"), lambda _status: ended.set())
    assert list(lines) == [b"one\n", b"two\n"]
    assert ended.wait(10)


def test_a_model_process_speaks_with_the_given_model(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installed / "voice.onnx").touch()
    receiving, sending = os.pipe()
    limits: list[object] = []
    monkeypatch.setattr(os, "dup", lambda _fd: sending)
    monkeypatch.setattr(os, "dup2", lambda _old, _new: None)
    monkeypatch.setattr(os, "nice", limits.append)
    monkeypatch.setattr(resource, "setrlimit", lambda *given: limits.append(given))
    monkeypatch.setattr(model_process, "read_lines", lambda _source: [request("hello")])
    options = json.dumps({"voices": {"en": str(installed / "voice.onnx")}})
    assert model_process.main(["piper", options]) == 0
    with os.fdopen(receiving, "rb") as replies:
        assert replies.read() == b'{}\n{"rate": 22050, "bytes": 10}\n' + "hello".encode("utf-16-le")
    assert limits == [model_process._NICENESS, (resource.RLIMIT_FSIZE, (0, 0))]
