"""`[[push]]`: other systems of the business that are told what happens to consents."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, field_validator

from .secret import SigningPlace
from .sections import Section, safe_url
from .types import AbsolutePath, LineName, ListOf, PrivatePath, Text, readable_certificates

PushEvent: TypeAlias = Literal["accepted", "revoked", "expired", "reply"]


class PushSettings(Section):
    """`[[push]]`: one receiver of signed messages."""

    name: LineName
    """Which receiver it is: messages that wait are kept under this name."""

    url: Annotated[Text, AfterValidator(safe_url), PrivatePath]
    """Where messages are posted; plain http only to loopback."""

    signing_secret: SigningPlace
    """What signs messages: `whsec_` and base64, one a line; two while one replaces the other."""

    events: Annotated[tuple[PushEvent, ...], ListOf, Field(min_length=1)] = (
        "accepted",
        "revoked",
        "expired",
        "reply",
    )
    """What it is told about."""

    ca_file: AbsolutePath | None = None
    """Certificates to trust instead of the system's, for your own receiver."""

    @field_validator("ca_file")
    @classmethod
    def _readable(cls, value: AbsolutePath | None) -> AbsolutePath | None:
        return None if value is None else readable_certificates(value)
