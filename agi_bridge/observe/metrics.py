"""The metrics of the service: every counter and histogram, with its closed label values.

A call is folded in once, when it has ended. Nothing here is written anywhere: the status listener
reads it when it is asked. Neither a telephone number nor a call's id is a label value.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from agi_bridge.observe.recent_calls import RecentCalls
from agi_bridge.observe.series import OTHER, Counter, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agi_bridge.observe.call_log import CallLogEntry

MAX_LINES: Final = 20
"""Lines that are told apart; all others count together as `other`, so that a scrape stays small."""

NO_RESULT: Final = "none"
"""The result of a call that ended without one: it was cancelled, or met a fault."""

RESULTS: Final = ("done", "default", "dial", "fallback", "hangup", "left_to_pbx", NO_RESULT)
STATES: Final = (
    "disclosed", "confirmed", "replied", "returned", "accepted", "refused", "unknown", "not_sent",
    "expired", "declined", "abandoned",
)  # fmt: skip
STEPS: Final = (
    "language", "opt_out_offer", "disclosure", "number", "confirm", "hook", "say", "dial",
    "default",
)  # fmt: skip
DIAL_STATUSES: Final = (
    "ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL", OTHER,
)  # fmt: skip
FORWARD_REASONS: Final = (
    "not_valid", "region", "emergency", "premium", "personal", "pager", "satellite", "service_code",
    "short_number", "own_number", "type", OTHER,
)  # fmt: skip
LIMITS: Final = (
    "suppressed", "number_limit", "caller_limit", "unidentified_limit", "line_limit", "line_share",
)  # fmt: skip
HOOK_OUTCOMES: Final = ("accepted", "refused", "not_sent", "unknown")
HOOK_CODES: Final = (
    NO_RESULT, "200", "400", "401", "403", "404", "429", "500", "502", "503", "504", OTHER,
)  # fmt: skip
WEB_CODES: Final = (
    "200", "201", "202", "204", "400", "401", "403", "404", "405", "413", "422", "429", "500",
    "503", OTHER,
)  # fmt: skip
WEB_PATHS: Final = (
    "/v1/revocations", "/v1/instaply/messages", "/v1/consents/query", "/v1/audio", OTHER,
)  # fmt: skip
PERMISSION_REASONS: Final = (
    "consent", "no_consent", "other_purpose", "unfinished", "expired", "revoked", "restricted",
    "unreadable",
)  # fmt: skip

LOOKUPS: Final = (
    "revoked", "completed", "nothing_waits", "bad_answer", "forbidden", "no_id", "no_number",
    "not_a_number", "not_found", "other_channel", "other_customer", "token_refused",
    "unavailable", "unreachable",
)  # fmt: skip
_SHORT: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16)
"""Bounds for what a caller waits for."""
_STEP: Final = (0.1, 0.5, 1, 2, 5, 10, 20, 40, 120, 600)
"""Bounds for a step of the dialogue."""
_CALL: Final = (1, 5, 30, 60, 120, 300)
"""Bounds for a whole call."""
_SPEECH: Final = (0.1, 0.5, 1, 4, 16)
"""Few, as each engine has its own: a scrape's samples are limited."""
_APPEND: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
"""Bounds for a write of the ledger; after five seconds it is given up."""


class Metrics:
    """The counters and histograms of one process. Belongs to the event loop's thread.

    Args:
        lines: the lines' names, in the order of the configuration.
        now: seconds since the epoch.
    """

    def __init__(self, lines: Iterable[str] = (), now: Callable[[], float] = time.time) -> None:
        self._now = now
        names: list[str] = [*dict.fromkeys(lines)][:MAX_LINES]
        self._lines = set(names)
        line = (*names, OTHER)
        self.calls = Counter(
            "calls_total", "Calls that have ended, by AGI_BRIDGE_RESULT.", line=line, result=RESULTS
        )
        self.refusals = Counter(
            "calls_refused_total",
            "Connections that became no call, and calls of no line.",
            reason=("peer", "evicted", "token", "busy", "protocol", "no_line"),
        )
        self.call_seconds = Histogram("call_seconds", "How long calls took.", _CALL)
        self.first_sound_seconds = Histogram(
            "first_sound_seconds", "From a call's start to its first prompt.", _SHORT
        )
        self.step_seconds = Histogram(
            "step_seconds", "How long each step of a call took.", _STEP, step=STEPS
        )
        self.consents = Counter(
            "consents_total",
            "Consents that reached a state, or were completed by a reply.",
            line=line,
            state=STATES,
        )
        self.hook_requests = Counter(
            "hook_requests_total",
            "Submissions, by outcome and HTTP status; none if no answer came.",
            outcome=HOOK_OUTCOMES,
            code=HOOK_CODES,
        )
        self.hook_seconds = Histogram("hook_seconds", "How long submissions took.", _SHORT)
        self.hook_not_linked = Counter(
            "hook_not_linked_total", "Answers that the business number is not linked.", line=line
        )
        self.forward_refusals = Counter(
            "forward_refused_total",
            "Numbers of the hook that the line may not dial.",
            line=line,
            reason=FORWARD_REASONS,
        )
        self.dials = Counter(
            "dials_total",
            "Legs that were dialled, by DIALSTATUS.",
            line=line,
            leg=("forward", "default"),
            status=DIAL_STATUSES,
        )
        self.revocations = Counter(
            "revocations_total",
            "Revocations that this process stored; those by command are not among them.",
            channel=("http", "instaply", "ivr"),
        )
        self.limits = Counter(
            "limits_total",
            "Agreements that were not taken, by the limit reached.",
            line=line,
            limit=LIMITS,
        )
        self.ledger_append_seconds = Histogram(
            "ledger_append_seconds", "How long calls waited for the ledger.", _APPEND
        )
        self.ledger_errors = Counter("ledger_errors_total", "Writes that the ledger did not take.")
        self.checkpoint_failures = Counter(
            "checkpoint_failures_total",
            "Checkpoints that did not reach a destination.",
            sink=("file", "syslog", "command", "signing"),
        )
        engines = ("kokoro", "piper", "http", "pbx", "command")
        self.speech_renders = Counter(
            "speech_renders_total",
            "Texts that an engine was to speak.",
            engine=engines,
            outcome=("cached", "rendered", "failed"),
        )
        self.speech_seconds = Histogram(
            "speech_seconds", "How long engines took to render a text.", _SPEECH, engine=engines
        )
        self.config_reloads = Counter(
            "config_reloads_total",
            "Reloads of the configuration.",
            outcome=("applied", "refused", "unchanged"),
        )
        self.forced_calls = Counter(
            "drain_forced_total", "Calls that a stop did not wait for, counted over restarts."
        )
        self.history_dropped = Counter(
            "history_dropped_total",
            "Calls, or what was known of them, that are missing in the call history.",
        )
        self.web_requests = Counter(
            "web_requests_total",
            "Requests to [web], by path and HTTP status.",
            path=WEB_PATHS,
            code=WEB_CODES,
        )
        self.stop_lookups = Counter(
            "stop_lookups_total",
            "Look-ups of whose STOP or YES a message is, by outcome.",
            outcome=LOOKUPS,
        )
        self.queries = Counter(
            "consent_queries_total",
            "Numbers that systems of the business asked about, by the answer's reason.",
            reason=PERMISSION_REASONS,
        )
        self.push_deliveries = Counter(
            "push_deliveries_total",
            "Attempts to deliver a message to another system.",
            outcome=("delivered", "failed", "refused", "gone"),
        )
        self.last_checkpoint: float | None = None
        """When a checkpoint last reached every destination, in seconds since the epoch."""
        self.last_hook_success: float | None = None
        self.last_hook_failure: tuple[float, str] | None = None
        """When a submission was last not accepted, and the reason."""
        self.recent = RecentCalls(now)

    @property
    def families(self) -> tuple[Counter | Histogram, ...]:
        """All counters and histograms, in a fixed order."""
        return tuple(each for each in vars(self).values() if isinstance(each, Counter | Histogram))

    def add_lines(self, names: Iterable[str]) -> None:
        """Tell more lines apart, after a reload, as far as `MAX_LINES` goes; none is forgotten."""
        for name in names:
            if name in self._lines or len(self._lines) >= MAX_LINES:
                continue
            self._lines.add(name)
            for family in self.families:
                if isinstance(family, Counter):
                    family.admit("line", name)

    def call_ended(self, entry: CallLogEntry) -> None:
        """Fold in one call."""
        fields = entry.fields
        line = str(fields.get("line", OTHER))
        result = str(fields.get("result", NO_RESULT))
        self.calls.add(line, result)
        self.recent.ended(result)
        end = entry.elapsed_ms / 1000
        self.call_seconds.observe(end)
        steps = entry.steps
        if steps:
            self.first_sound_seconds.observe(steps[0][1] / 1000)
        ends = [*(began for _, began in steps[1:]), entry.elapsed_ms]
        for (name, began), ended in zip(steps, ends, strict=False):
            if name in STEPS:
                self.step_seconds.observe((ended - began) / 1000, name)
        for leg, status in entry.dials:
            self.dials.add(line, leg, status)

    def hook_answered(
        self, line: str, outcome: str, code: int | None, reason: str, seconds: float
    ) -> None:
        """Count one submission: its outcome, the HTTP status if one came, and why."""
        self.hook_requests.add(outcome, NO_RESULT if code is None else str(code))
        self.hook_seconds.observe(seconds)
        if outcome == "accepted":
            self.last_hook_success = self._now()
        else:
            self.last_hook_failure = self._now(), reason
        if reason == "not_linked":
            self.hook_not_linked.add(line)

    def appended(self, seconds: float, *, stored: bool) -> None:
        """Count one write that a call waited for."""
        self.ledger_append_seconds.observe(seconds)
        if not stored:
            self.ledger_errors.add()

    def checkpoint_published(self, failed_sinks: Iterable[str]) -> None:
        """Count one checkpoint, and the kinds of destination that it did not reach."""
        failed = list(failed_sinks)
        for sink in failed:
            self.checkpoint_failures.add(sink)
        if not failed:
            self.last_checkpoint = self._now()

    def speech_rendered(self, engine: str, outcome: str, seconds: float | None) -> None:
        """Count one text that an engine was to speak; `seconds` of a rendering."""
        self.speech_renders.add(engine, outcome)
        if seconds is not None:
            self.speech_seconds.observe(seconds, engine)

    def config_reloaded(self, outcome: str) -> None:
        """Count one reload: `applied`, `refused` or `unchanged`."""
        self.config_reloads.add(outcome)

    def drain_forced(self, calls: int) -> None:
        """Count calls that a stop did not wait for."""
        self.forced_calls.add(by=calls)
