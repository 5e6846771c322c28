"""The errors that a command raises to end with one line of text and an exit code.

ToolError           the command failed: exit code 1
└── UsageError      the command line asks for something that is not possible: exit code 2
"""


class ToolError(Exception):
    """The command failed; the text is one line."""


class UsageError(ToolError):
    """The command line asks for something that is not possible; the text says what is."""
