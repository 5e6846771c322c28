"""A configured line to run the commands for."""

from tests.support.prompts_commands import cli, rendered, rendered_once

__all__ = ["cli", "rendered", "rendered_once"]
