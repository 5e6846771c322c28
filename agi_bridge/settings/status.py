"""`[status]`, `[alerts]`, `[history]`: health and metrics, the alert command, the call history."""

from typing import Annotated

from pydantic import Field

from .secret import SecretPlace
from .sections import Section
from .types import CommandLine, Count, FilledText, Host


class StatusSettings(Section):
    """`[status]`: health and metrics over HTTP, separate from `[web]`, which a proxy publishes."""

    enabled: bool = True
    """Start the listener; `agi-bridge status` and `health` also work without it."""

    host: Host = "127.0.0.1"
    """The address to listen on; Prometheus on another machine must reach it."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 4581
    """The port to listen on; 0 picks a free one."""

    token: SecretPlace | None = None
    """The bearer token of `/metrics`; not set: anybody who reaches the port may read it."""

    def secret(self) -> str | None:
        """Return the token of `/metrics`, or None if none is required."""
        return None if self.token is None else self.token.reveal()


class AlertSettings(Section):
    """`[alerts]`: a command for alerts, for use without Prometheus."""

    command: Annotated[tuple[FilledText, ...], CommandLine] = ()
    """A program that receives each alert as one line of JSON on standard input."""


class HistorySettings(Section):
    """`[history]`: what each call did, step by step, for `agi-bridge calls`."""

    days: Annotated[Count, Field(ge=0, le=366)] = 14
    """How long calls are kept; 0: none is recorded, and the file is deleted."""
