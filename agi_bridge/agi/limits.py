"""The bounds of a call: every cap and deadline of the engine, with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps in bytes, lines or calls; times in seconds."""

    environment_lines: int = 100
    """Lines of the environment block. Asterisk sends about 22, and one per argument."""
    environment_bytes: int = 16384
    """Bytes of the environment block; a real one has about 700."""
    environment_seconds: float = 5.0
    """For the whole block: Asterisk sends it at once, only a stranger takes longer."""
    reply_bytes: int = 65536
    """One reply. Values are cut at 1,023 bytes by GET VARIABLE, usage texts have about 1,500."""
    line_bytes: int = 2047
    """One command with its line feed: what `fgets` in `run_agi` takes whole on every version."""
    reply_seconds: float = 10.0
    """For a command that does its work at once, and the margin on top of a command's own time."""
    play_seconds: float = 600.0
    """For a sound whose length we do not know."""
    hangup_seconds: float = 5.0
    """After a hangup: how long an outstanding reply may take, and a cancelled handler to end."""
    close_seconds: float = 2.0
    """How long a refused peer may take to read the refusal and close."""
    call_seconds: float = 14400.0
    """A whole call; two hours of talk are the usual bound of Dial, so twice that."""
    max_calls: int = 1000
    """Calls at once; the next one is refused with a ``failure`` line."""
    max_pending: int = 1024
    """Connections that wait for their environment or their end, besides `max_calls`. When one more
    comes, the one goes that has waited longest: Asterisk sends its environment at once, so that is
    no caller."""
    max_unsolicited: int = 100
    """Replies that answer nothing and lines that mean nothing, in a whole call. Asterisk sends a
    few, such as a usage after some applications; a peer that goes on is no Asterisk."""
    backlog: int = 1024
    """Connections the kernel may hold for us: a small one costs callers SYN retries of seconds."""
