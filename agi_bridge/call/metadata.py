"""What the record of consent says about a call: its metadata, and the limits of its line."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

from agi_bridge import __version__
from agi_bridge.call.context import called_did
from agi_bridge.consent import AgreementRules, CallMetadata
from agi_bridge.observe import clock_synchronised

if TYPE_CHECKING:
    from agi_bridge.call.context import CallContext
    from agi_bridge.settings import Line

SOFTWARE: Final = f"agi-bridge {__version__}"
"""The software named in the record of consent."""
SERVER: Final = platform.node()
"""The machine named in the record of consent."""
ATTESTATIONS: Final = frozenset("ABC")
"""Levels of STIR/SHAKEN: full, partial, gateway (ATIS-1000074)."""


def agreement_rules(line: Line) -> AgreementRules:
    """Return the limits of a line, as the ledger checks them when an agreement is stored."""
    limits = line.limits
    return AgreementRules(
        number_per_day=limits.number_per_day,
        caller_per_day=limits.caller_id_per_day,
        unidentified_per_day=limits.unidentified_per_day,
        line_per_hour=limits.line_per_hour,
        unidentified_share=limits.unidentified_share,
        other_number_share=limits.other_number_share,
        own_number_share=limits.own_number_share,
    )


def call_metadata(
    context: CallContext, called: tuple[str | None, ...], *, config_sha256: str
) -> CallMetadata:
    """Return what the record of consent says about a call.

    Args:
        context: the call.
        called: the numbers that may have been called (`called_numbers`).
        config_sha256: the hash of the configuration in use.
    """
    line, environment = context.line, context.channel.environment
    query = environment.query
    attestation = query.get("attestation", "").strip().upper()
    return CallMetadata(
        line_id=line.name,
        did=called_did(line, called),
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
