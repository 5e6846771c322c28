"""Checks `[[push]]`: where the secrets of receivers are, and whether two are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agi_bridge.app.findings import Finding, Level, secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Settings


def look(settings: Settings) -> Iterator[Finding]:
    """Yield the findings; no receiver is contacted."""
    seen: set[str] = set()
    for place, each in enumerate(settings.push, 1):
        key = f"push.{place}"
        host = urlsplit(each.url).hostname
        yield Finding(Level.OK, f"{key}.url", f"{each.name} at {host}, not contacted")
        yield from secret(f"{key}.signing_secret", each.signing_secret)
        if each.signing_secret.reveal() in seen:
            text = "is another receiver's too, which could send in the bridge's name"
            fix = "give each receiver its own: echo whsec_$(openssl rand -base64 32)"
            yield Finding(Level.NOTE, f"{key}.signing_secret", text, fix, "same")
        seen.add(each.signing_secret.reveal())
