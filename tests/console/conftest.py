"""A history in a state directory, and a filled ledger, for pages that show them."""

from tests.history.conftest import read, write
from tests.support.sample_ledger import original, sample, synchronised

__all__ = ["original", "read", "sample", "synchronised", "write"]
