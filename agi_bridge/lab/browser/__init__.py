"""A telephone in the browser: the page, its server, and the library that speaks SIP in it."""

from typing import Final

from agi_bridge.lab.browser.call_feed import CallFeed
from agi_bridge.lab.browser.server import PhonePage
from agi_bridge.lab.npm_package import NpmPackage

SIP_JS: Final = NpmPackage(
    "sip.js",
    "0.21.2",
    "tSqTcIgrOd2IhP/rd70JablvAp+fSfLSxO4hGNY6LkWRY1SKygTO7OtJEV/BQb8oIxtMRx0LE7nUF2MaqGbFzA==",
)
"""SIP for browsers (MIT). Its modules are loaded as they are; nothing is built."""

__all__ = ["SIP_JS", "CallFeed", "PhonePage"]
