"""What a command said to the shell that ran it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class CommandResult(NamedTuple):
    """Exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which is one JSON document."""
        return json.loads(self.out)
