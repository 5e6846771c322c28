"""`[status]` and `[alerts]`: how the service shows what it does, and whom it tells."""

from typing import Annotated

from pydantic import Field

from .secret import SecretPlace
from .sections import Section
from .types import CommandLine, Count, FilledText, Host


class StatusSettings(Section):
    """`[status]`: health and metrics over HTTP, apart from `[web]`, which a proxy publishes."""

    enabled: bool = True
    """`agi-bridge status` and `health` work without the listener too."""

    host: Host = "127.0.0.1"
    """The address to listen on; Prometheus on another machine needs one that it can reach."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 4581
    """The port to listen on; 0 takes a free one."""

    token: SecretPlace | None = None
    """The bearer token of `/metrics`; not set: everybody who reaches the port may read it."""

    def secret(self) -> str | None:
        """Return the token of `/metrics`, or None where none is asked for."""
        return None if self.token is None else self.token.reveal()


class AlertSettings(Section):
    """`[alerts]`: for those who have no Prometheus."""

    command: Annotated[tuple[FilledText, ...], CommandLine] = ()
    """A program that takes each alert as one line of JSON on its standard input."""
