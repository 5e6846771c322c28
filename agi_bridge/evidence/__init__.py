"""Evidence: verification of consent records, and exports of them. No call imports it.

`evidence.verify` replays chains without a database; `evidence.export` writes records into a folder
or zip file and verifies such an export from its files alone.
"""

from agi_bridge.evidence.errors import BadExport, BadPublicKey, EvidenceError

__all__ = ["BadExport", "BadPublicKey", "EvidenceError"]
