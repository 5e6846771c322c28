"""The program: `agi-bridge` and `python -m agi_bridge`.

It imports nothing before Ctrl-C ends the process without a traceback.
"""

import signal
import sys


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # `cli.common.die_of_interrupts` does the rest
    if sys.argv[1:2] == ["health"]:
        import os  # noqa: PLC0415 - after the handler

        from agi_bridge.cli.health_probe import probe  # noqa: PLC0415 - after the handler

        if (status := probe(sys.argv[1:], os.environ)) is not None:
            sys.exit(status)
    from agi_bridge.cli import main as command_line  # noqa: PLC0415 - after the handler

    command_line.main()


if __name__ == "__main__":
    main()
