"""A shop to run the commands for."""

from tests.support.prompts_commands import rendered, rendered_once, shop

__all__ = ["rendered", "rendered_once", "shop"]
