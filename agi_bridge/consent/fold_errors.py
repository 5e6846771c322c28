"""What can go wrong in `agi-bridge consents`, beside what the ledger raises.

ToolError
└── NotOnRecord    nothing in the ledger answers to what was asked for

A wrong command line is `tools.errors.UsageError`.
"""

from agi_bridge.cli.errors import ToolError


class NotOnRecord(ToolError):  # noqa: N818 - named after what happened, as the ledger's are
    """The ledger has no such consent."""
