"""Rules between the settings of `[console]`: whether anybody could sign in, and by which name."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from agi_bridge.net import is_loopback

from .errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .console import ConsoleSettings


def check_console(console: ConsoleSettings) -> Iterator[Fault]:
    """Check that a console that listens lets the right people in, and only those."""
    if console.sign_in != "none" and not console.users:
        fix = "add a table [[console.users]] with a name, a role and a password_hash"
        yield Fault("console.users", "is empty, so nobody could sign in", fix, "missing")
    if console.by_password:
        for place, user in enumerate(console.users, start=1):
            if not user.password_hash:
                fix = "write the line that `agi-bridge console-password` prints"
                yield Fault(f"console.users.{place}.password_hash", "is missing", fix, "missing")
    if console.sign_in == "proxy" and not console.proxies:
        fix = 'write the address of your reverse proxy, like ["127.0.0.1"]'
        yield Fault("console.proxies", "is empty, so no header is believed", fix, "missing")
    anywhere = not is_loopback(console.host) and ip_address(console.host).is_unspecified
    if anywhere and not console.hosts:
        fix = 'write the names in the browser\'s address, like ["console.example.com"]'
        what = "is empty, but host is every address of this machine"
        yield Fault("console.hosts", what, fix, "missing")
