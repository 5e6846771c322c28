"""Speech engines: they turn a text into speech. `build_engine` builds one from an `EngineSpec`."""

from .base import Engine
from .command import CommandEngine
from .http import HttpEngine
from .kokoro import kokoro_engine
from .pbx import PbxEngine, PbxSpeech
from .piper import piper_engine
from .pool import EnginePool
from .spec import EngineSpec, build_engine

__all__ = [
    "CommandEngine",
    "Engine",
    "EnginePool",
    "EngineSpec",
    "HttpEngine",
    "PbxEngine",
    "PbxSpeech",
    "build_engine",
    "kokoro_engine",
    "piper_engine",
]
