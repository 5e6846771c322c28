"""What callers hear: the prompts of the dialogue by language, and texts that only a call brings.

`Library` is the one thing to ask. It knows nothing of AGI: a `Recording` says where the PBX finds
the sound, how long it is, and the hashes that the record of consent refers to.
"""

from .engine import CommandEngine, Engine
from .errors import (
    BadAudio,
    BadPrompts,
    EngineError,
    EngineTimeout,
    MissingPrompt,
    SpeechError,
)
from .library import Library
from .recording import Recording
from .script import NEEDED, OPT_OUT, PROMPTS, menu_key
from .shelf import SHIPPED

__all__ = [
    "NEEDED",
    "OPT_OUT",
    "PROMPTS",
    "SHIPPED",
    "BadAudio",
    "BadPrompts",
    "CommandEngine",
    "Engine",
    "EngineError",
    "EngineTimeout",
    "Library",
    "MissingPrompt",
    "Recording",
    "SpeechError",
    "menu_key",
]
