"""Checks the texts and recordings that events name by hash: present, unchanged, usable.

A missing one is a fault of completeness: the words that a caller agreed to are part of the proof.
"""

from __future__ import annotations

import hashlib
import io
import wave
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import State, names_purpose, says_its_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agi_bridge.consent import Row
    from agi_bridge.evidence.verify.report import Findings

_TEXTS: Final = ("first_text_sha256", "config_sha256")
"""Fields of a body that name a text; those of the dialogue come with their recordings."""


class NamedContents:
    """Judges the texts and recordings, each once.

    Args:
        findings: where faults are noted.
        text: the bytes of a text by its SHA-256; None if there is none.
        recording: a WAV file by its SHA-256; None if there is none.
    """

    def __init__(
        self,
        findings: Findings,
        text: Callable[[str], bytes | None],
        recording: Callable[[str], bytes | None],
    ) -> None:
        self._findings = findings
        self._get_text = text
        self._get_recording = recording
        self._texts: dict[str, str | None] = {}
        self._lengths: dict[str, int | None] = {}
        self._judged: set[tuple[str, str, int]] = set()

    @property
    def seen(self) -> tuple[set[str], set[str]]:
        """The SHA-256 of every text, and of every recording, that an event named."""
        return {*self._texts}, {*self._lengths}

    def check(self, row: Row, body: Mapping[str, Any]) -> None:
        """Check what one event names; its body is valid."""
        for name in _TEXTS:
            if name in body:
                self._text(body[name], row)
        if row.type == State.DISCLOSED:
            self._disclosure(row, body)
        for entry in body.get("dialogue", ()):
            if entry[0] == "play":
                self._sound(row, *entry[4:7])

    def _disclosure(self, row: Row, body: Mapping[str, Any]) -> None:
        self._sound(row, body["disclosure_sha256"], body["audio_sha256"], body["samples"])
        text = self._text(body["disclosure_sha256"], row)
        if text is not None and not names_purpose(
            text, language=body["lang"], brand=body["brand"], purpose=body["purpose"]
        ):
            what = f"its wording does not name the brand, or not the purpose {body['purpose']}"
            self._add("integrity", "wording_unfit", what, row)

    def _sound(self, row: Row, text_sha256: str, audio_sha256: str, samples: int) -> None:
        """Hold a recording against its text and the length that the event states."""
        key = (text_sha256, audio_sha256, samples)
        if key in self._judged:
            return
        self._judged.add(key)
        text, length = self._text(text_sha256, row), self._length(audio_sha256, row)
        if length is not None and length != samples:
            what = f"its recording {audio_sha256[:16]} is not {samples:,} samples long"
            self._add("integrity", "recording_length", what, row)
        if text is not None and not says_its_text(text, samples):
            what = f"its recording {audio_sha256[:16]} is too short to say its text"
            self._add("integrity", "recording_too_short", what, row)

    def _text(self, sha256: str, row: Row) -> str | None:
        if sha256 not in self._texts:
            content = self._get_text(sha256)
            self._texts[sha256] = None if content is None else text_of(content)
            if content is None:
                what = f"the text {sha256[:16]} is missing"
                self._add("completeness", "text_missing", what, row)
            elif _sha256(content) != sha256:
                self._add("integrity", "text_changed", f"the text {sha256[:16]} was changed", row)
        return self._texts[sha256]

    def _length(self, sha256: str, row: Row) -> int | None:
        """A recording's length in samples; None if it is missing or changed."""
        if sha256 not in self._lengths:
            wav = self._get_recording(sha256)
            self._lengths[sha256] = None
            if wav is None:
                what = f"the recording {sha256[:16]} is missing"
                self._add("completeness", "recording_missing", what, row)
            elif _sha256(wav) != sha256:
                what = f"the recording {sha256[:16]} was changed"
                self._add("integrity", "recording_changed", what, row)
            else:
                self._lengths[sha256] = wav_samples(wav)
        return self._lengths[sha256]

    def _add(self, verdict: str, code: str, what: str, row: Row) -> None:
        self._findings.add(verdict, code, what, row.ledger_id, row.seq)


def text_of(content: bytes) -> str:
    """A text as it is read: it may hold bytes that are not UTF-8."""
    return content.decode("utf-8", "surrogateescape")


def wav_samples(wav: bytes) -> int:
    """The length of a WAV file in samples that are there; -1 if it is not one.

    Its header may promise more.
    """
    try:
        with wave.open(io.BytesIO(wav)) as opened:
            sound = opened.readframes(opened.getnframes())
            samples: int = len(sound) // (opened.getsampwidth() * opened.getnchannels())
            return samples
    except (wave.Error, EOFError):
        return -1


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
