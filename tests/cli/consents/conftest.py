"""A filled ledger to run the commands on."""

from tests.support.consents_shop import export, filled, original_export, shop, synchronised

__all__ = ["export", "filled", "original_export", "shop", "synchronised"]
