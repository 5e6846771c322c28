"""Checks `[web]`: who can reach the listener, its tokens, and the file of customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agi_bridge.app.findings import Finding, Level, port, secret
from agi_bridge.net import is_loopback
from agi_bridge.settings import read_customers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agi_bridge.settings import Settings

SHORT: Final = 16
"""A bearer token with fewer characters is too easy to guess."""


def look(settings: Settings, *, running: bool = False) -> Iterator[Finding]:
    """Yield the findings. `running`: a service is running with this configuration."""
    web = settings.web
    if not web.enabled:
        served = "only recordings are served" if settings.web_listens else "nothing listens"
        text = f"not set: {served}, and revocations come by command only"
        yield Finding(Level.OK, "web.token", text)
    if not settings.web_listens:
        return
    yield port("web.port", web.host, web.port, running=running)
    if not is_loopback(web.host):
        text = "other machines can connect, over plain HTTP"
        fix = "put a reverse proxy with TLS in front (docs/revocation.md)"
        yield Finding(Level.NOTE, "web.host", text, fix, "unencrypted")
    tokens = [("web.token", web.token), ("web.instaply_token", web.instaply_token)]
    tokens += [(f"web.query.{place}.token", each.token) for place, each in enumerate(web.query, 1)]
    for key, place in tokens:
        if place is None:
            continue
        yield from secret(key, place)
        if len(place.reveal()) < SHORT:
            fix = f"use {SHORT} random characters or more: openssl rand -hex 32"
            yield Finding(Level.NOTE, key, "is too short", fix, "short")
    if web.token is not None and web.secret() == web.instaply_secret():
        fix = "use two tokens, so that you can change one without the other"
        yield Finding(Level.NOTE, "web.instaply_token", "is the same as web.token", fix, "same")
    asking = web.query_secrets()
    if len({*asking.values()} - {web.secret(), web.instaply_secret()}) < len(asking):
        text = "two tokens of [web] are the same: a system could use the path of another"
        fix = "give each system, and each path, its own token"
        yield Finding(Level.FAULT, "web.query", text, fix, "same")
    yield from _senders(settings)


def _senders(settings: Settings) -> Iterator[Finding]:
    """How it is found out whose a STOP by text is."""
    web = settings.web
    if web.instaply_api_token is not None:
        key = "web.instaply_api_token"
        yield from secret(key, web.instaply_api_token)
        if web.instaply_token is None:
            text = "looks nothing up: web.instaply_token is not set, so no message arrives"
            fix = "set web.instaply_token, then run: agi-bridge instaply connect --url URL"
            yield Finding(Level.NOTE, key, text, fix, "unused")
    if web.instaply_token is None:
        return
    if web.customers is not None or web.instaply_api_token is None:
        yield _customers(web.customers, next(iter(settings.lines.values())).regions[0])
    yield from _brands(settings)


def _customers(path: Path | None, region: str) -> Finding:
    key = "web.customers"
    if path is None:
        text = "not set: customers' numbers are unknown, so each STOP by text waits for a person"
        return Finding(
            Level.NOTE,
            key,
            text,
            "set web.instaply_api_token, or the path of this file (docs/revocation.md)",
            "missing",
        )
    try:
        file = read_customers(path, region=region)
    except OSError as error:
        text = f"cannot read {path} ({error.strerror})"
        return Finding(Level.FAULT, key, text, "make it readable for this account", "unreadable")
    except ValueError as error:
        fix = "see the example in docs/revocation.md"
        return Finding(Level.FAULT, key, f"{path}: {error}", fix, "unusable")
    if faults := file.faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        text = f"{path}: {faults[0]}{more}; a STOP by text from these customers waits for a person"
        return Finding(Level.NOTE, key, text, "correct these rows", "rows")
    return Finding(Level.OK, key, f"{path}: numbers of {len(file.numbers)} customers")


def _brands(settings: Settings) -> Iterator[Finding]:
    """With several brands, each line needs the id of its business."""
    lines = settings.lines.values()
    if len({line.brand for line in lines}) > 1:
        for line in lines:
            if not line.business_id:
                text = "is not set: a STOP by text to this business revokes for every brand"
                fix = "write the id that Instaply gives the business"
                yield Finding(Level.NOTE, f"lines.{line.name}.business_id", text, fix, "missing")
