"""A line's prompts: which it requires, their sources, inspection, script sheet and installation.

The room does not decide which folders a line plays from: `app.speech` gives them.
"""

from .errors import IncompleteScriptError, PromptsError
from .inspection import (
    Issue,
    LinePrompts,
    Prompt,
    Remedy,
    Severity,
    inspect_line,
    inspect_prompt,
)
from .install import install_recording, required_fix, write_text
from .required import RequiredPrompt, required_names, required_prompts
from .script_sheet import Sheet, build_sheet, sheet_html
from .sources import PromptSources

__all__ = [
    "IncompleteScriptError",
    "Issue",
    "LinePrompts",
    "Prompt",
    "PromptSources",
    "PromptsError",
    "Remedy",
    "RequiredPrompt",
    "Severity",
    "Sheet",
    "build_sheet",
    "inspect_line",
    "inspect_prompt",
    "install_recording",
    "required_fix",
    "required_names",
    "required_prompts",
    "sheet_html",
    "write_text",
]
