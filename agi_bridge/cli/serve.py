"""`agi-bridge serve`: runs the FastAGI server until it is stopped."""

from __future__ import annotations

from agi_bridge.cli.common import ConfigOption, load, report_start_errors, run


def serve(config: ConfigOption = None) -> None:
    """Run the FastAGI server until it is stopped.

    Listens on 127.0.0.1:4573 unless configured otherwise, and logs one JSON line per call to
    standard error. SIGTERM or Ctrl-C drains calls in progress for up to 30 seconds; a second signal
    drops them. Writes only to the configured state_dir, and to ledger.checkpoints.file if set.
    """
    from agi_bridge.app import service
    from agi_bridge.observe import background_logging

    settings = load(config)
    with report_start_errors(), background_logging(settings.log.level):
        run(service.serve(settings))
