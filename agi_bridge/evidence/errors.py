"""Errors of evidence.

EvidenceError
├── BadExport      a path does not hold a complete export of consents
└── BadPublicKey   a text is neither a key's fingerprint nor a file with a public key
"""


class EvidenceError(Exception):
    """Base of every error of this package."""


class BadExport(EvidenceError):  # noqa: N818 - named after what happened, as the ledger's are
    """A folder or file is not an export of consents, or not a complete one."""


class BadPublicKey(EvidenceError):  # noqa: N818 - the same
    """A text does not name a public key; the message says which forms are accepted."""
