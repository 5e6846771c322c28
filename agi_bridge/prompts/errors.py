"""Errors of a line's prompts, besides those that reading speech raises."""

from agi_bridge.speech import SpeechError


class PromptsError(SpeechError):
    """Base of the errors of this room. The text is one line for the operator."""


class IncompleteScriptError(PromptsError):
    """The script lacks texts of a line. The text names them."""
