"""`agi-bridge serve`: runs the FastAGI server until it is stopped."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from agi_bridge.cli.common import (
    ConfigOption,
    hold_back_hangups,
    load,
    report_start_errors,
    run,
    spare_the_start,
)


def serve(
    config: ConfigOption = None,
    *,
    upgrade: Annotated[
        bool,
        typer.Option("--upgrade", help="First bring a ledger of an older version to this one."),
    ] = False,
) -> None:
    """Run the FastAGI server until it is stopped.

    Listens on 127.0.0.1:4573 unless configured otherwise, and logs one JSON line per call to
    standard error. SIGTERM or Ctrl-C lets dialogues end for up to agi.drain_seconds and leaves
    callers who ring or talk to Asterisk; a second signal ends all at once. SIGHUP reloads the
    configuration. Writes only to the configured state_dir, and to ledger.checkpoints.file if set.
    """
    hold_back_hangups()
    spare_the_start()
    from agi_bridge.app import lifecycle
    from agi_bridge.app.ledger import upgrade_ledger
    from agi_bridge.observe import background_logging
    from agi_bridge.settings import Settings

    settings = load(config)
    with report_start_errors(), background_logging(settings.log.level):
        if upgrade:
            upgrade_ledger(settings)
        run(lifecycle.serve(settings, partial(Settings.load, config)))
