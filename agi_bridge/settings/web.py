"""`[web]`: the HTTP listener that takes revocations, and who may speak to it."""

from typing import Annotated

from pydantic import Field

from .secret import SecretPlace
from .sections import Section
from .types import AbsolutePath, Count, Host


class WebSettings(Section):
    """`[web]`: it listens only if a token is set, since whoever holds one may revoke."""

    host: Host = "127.0.0.1"
    """The address to listen on; TLS is a reverse proxy's job."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 4580
    """The port to listen on; 0 takes a free one."""

    token: SecretPlace | None = None
    """The bearer token of `POST /v1/revocations`; not set: the path does not exist."""

    instaply_token: SecretPlace | None = None
    """The bearer token of `POST /v1/instaply/messages`; not set: the path does not exist."""

    customers: AbsolutePath | None = None
    """A CSV file (`customer_id,number`) that says whose number an Instaply customer has."""

    @property
    def enabled(self) -> bool:
        """Tell whether there is anything to listen for."""
        return self.token is not None or self.instaply_token is not None

    def secret(self) -> str | None:
        """Return the token for revocations, or None."""
        return None if self.token is None else self.token.reveal()

    def instaply_secret(self) -> str | None:
        """Return the token for Instaply's messages, or None."""
        return None if self.instaply_token is None else self.instaply_token.reveal()
