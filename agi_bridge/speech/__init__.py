"""Speech: the prompts of the dialogue, texts spoken at run time, and the engines that render them.

`Library` is the entry point for a call. A `Recording` says where the PBX finds a sound, how long it
is, and the hashes that the record of consent refers to. The room does not know the settings, AGI or
the dialogue.
"""

from .audio import convert_for_telephone, read_samples
from .engines import (
    CommandEngine,
    Engine,
    EnginePool,
    EngineSpec,
    PbxEngine,
    PbxSpeech,
    build_engine,
)
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
from .prerender import render_line
from .problems import Problem
from .prompt_folder import (
    SHIPPED,
    FolderContents,
    PromptFile,
    PromptFolder,
    PromptKey,
    find_prompt,
    merge_layers,
    read_manifest,
    read_transcript,
    scan_folder,
)
from .prompt_names import (
    DIALOGUE_PROMPTS,
    DIGIT_PROMPTS,
    OPT_OUT_PROMPTS,
    PROMPTS,
    REQUIRED_PROMPTS,
    RETURNING_PROMPTS,
    clean,
    language_tags,
    menu_key,
    sentences,
)
from .recording import RATE, Recording, read_sound_info, text_hash
from .recording_check import (
    LONG_DISCLOSURE_SECONDS,
    RecordingFix,
    RecordingIssue,
    check_recording,
    keep_original,
    rewrite,
)
from .rendering import Observer, Speech
from .rivals import WIDE, conflict_problem, conflicting_files
from .script import TEXTS, LineVariables, Script, Text

__all__ = [
    "DIALOGUE_PROMPTS",
    "DIGIT_PROMPTS",
    "LONG_DISCLOSURE_SECONDS",
    "OPT_OUT_PROMPTS",
    "PROMPTS",
    "RATE",
    "REQUIRED_PROMPTS",
    "RETURNING_PROMPTS",
    "SHIPPED",
    "TEXTS",
    "WIDE",
    "BadAudio",
    "BadEngine",
    "BadPrompts",
    "BadScript",
    "CommandEngine",
    "Engine",
    "EngineError",
    "EnginePool",
    "EngineSpec",
    "EngineTimeout",
    "FolderContents",
    "Library",
    "LineVariables",
    "MissingPrompt",
    "Observer",
    "PbxEngine",
    "PbxSpeech",
    "Problem",
    "PromptFile",
    "PromptFolder",
    "PromptKey",
    "Recording",
    "RecordingFix",
    "RecordingIssue",
    "Script",
    "Speech",
    "SpeechError",
    "Text",
    "build_engine",
    "check_recording",
    "clean",
    "conflict_problem",
    "conflicting_files",
    "convert_for_telephone",
    "find_prompt",
    "keep_original",
    "language_tags",
    "menu_key",
    "merge_layers",
    "read_manifest",
    "read_samples",
    "read_sound_info",
    "read_transcript",
    "render_line",
    "rewrite",
    "scan_folder",
    "sentences",
    "text_hash",
]
