"""Configurations as TOML text."""

from __future__ import annotations

import re

KEY = "a73d5034210f702515128ac61193cd21"
SHOP = """
[lines.shop]
did = ["+14155550111"]
business_number = "+14155550111"
hook_key = {env = "SHOP_KEY"}
brand = "Example Store"
dial_template = "PJSIP/{number}@trunk"
default = {kind = "dial", destination = "PJSIP/100"}
"""


def shop(**changes: str) -> str:
    """The shop's table with keys replaced or added, each given as TOML."""
    text = SHOP
    for key, value in changes.items():
        line = f"{key} = {value}"
        old = re.search(rf"^{key} = .*$", text, flags=re.MULTILINE)
        text = text.replace(old[0], line) if old else f"{text}{line}\n"
    return text
