"""The kinds of problems: for each, its condition, what callers notice, and the fix.

The kinds are the alerts of `monitoring/agi-bridge.rules.yml`, with the same limits, so that the
command, `[alerts] command` and Prometheus agree. `Down` is missing here: a service that is down
tells nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.status.readiness import readiness

if TYPE_CHECKING:
    from agi_bridge.status.snapshot import Snapshot
    from agi_bridge.status.window import Window

PAGE: Final = "page"
"""Wake somebody: callers or consents suffer now."""
TICKET: Final = "ticket"
"""Look at it in the morning."""

QUARTER: Final = 15
"""Minutes that increases are taken over."""
UNKNOWN_SHARE: Final = 0.05
"""Share of submissions without a known outcome that is too many ..."""
UNKNOWN_LEAST: Final = 3
"""... if there are so many of them."""
FREE_BYTES: Final = 1 << 30
"""Bytes free under which it is time to make room."""
LATE_SECONDS: Final = 3600
"""How long a message to another system may wait."""
TRUNK_FAILURES: Final = 3
"""Forwarded calls that a trunk did not connect, without one that it did."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem.

    Attributes:
        name: its stable name, the alert's without `AgiBridge`.
        severity: `PAGE` or `TICKET`.
        notice: what callers or the business notice.
        cure: what to do.
    """

    name: str
    severity: str
    notice: str
    cure: str


_KINDS: Final = (
    Kind(
        "NotReady", PAGE,
        "New callers reach the dialplan's fallback and are not asked for consent.",
        "Run `agi-bridge status`: it names the check that fails.",
    ),
    Kind(
        "HookRefused", PAGE,
        "Callers who agreed get no text: the hook refuses the key, the signature or the number.",
        "Compare hook_key or signing_secret, and business_number, with the hook's; then reload.",
    ),
    Kind(
        "HookUnknownRate", TICKET,
        "Some callers who agreed may not get their text; it is never sent twice.",
        "Look for slow or broken answers of the hook; settle the records with "
        "`agi-bridge consents list --open`.",
    ),
    Kind(
        "HookDown", PAGE,
        "Callers go to the default destination at once and get their text late, or not at all.",
        "Check the network and Instaply's status; the bridge tries again by itself.",
    ),
    Kind(
        "NotLinked", TICKET,
        "Callers of a line hear that the business is not linked.",
        "Link the business number at Instaply, or correct business_number.",
    ),
    Kind(
        "WaitingForPerson", TICKET,
        "A message or an outcome waits; someone who asked for no more texts may still get one.",
        "Run `agi-bridge consents list --open` and settle each record.",
    ),
    Kind(
        "PushLate", TICKET,
        "Other systems may not know of a revocation, and text somebody who asked to stop.",
        "Run `agi-bridge push list`: it says which receiver fails, and why.",
    ),
    Kind(
        "StopsNotLookedUp", TICKET,
        "Customers' STOPs are stored, and none revokes by itself: Instaply's API does not serve "
        "the bridge.",
        "Compare web.instaply_api_token with Instaply; `agi-bridge doctor` names what is wrong.",
    ),
    Kind(
        "LedgerErrors", PAGE,
        "Callers go on without a text: consents cannot be stored.",
        "Check the database and the disk; `agi-bridge check` names what is wrong.",
    ),
    Kind(
        "DiskLow", TICKET,
        "Nobody yet. A full disk takes no consents, and callers get no text.",
        "Make room where state_dir is.",
    ),
    Kind(
        "CheckpointLate", TICKET,
        "Nobody. What was stored since the last checkpoint is not proved yet.",
        "See checkpoint.not_sent in the log and fix the destination that it names.",
    ),
    Kind(
        "ClockUnsynchronised", TICKET,
        "Nobody at once. The times of consents are worth less, and old data is not erased.",
        "Let NTP keep this machine's clock (timedatectl).",
    ),
    Kind(
        "ConfigStale", TICKET,
        "The configuration on disk is not in force: a change that was made has no effect.",
        "Run `agi-bridge check`, correct the file, then `agi-bridge reload`.",
    ),
    Kind(
        "ConsoleDown", TICKET,
        "Nobody. People cannot open the console; calls are taken as before.",
        "Run `agi-bridge status`: it says why; the console is tried again every minute.",
    ),
    Kind(
        "DrainForced", TICKET,
        "Callers were moved to the default destination in the middle of the dialogue.",
        "Raise drain_seconds, and TimeoutStopSec or stop_grace_period with it.",
    ),
    Kind(
        "ForwardRefused", TICKET,
        "Callers reach the default destination instead of the number that the hook named.",
        "Correct the store's forward number at Instaply, or forward_regions.",
    ),
    Kind(
        "TrunkDown", PAGE,
        "Forwarded callers hear a short announcement and reach the default destination.",
        "Check the trunk on the PBX, and dial_template.",
    ),
    Kind(
        "NoCalls", TICKET,
        "Perhaps callers do not get here: none came where a week ago many did.",
        "Call the number yourself; check the trunk, the dialplan and agi.token.",
    ),
)  # fmt: skip

KINDS: Final = {kind.name: kind for kind in _KINDS}
"""All kinds, by name."""


def problems(snapshot: Snapshot, window: Window) -> tuple[Kind, ...]:
    """The kinds of problem that there are now, in the order of `KINDS`."""
    found = _found(snapshot, window)
    return tuple(kind for kind in _KINDS if found[kind.name])


def _found(snapshot: Snapshot, window: Window) -> dict[str, bool]:
    grown = window.increases(QUARTER)
    unknown = grown["hook_unknown"]
    anchored = max(snapshot.last_checkpoint or 0.0, snapshot.started_at)
    return {
        "NotReady": not snapshot.draining and not readiness(snapshot).is_ready,
        "HookRefused": grown["hook_refused"] > 0,
        "HookUnknownRate": (
            unknown >= UNKNOWN_LEAST and unknown > UNKNOWN_SHARE * grown["hook_requests"]
        ),
        "HookDown": snapshot.hook_open,
        "NotLinked": grown["not_linked"] > 0,
        "WaitingForPerson": sum((snapshot.waiting or {}).values()) > 0,
        "PushLate": (snapshot.oldest_push or 0.0) > LATE_SECONDS or snapshot.push_gone > 0,
        "StopsNotLookedUp": grown["lookups_failed"] > 0,
        "LedgerErrors": snapshot.ledger_error is not None or grown["ledger_errors"] > 0,
        "DiskLow": snapshot.free_bytes is not None and snapshot.free_bytes < FREE_BYTES,
        "CheckpointLate": anchored < snapshot.at - 2 * snapshot.checkpoint_seconds,
        "ClockUnsynchronised": not snapshot.clock_synchronised,
        "ConfigStale": snapshot.stale is not None,
        "ConsoleDown": snapshot.console_problem is not None,
        "DrainForced": grown["drain_forced"] > 0,
        "ForwardRefused": grown["forward_refused"] > 0,
        "TrunkDown": grown["trunk_failed"] >= TRUNK_FAILURES and not grown["trunk_answered"],
        "NoCalls": window.no_calls,
    }
