"""What the doctor says about this machine: the findings of `agi-bridge check`, by its own ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agi_bridge.app.findings import Level as CheckLevel
from agi_bridge.cli.check.run import look as check_all
from agi_bridge.doctor import Finding, Id, fault, note, ok

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.app.findings import Finding as CheckFinding
    from agi_bridge.settings import Settings

_KEYS: Final = frozenset({"ledger.vault_key", "ledger.lookup_key", "ledger.signing_key"})
_PROMPTS: Final = frozenset({"languages", "disclosure", "purpose", "digits", "texts"})
_ADVICE: Final = frozenset({"in_use", "local", "unwitnessed", "unencrypted", "shipped", "missing"})
"""Reasons of notes that are advice for the day, or say that the bridge runs."""

_FINE: Final = {
    Id.CONFIGURATION: "as agi-bridge check wants it",
    Id.LEDGER: "can be opened and written",
    Id.KEYS: "there, and the ledger's own",
    Id.DISK: "room enough",
    Id.HOOK_TLS: "the hook answers",
    Id.PROMPTS: "complete, and as the texts in force",
}

_FIX: Final = {
    Id.CONFIGURATION: "correct it as agi-bridge check says",
    Id.LEDGER: (
        "let the database answer and this account use it, or restore the last backup"
        " (docs/backup.md)"
    ),
    Id.KEYS: "put back the keys that the ledger was written with, from a backup (docs/backup.md)",
    Id.DISK: "free some space, or move state_dir to a larger disk",
    Id.HOOK_TLS: "see whether hook.url can be reached from this machine",
    Id.PROMPTS: "run agi-bridge prompts check",
}
"""What to do where the check's sentence says no more than the problem."""


def look(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Return the findings about this machine: one per problem, else one "ok" per id. Blocks."""
    found: dict[Id, list[Finding]] = {which: [] for which in _FINE}
    good: dict[Id, str] = dict(_FINE)
    for each in check_all(settings, environ, connect=True):
        which = _id(each)
        if each.level is CheckLevel.OK:
            if which is Id.HOOK_TLS and each.key == "hook.url":
                good[which] = each.problem
            continue
        if each.level is CheckLevel.FAULT:
            fix = each.fix or _FIX[which]
            found[which].append(fault(which, each.problem, fix, about=each.key))
        elif which is not Id.CONFIGURATION and each.reason not in _ADVICE:
            fix = each.fix or _FIX[which]
            found[which].append(note(which, each.problem, fix, about=each.key))
    return [finding for which in _FINE for finding in (found[which] or [ok(which, good[which])])]


def _id(each: CheckFinding) -> Id:
    if each.reason == "little_space":
        return Id.DISK
    if each.key in _KEYS or each.reason in {"keys", "new_chain"}:
        return Id.KEYS
    if each.key == "state_dir" or each.key.startswith("ledger"):
        return Id.LEDGER
    if each.key == "hook.url":
        return Id.HOOK_TLS
    if each.reason == "stale_prompts" or each.key.rpartition(".")[2] in _PROMPTS:
        return Id.PROMPTS
    return Id.CONFIGURATION
