"""Stand-ins for the packages of models: they sound like nothing, and fail on demand."""

PIPER = """
import os, pathlib, threading
from types import SimpleNamespace


class PiperVoice:
    config = SimpleNamespace(sample_rate=22050)

    @staticmethod
    def load(path):
        print("a library that prints")
        if pathlib.Path(path).read_text() == "broken":
            raise RuntimeError("no model")
        return PiperVoice()

    def synthesize(self, text):
        print("a library that prints")
        if text == "crash":
            os.abort()
        if text == "hang":
            threading.Event().wait()
        if text == "fail":
            raise ValueError(text)
        if text == "write":
            pathlib.Path(__file__).with_name("never").write_bytes(b"x")
        known = {"pid": os.getpid(), "environ": sorted(os.environ), "cwd": os.getcwd()}
        said = "" if text == "silent" else known.get(text, text)
        yield SimpleNamespace(audio_int16_bytes=str(said).encode("utf-16-le"))
"""
"""Says back what it is told, in UTF-16; or who and where it is."""

ESPEAK = """
class EspeakPhonemizer:
    def phonemize(self, voice, text):
        return [list(text)]
"""
"""Every letter is its own phoneme."""

RUNTIME = """
import numpy as np
from types import SimpleNamespace

SessionOptions = SimpleNamespace


class InferenceSession:
    def __init__(self, model, options, providers):
        self.model, self.threads = model, options.intra_op_num_threads
        self.fed = []

    def run(self, outputs, feed):
        self.fed.append(feed)
        count = feed["tokens"].shape[1] - 2
        loud = 0.0 if 9 in feed["tokens"] else 0.3
        silence = np.zeros(2400)
        tone = loud * np.sin(np.arange(count * 1200) / 8)
        return [np.concatenate([silence, tone, silence]).astype("float32")]
"""
"""A twentieth of a second of tone for each token; none if token 9 is among them."""
