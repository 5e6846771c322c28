"""The state of the service: written by `app`, read by the other modules of this room."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent import PushBacklog


@dataclass(slots=True)
class ServiceState:
    """One a process; its owner changes it as things happen. Belongs to the event loop's thread.

    Attributes:
        listening: whether calls are taken.
        draining: whether a stop was asked for.
        stale: why the configuration on disk is not the one in force, in one line without secrets;
            None: it is.
        started_at: when the service began to take calls, in seconds since the epoch.
        loaded_at: when the configuration in force was read.
        ledger_error: why the ledger cannot be used, in one line; None: it can.
        chain_taken: whether another bridge runs with our signing key, and has taken our chain.
        lost_prompts: lines whose disclosure cannot be played as it was recorded at the start.
        unsent: consents that wait to be sent again; None: not known yet.
        waiting: what waits for a person, by kind; None: not known yet.
        push: the messages to other systems that wait; None: not known yet.
        free_bytes: what is free where the ledger is kept; None: not known yet.
        loop_lag: seconds that the event loop was held up at most, of late.
        console_problem: why the console cannot be opened although it is enabled, in one line; None:
            it can, or it is not enabled.
    """

    listening: bool = False
    draining: bool = False
    stale: str | None = None
    started_at: float = field(default_factory=time.time)
    loaded_at: float = field(default_factory=time.time)
    ledger_error: str | None = None
    chain_taken: bool = False
    lost_prompts: tuple[str, ...] = ()
    unsent: int | None = None
    waiting: Mapping[str, int] | None = None
    push: PushBacklog | None = None
    free_bytes: int | None = None
    loop_lag: float = 0.0
    console_problem: str | None = None
