"""A private Asterisk from Debian's packages."""

from agi_bridge.lab.asterisk.provision import (
    default_tree,
    find_asterisk,
    provision_asterisk,
    share_path,
)
from agi_bridge.lab.asterisk.server import Asterisk
from agi_bridge.lab.asterisk.webrtc import BrowserAccount

__all__ = [
    "Asterisk",
    "BrowserAccount",
    "default_tree",
    "find_asterisk",
    "provision_asterisk",
    "share_path",
]
