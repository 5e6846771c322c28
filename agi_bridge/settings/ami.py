"""`[ami]`: the PBX's manager interface, which `agi-bridge doctor` asks; no call uses it."""

from typing import Annotated, Final

from pydantic import Field, field_validator

from .secret import SecretPlace
from .sections import Section, is_host
from .types import Count, DialplanName, FilledText, ListOf, invalid

AMI_SECRET: Final = "ami.secret"  # noqa: S105 - its name, not the secret
"""The setting that only the doctor reads: a service starts without it, and may not see it."""


class AmiSettings(Section):
    """`[ami]`: where the manager interface is, its account, and where the trunk's calls enter."""

    host: FilledText = "127.0.0.1"
    """The PBX's address or name."""

    port: Annotated[Count, Field(ge=1, le=65535)] = 5038
    """The port in manager.conf."""

    user: FilledText = "agi-bridge"
    """The section of manager.conf that is the doctor's account."""

    secret: SecretPlace | None = None
    """The account's secret; not set: the doctor does not ask the PBX."""

    contexts: Annotated[tuple[DialplanName, ...], ListOf] = ()
    """The contexts that calls from outside enter; empty: the endpoint's in `dial_template`."""

    @field_validator("host")
    @classmethod
    def _connectable(cls, value: str) -> str:
        if not is_host(value.strip("[]")):
            raise invalid(
                "is not an address or a name", 'write it like "127.0.0.1" or "pbx.example.net"'
            )
        return value.strip("[]")
