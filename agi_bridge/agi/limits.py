"""Every size limit and deadline of the AGI library, with its reason. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, lines or calls; times in seconds."""

    environment_lines: int = 100
    """Lines of the environment block. Asterisk sends about 22, and one per argument."""
    environment_bytes: int = 16384
    """Bytes of the environment block; a real one has about 700."""
    environment_seconds: float = 5.0
    """For the whole block. Asterisk sends it at once; only another client takes longer."""
    reply_bytes: int = 65536
    """One reply. Values are cut at 1,023 bytes by GET VARIABLE, usage texts have about 1,500."""
    line_bytes: int = 2047
    """One command with its line feed: what `fgets` in `run_agi` takes whole on every version."""
    reply_seconds: float = 10.0
    """For a command that returns at once, and the margin added to a command's own duration."""
    play_seconds: float = 600.0
    """For a sound of unknown length."""
    hangup_seconds: float = 5.0
    """After a hangup: how long an outstanding reply may take, and a cancelled handler to end."""
    close_seconds: float = 2.0
    """How long a refused peer may take to read the refusal and close."""
    call_seconds: float = 14400.0
    """A whole call: twice the usual two-hour limit of Dial."""
    max_calls: int = 1000
    """Concurrent calls; the next one is refused with a ``failure`` line."""
    max_pending: int = 1024
    """Connections without an environment yet, or about to close, besides `max_calls`. One more
    evicts the oldest: Asterisk sends its environment at once, so the oldest is not a caller."""
    max_unsolicited: int = 100
    """Replies without a command and unknown lines, in a whole call. Asterisk sends a few, such as a
    usage block after some applications; more mean that the peer is not Asterisk."""
    backlog: int = 1024
    """Listen backlog of the kernel. If it is small, callers wait seconds for SYN retries."""
