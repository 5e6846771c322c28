"""Exceptions that end a command or a call on the PBX's side.

    PbxError
    ├── CallerGoneError      the caller hung up while the command ran
    ├── WrittenIntoError     the server wrote while the command ran
    └── SessionOverError     the session is over

None of them leaves `agi_bridge.agi.testing`. `NotSimulatedError` does: it tells who wrote a test.
"""


class PbxError(Exception):
    """Something happened to the command or the call."""


class CallerGoneError(PbxError):
    """The caller hung up, `seconds` after the command started."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class WrittenIntoError(PbxError):
    """The server wrote while a sound was playing or keys were awaited: no reply to that command."""


class SessionOverError(PbxError):
    """One side has closed."""


class NotSimulatedError(ValueError):
    """A server asked for something of Asterisk's that the simulation lacks.

    Args:
        what: that, e.g. ``the application Queue``.
        cure: what to do about it in a test.
    """

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"FakeAsterisk lacks {what}; {cure}")
        self.what: str = what
