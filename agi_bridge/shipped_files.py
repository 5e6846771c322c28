"""Files that are shipped beside the code: the dialplan, the PBX's configuration, the example."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def share_path(name: str) -> Path:
    """Return a file or folder that is shipped beside the package: "dialplan", "asterisk-conf".

    In a checkout it is at the top; in an installed package it is below `agi_bridge/share`.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    for place in (_PACKAGE.parent, _PACKAGE / "share"):
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f"agi-bridge was installed without its {name!r}")
