"""A filled ledger to run the commands on."""

from tests.support.consents_shop import export, filled, original_export, shop

__all__ = ["export", "filled", "original_export", "shop"]
