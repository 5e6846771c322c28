"""`consents optin-page`: writes the page that shows carriers how callers of a line opt in.

What the page says is in `app.optin_page`. The command was called `workflow` before.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer, load

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.app.optin_page import OptinPage

OutOption = Annotated[
    Path | None, typer.Option(help="The file to write. Default: standard output.", metavar="FILE")
]


@dataclass(frozen=True, slots=True)
class OptinPageWritten:
    """The page, and the file that it was written to, if any."""

    page: OptinPage
    out: Path | None
    ok: bool = True

    def json(self) -> dict[str, object]:
        """What the page says, as plain values."""
        said = asdict(self.page) | {"out": None if self.out is None else str(self.out)}
        del said["sounds"]  # megabytes, and files that the caller has
        return said

    def show(self, console: Console) -> None:
        """Print the page itself, or the name of its file."""
        if self.out is None:
            console.file.write(self.page.html())
        else:
            console.print(f"written: {self.out}")


def command(
    line: Annotated[
        str, typer.Option(help="The line, by a number that callers dial or by name.", metavar="DID")
    ],
    *,
    out: OutOption = None,
    date: Annotated[
        str | None,
        typer.Option(help="The date on the page. Default: today, in UTC.", metavar="YYYY-MM-DD"),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Serve the page over HTTP until Ctrl-C, for a public link."),
    ] = False,
    host: Annotated[
        str, typer.Option(help="The address to serve it on. A reverse proxy adds TLS.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port to serve it on; 0 picks a free one.", min=0, max=65535)
    ] = 4582,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the opt-in page that carriers ask for when a campaign is registered (10DLC).

    HTML from the configuration in force, in one file: the disclosure word for word and as callers
    hear it, a sample call, every key press, sample texts, STOP and HELP, retention, and the hashes
    to compare it by.
    """
    from agi_bridge.app.optin_page import describe_optin
    from agi_bridge.cli.arguments import iso_date

    settings = load(config, secrets="ledger.")
    if serve and (out is not None or as_json):
        raise typer.BadParameter("--serve writes no file and no JSON: leave out --out and --json")

    async def work() -> OptinPageWritten:
        day = iso_date("--date", date or datetime.now(UTC).date().isoformat())
        page = await asyncio.to_thread(describe_optin, settings, settings.find_line(line), date=day)
        if serve:
            await _serve(page.html(), host, port)
        if out is not None:
            await asyncio.to_thread(out.write_text, page.html(), encoding="utf-8")
        return OptinPageWritten(page, out)

    answer(work(), as_json=as_json)


async def _serve(html: str, host: str, port: int) -> None:
    """Serve the page until the command is interrupted."""
    from agi_bridge.app.optin_server import serve_page
    from agi_bridge.cli.common import UsageError
    from agi_bridge.net import bind

    def ready(found: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"serving http://{shown}:{found}/ until Ctrl-C")

    try:
        await serve_page(html, lambda: bind(host, port, "--port"), ready)
    except OSError as error:
        raise UsageError(f"--host, --port: cannot listen on {host} port {port}: {error}") from None
