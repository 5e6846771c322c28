"""A bridge in its own process that freezes itself in the middle of a transaction.

    python -m tests.support.frozen_bridge URL KEYS POINT NUMBER IDLE_MS

It opens the ledger, begins to store an agreement of NUMBER (or to revoke it), and stops itself with
SIGSTOP at POINT: `locked`, `inserted` or `revoking`. When it is continued it goes on, and prints
what became of it. IDLE_MS is how long PostgreSQL waits for it; 0 is for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from agi_bridge.consent import AgreementRules, ConsentError
from agi_bridge.consent.ledger import Ledger, chain_writer
from agi_bridge.consent.signing import Keys
from tests.support.consent_builders import revocation, submitting

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LIMITED = AgreementRules(
    number_per_day=9, caller_per_day=0, line_per_hour=9, other_number_share=100
)


@contextmanager
def frozen_bridge(
    url: str, keys: Path, point: str, number: str, *, idle_ms: int = 0
) -> Iterator[subprocess.Popen[str]]:
    """A process that is frozen at this point; it is killed at the end of the block."""
    arguments = (url, str(keys), point, number, str(idle_ms))
    with subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "tests.support.frozen_bridge", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        try:
            yield process
        finally:
            process.kill()


def freezing(act: Any) -> Any:
    """The same act, and then the process stops itself, the first time."""
    done: list[bool] = []

    def acting(*arguments: Any, **named: Any) -> Any:
        result = act(*arguments, **named)
        if not done:
            done.append(True)
            # To this thread: it gets no further, whenever the others learn of it.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return result

    return acting


async def _main(url: str, folder: Path, point: str, number: str, idle_ms: int) -> None:
    keys = Keys.load(folder, create=False)[0]
    async with await Ledger.open(url, keys) as ledger:
        writer: Any = ledger._writer
        with mock.patch.object(chain_writer, "IDLE_MS", idle_ms):
            try:
                if point == "revoking":
                    writer.keep_personal = freezing(writer.keep_personal)
                    await ledger.revoke(replace(revocation(), number=number))
                else:
                    name = {"locked": "_look_up", "inserted": "_insert"}[point]
                    setattr(writer, name, freezing(getattr(writer, name)))
                    await ledger.append(submitting(number, rules=LIMITED).take())
            except ConsentError as error:
                sys.stdout.write(f"{error.code}\n")
            else:
                sys.stdout.write("stored\n")


if __name__ == "__main__":
    URL, KEYS, POINT, NUMBER, IDLE_MS = sys.argv[1:]
    asyncio.run(_main(URL, Path(KEYS), POINT, NUMBER, int(IDLE_MS)))
