"""A history in a state directory, for pages that show it."""

from tests.history.conftest import read, write

__all__ = ["read", "write"]
