"""What the tests of `agi-bridge check` share: a configuration, and the findings of a report."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console

from agi_bridge.cli.check.run import check, show

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from agi_bridge.app.findings import Finding, Level, Report

KEY = "a73d5034210f702515128ac61193cd21"
DID = "+14155550111"
FORWARD = "+14155550199"


def checked_in(
    folder: Path,
    top: str = "",
    *,
    line: str = "",
    agi: str = "port = 0",
    connect: bool = False,
    **environ: str,
) -> Report:
    """Check a configuration whose tables can be added to; the port is any free one."""
    file = folder / "agi-bridge.toml"
    text = f"""
        {top if "state_dir" in top else f'state_dir = "{folder}"' + chr(10) + top}
        [agi]
        {agi}
        [status]
        port = 0
        [lines.shop]
        did = ["{DID}"]
        business_number = "{DID}"
        hook_key = {{env = "SHOP_KEY"}}
        brand = "Example Store"
        dial_template = "PJSIP/{{number}}@trunk"
        {line or f'default = {{kind = "dial", destination = "PJSIP/{FORWARD}@trunk"}}'}
    """
    file.write_text(text, encoding="utf-8")
    environ = {"SHOP_KEY": KEY, "PATH": str(folder / "bin"), **environ}
    return check(file, environ, connect=connect)


def port(server: socket.socket) -> int:
    number: int = server.getsockname()[1]
    return number


def found(report: Report, key: str) -> list[Finding]:
    """The findings about a setting."""
    return [finding for finding in report.findings if finding.key == key]


def one(report: Report, key: str) -> Finding:
    """The only finding about a setting."""
    (only,) = found(report, key)
    return only


def outcome(report: Report, key: str) -> tuple[Level, str]:
    """Level and code of the only finding about a setting."""
    return _outcome(one(report, key))


def outcomes(report: Report, key: str) -> list[tuple[Level, str]]:
    """Level and code of each finding about a setting."""
    return [_outcome(finding) for finding in found(report, key)]


def _outcome(finding: Finding) -> tuple[Level, str]:
    return finding.level, finding.code


def printed(report: Report) -> str:
    out = io.StringIO()
    show(report, Console(file=out, width=40))
    return out.getvalue()
