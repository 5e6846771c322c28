"""Errors of exports and public keys, each with a stable `code`.

EvidenceError
├── BadExport      a path does not hold a complete export of consents
└── BadPublicKey   a text is neither a key's fingerprint nor a file with a public key
"""


class EvidenceError(Exception):
    """Base of every error of this package.

    Attributes:
        code: a stable name of the error.
    """

    code: str = "evidence_error"

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class BadExport(EvidenceError):  # noqa: N818 - named after what happened, as the ledger's are
    """A folder or file is not an export of consents, or not a complete one.

    Codes: `export_unreadable`, `file_damaged`, `file_missing`, `too_long`, `not_text`,
    `chain_malformed`, `checkpoint_malformed`, `manifest_malformed`, `values_malformed`,
    `signer_malformed`.
    """

    code = "export_unreadable"


class BadPublicKey(EvidenceError):  # noqa: N818 - the same
    """A text does not name a public key; the message says which forms are accepted."""

    code = "public_key_invalid"
