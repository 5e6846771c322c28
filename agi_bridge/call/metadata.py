"""What the record of consent says about a call."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

from agi_bridge import __version__
from agi_bridge.consent import CallMetadata
from agi_bridge.observe import clock_synchronised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.call.context import CallContext

SOFTWARE: Final = f"agi-bridge {__version__}"
"""The software named in the record of consent."""
SERVER: Final = platform.node()
"""The machine named in the record of consent."""
ATTESTATIONS: Final = frozenset("ABC")
"""Levels of STIR/SHAKEN: full, partial, gateway (ATIS-1000074)."""


def call_metadata(
    context: CallContext, did: str, query: Mapping[str, str], *, config_sha256: str
) -> CallMetadata:
    """Return what the record of consent says about a call.

    Args:
        context: the call.
        did: the number that was called (`called_did`).
        query: of the AGI URL.
        config_sha256: the hash of the configuration in use.
    """
    line, environment = context.line, context.channel.environment
    attestation = query.get("attestation", "").strip().upper()
    return CallMetadata(
        line_id=line.name,
        did=did,
        brand=line.brand,
        legal_name=line.legal_name,
        purpose=line.purpose,
        call_uid=environment.unique_id or "",
        linked_id=query.get("linkedid", ""),
        # The rest of a channel's name may hold the caller's number: PJSIP/+1415...-00000001.
        channel=(environment.channel or "").partition("/")[0],
        attestation=attestation if attestation in ATTESTATIONS else None,
        caller_id_trust=line.consent.caller_id_trust,
        server=SERVER,
        tz=line.timezone,
        clock_synced=clock_synchronised(),
        software=SOFTWARE,
        config_sha256=config_sha256,
        caller_id=None if context.caller is None else context.caller.e164,
    )
