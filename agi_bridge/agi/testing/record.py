"""The record of a simulated call: sounds, keys, variables, dials, and events while it runs."""

from dataclasses import dataclass, field
from typing import Literal

AgiStatus = Literal["SUCCESS", "FAILURE", "HANGUP"]
"""``AGISTATUS`` as `launch_script` and `run_agi` set it."""

_PAUSE = "silence/"
"""Asterisk's recordings of nothing begin so."""

SoundKind = Literal["file", "digits", "number", "phonetic", "alpha", "date", "time", "datetime"]


@dataclass(frozen=True, slots=True)
class PlayedSound:
    """Something that was played to the caller."""

    kind: SoundKind
    name: str
    """The sound's name without extension, or what was said."""
    milliseconds: int
    """How much of it was played."""
    interrupted_by: str = ""
    """The key that ended it, ``!`` for a hangup, empty if it played out."""
    audible: bool = True
    """False on a channel that was not answered: Asterisk takes its time, the caller hears none."""
    at: float = field(default=0.0, compare=False)
    """When it began, in seconds from the start of the call, on the call's own clock."""


@dataclass(frozen=True, slots=True)
class DialOutcome:
    """How a dialled number behaves."""

    status: str = "ANSWER"
    """What DIALSTATUS becomes. CANCEL: the caller hangs up while it rings."""
    ring_seconds: float = 2.0
    """Until it answers or refuses; NOANSWER takes all of Dial's own ring time."""
    talk_seconds: float = 60.0
    """Of an answered call, until the far end hangs up; Dial's S or L may end it before."""
    caller_hangs_up: bool = False
    """It is the caller who ends the answered call."""
    cause: int | None = None
    """What HANGUPCAUSE becomes; by default what Asterisk sets for the status, of CHANUNAVAIL that
    of an unknown endpoint."""


@dataclass(frozen=True, slots=True)
class DialAttempt:
    """One EXEC Dial: its arguments, and how it went."""

    destination: str
    ring_seconds: float | None
    options: str
    status: str
    talk_seconds: float = 0.0
    at: float = field(default=0.0, compare=False)
    """When it began, in seconds from the start of the call, on the call's own clock."""
    seconds: float = field(default=0.0, compare=False)
    """How long the caller heard it ring, and then the far end."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something that happens in a call, told while it happens.

    Kinds: connected, command, playing, saying, key, dialling, dialled, variable, hangup, refused,
    closed. `at` is in seconds from the start of the call, on the call's own clock.
    """

    at: float
    kind: str
    text: str = ""
    milliseconds: int = 0


@dataclass(slots=True)
class CallRecord:
    """The whole call, as the PBX's side saw it."""

    commands: list[list[str]] = field(default_factory=list)
    """Each command as Asterisk split it."""
    names: list[str] = field(default_factory=list)
    """Each command's name, e.g. ``STREAM FILE``, in the same order; as put, if there is none."""
    heard: list[PlayedSound] = field(default_factory=list)
    keyed: str = ""
    """The keys that a command took."""
    variables: dict[str, str] = field(default_factory=dict)
    """What SET VARIABLE set, last value."""
    dialled: list[DialAttempt] = field(default_factory=list)
    subroutines: list[tuple[str, ...]] = field(default_factory=list)
    """Each GOSUB: ``context,extension,priority``, then its arguments."""
    texts: list[str] = field(default_factory=list)
    """What SEND TEXT sent."""
    hung_up_channels: list[str] = field(default_factory=list)
    """Other channels that HANGUP ended."""
    status: AgiStatus = "SUCCESS"
    refused: str | None = None
    """What stood behind ``failure``."""
    answered: bool = False
    hung_up: bool = False
    """The channel died before the session ended: the caller hung up, or HANGUP was commanded."""
    continue_at: dict[str, str] = field(default_factory=dict)
    """The context, extension and priority that were set for after the session."""
    protocol_violations: list[str] = field(default_factory=list)
    """Protocol errors of the server, such as a command written while another one ran."""
    seconds: float = 0.0
    """The call's length on its own clock."""

    @property
    def played(self) -> list[str]:
        """Names of the sounds the caller could hear, in order."""
        return [heard.name for heard in self.heard if heard.audible]

    @property
    def silence(self) -> float:
        """The longest time, in seconds, in which the caller heard neither a sound nor a call ring.

        On the call's own clock: pauses and waiting for keys count, the time of the server does not.
        """
        sounds = [
            (each.at, each.milliseconds / 1000)
            for each in self.heard
            if each.audible and not each.name.startswith(_PAUSE)
        ]
        longest = ends = 0.0
        for at, seconds in sorted([*sounds, *((dial.at, dial.seconds) for dial in self.dialled)]):
            longest = max(longest, at - ends)
            ends = max(ends, at + seconds)
        return max(longest, self.seconds - ends)
