"""A filled ledger to run the commands on."""

from tests.support.sample_ledger import (
    export,
    original,
    original_export,
    sample,
    synchronised,
)

__all__ = ["export", "original", "original_export", "sample", "synchronised"]
