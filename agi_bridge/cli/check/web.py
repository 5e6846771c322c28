"""What `agi-bridge check` says of the web's listener: who can reach it, and with what."""

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
"""A bearer token of fewer characters can be guessed sooner than it should be."""


def look(settings: Settings, *, at_work: bool = False) -> Iterator[Finding]:
    """Yield what there is to say of `[web]`; `at_work`: a service is running with it."""
    web = settings.web
    if not web.enabled:
        ears = "listens for the PBX alone" if settings.web_listens else "does not listen"
        text = f"no token is set: it {ears}, revocations come by command alone"
        yield Finding(Level.OK, "web.token", text)
    if not settings.web_listens:
        return
    yield port("web.port", web.host, web.port, at_work=at_work)
    if not is_loopback(web.host):
        text = "other machines reach it, and it speaks plain HTTP"
        fix = "put a reverse proxy with TLS before it (docs/revocation.md)"
        yield Finding(Level.NOTE, "web.host", text, fix, "unencrypted")
    for key, place in (("web.token", web.token), ("web.instaply_token", web.instaply_token)):
        if place is None:
            continue
        yield from secret(key, place)
        if len(place.reveal()) < SHORT:
            fix = f"make it {SHORT} random characters or more: openssl rand -hex 32"
            yield Finding(Level.NOTE, key, "is short", fix, "short")
    if web.enabled and web.secret() == web.instaply_secret():
        fix = "give Instaply one of its own, so that either can be changed"
        yield Finding(Level.NOTE, "web.instaply_token", "is web.token too", fix, "same")
    if web.instaply_token is not None:
        yield _customers(web.customers, next(iter(settings.lines.values())).regions[0])
        yield from _brands(settings)


def _customers(path: Path | None, region: str) -> Finding:
    key = "web.customers"
    if path is None:
        text = "no file says whose number a customer has: each STOP by text waits for a person"
        return Finding(Level.NOTE, key, text, "name one (docs/revocation.md)", "missing")
    try:
        file = read_customers(path, region=region)
    except OSError as error:
        text = f"{path} cannot be read ({error.strerror})"
        return Finding(
            Level.FAULT, key, text, "put it where this account can read it", "unreadable"
        )
    except ValueError as error:
        fix = "docs/revocation.md shows one"
        return Finding(Level.FAULT, key, f"{path}: {error}", fix, "unusable")
    if faults := file.faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        text = f"{path}: {faults[0]}{more}: a STOP by text of these customers waits for a person"
        return Finding(Level.NOTE, key, text, "correct these rows", "rows")
    return Finding(Level.OK, key, f"{path} names the numbers of customers: {len(file.numbers)}")


def _brands(settings: Settings) -> Iterator[Finding]:
    """With one brand there is nothing to tell apart."""
    lines = settings.lines.values()
    if len({line.brand for line in lines}) > 1:
        for line in lines:
            if not line.business_id:
                text = "is empty: a STOP by text to this business would revoke for every brand"
                fix = "write Instaply's id of the business"
                yield Finding(Level.NOTE, f"lines.{line.name}.business_id", text, fix, "missing")
