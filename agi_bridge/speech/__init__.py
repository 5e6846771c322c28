"""What callers hear: the prompts of the dialogue by language, and texts that only a call brings.

`Library` is the one thing to ask. It knows nothing of AGI: a `Recording` says where the PBX finds
the sound, how long it is, and the hashes that the record of consent refers to.
"""

from .engines import CommandEngine, Engine, EngineSpec, PbxEngine, PbxSpeech, engine
from .errors import (
    BadAudio,
    BadEngine,
    BadPrompts,
    BadScript,
    EngineError,
    EngineTimeout,
    MissingPrompt,
    SpeechError,
)
from .library import Library
from .prompt_folder import SHIPPED, Folder
from .prompt_names import DIGITS, NEEDED, OPT_OUT, PROMPTS, menu_key
from .recording import Recording
from .script import TEXTS, LineWords, Script, Text

__all__ = [
    "DIGITS",
    "NEEDED",
    "OPT_OUT",
    "PROMPTS",
    "SHIPPED",
    "TEXTS",
    "BadAudio",
    "BadEngine",
    "BadPrompts",
    "BadScript",
    "CommandEngine",
    "Engine",
    "EngineError",
    "EngineSpec",
    "EngineTimeout",
    "Folder",
    "Library",
    "LineWords",
    "MissingPrompt",
    "PbxEngine",
    "PbxSpeech",
    "Recording",
    "Script",
    "SpeechError",
    "Text",
    "engine",
    "menu_key",
]
