"""`ours_full` with some of its parts taken out: what a part costs is measured against it.

    python -m bench.servers.layers --without ledger record

The parts, each with what it needs: `ledger` (nothing is stored), `record` (nothing is collected
for it either), `hook` (it answers at once), `log`, `numbers`. Everything else is as in `ours_full`.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import uvloop

from agi_bridge import phone
from agi_bridge.consent.ledger import Ledger
from agi_bridge.hook import Dial, HookClient, Instructions, Submission, SubmissionRequest
from agi_bridge.hook.client import Outcome
from agi_bridge.phone import PhoneNumber
from bench.servers import flow, ours_full

if TYPE_CHECKING:
    from types import ModuleType

NUMBER = PhoneNumber("+14155550199", "US", "FIXED_LINE_OR_MOBILE")
ANSWER = Submission(
    Outcome.ACCEPTED, Instructions((Dial((flow.FORWARD_NUMBER,)),), "dial"), 200, "dial", 1, 0.0, ""
)


class Nothing:
    """Stands in for a record or a log line: whatever is told to it, it keeps nothing."""

    number = NUMBER.e164
    id = ""

    def __init__(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - it stands in for any class
        self.dialogue = self

    def __call__(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - ... and for any method
        """Keep nothing."""

    def __getattr__(self, _name: str) -> Nothing:
        return self


async def _stored(_ledger: Ledger, _batch: object) -> None:
    """Store nothing."""


async def _submitted(_client: HookClient, _request: SubmissionRequest) -> Submission:
    """Ask nobody."""
    return ANSWER


def _number(*_: Any, **__: Any) -> PhoneNumber:  # noqa: ANN401 - it stands in for any rule
    return NUMBER


_NAMES: dict[str, tuple[ModuleType, object, tuple[str, ...]]] = {
    "log": (ours_full, Nothing, ("CallLogEntry",)),
    "record": (
        ours_full,
        Nothing,
        ("ConsentRecord", "CallMetadata", "DisclosureHeard", "NumberEntered"),
    ),
    "numbers": (phone, _number, ("keyed", "caller_id", "forward")),
}
"""What stands in for a part, and under which names of a module."""


def leave_out(part: str) -> None:
    """Take a part out of `ours_full`."""
    if part == "ledger":
        Ledger.append = _stored  # type: ignore[assignment,method-assign] # the layer to leave out: mypy forbids replacing methods
    elif part == "hook":
        HookClient.submit = _submitted  # type: ignore[assignment,method-assign] # likewise
    else:
        owner, stand_in, names = _NAMES[part]
        for name in names:
            setattr(owner, name, stand_in)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", nargs="*", default=[])
    own, rest = parser.parse_known_args()
    for each in own.without:
        leave_out(each)
    sys.argv[1:] = rest
    uvloop.run(ours_full.main())
