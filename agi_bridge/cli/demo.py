"""`agi-bridge demo`: places one call end to end, then keeps a test PBX running."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from agi_bridge.cli.common import run
from agi_bridge.cli.fake_hook import Scenario  # noqa: TC001 - read by typer


def demo(
    *,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Stop after the call. Exit code 0 only if every step succeeded."
        ),
    ] = False,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Only download Asterisk and the page's library, for later runs and for the tests.",
        ),
    ] = False,
    fake: Annotated[
        bool, typer.Option("--fake", help="Use a simulated PBX instead of Asterisk.")
    ] = False,
    scenario: Annotated[Scenario, typer.Option(help="The answer of the fake hook.")] = "dial",
    hook: Annotated[
        Literal["instaply", "webhook"], typer.Option(help="The kind of the fake hook.")
    ] = "instaply",
) -> None:
    """Place one real call through a real Asterisk, then keep running so that you can call in.

    Uses the Asterisk that $AGI_BRIDGE_ASTERISK names, else one downloaded before, else the one
    installed on this machine. Otherwise downloads Asterisk 22 from Debian's packages (once, without
    root) into .asterisk/22 of the checkout or, for an installed agi-bridge, into
    ~/.cache/agi-bridge/asterisk-22 ($XDG_CACHE_HOME is respected).

    Starts Asterisk with the files of asterisk-conf/ and dialplan/, a fake hook, the bridge and a
    phone at the far end. A caller keys a number and 1. Then prints the address of a telephone in
    the browser, and how to register a softphone, and runs until Ctrl-C. The page's SIP library is
    fetched with npm; without it, there is no such page. Needs no configuration. A run writes only
    to a folder agi-bridge-demo-… under $TMPDIR or /tmp, and deletes it at the end.
    """
    from agi_bridge.lab.demo import prepare_demo, run_demo

    if prepare:
        raise typer.Exit(run(prepare_demo()))
    raise typer.Exit(
        run(run_demo(once=once, fake=fake, scenario=scenario, webhook=hook == "webhook"))
    )
