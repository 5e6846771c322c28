"""The findings of the doctor as values: id, level, problem, why it matters, and the fix.

Ids are stable. A program may wait for one, and docs/doctor.md has a section for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from agi_bridge import phone

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST: Final = 1000
"""Characters of a text; the longest of ours has 300."""


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    """Calls work; this can wait."""
    FAULT = "fault"
    """Callers, or the record of consent, get less than they should."""
    NOT_LOOKED_AT = "not_looked_at"
    """The doctor could not look: a right, a setting or an answer is missing."""


class Id(StrEnum):
    """What the doctor looks at."""

    CONFIGURATION = "configuration"
    SERVICE = "service"
    LEDGER = "ledger"
    KEYS = "keys"
    DISK = "disk"
    CLOCK = "clock"
    HOOK_TLS = "hook-tls"
    INSTAPLY_API = "instaply-api"
    INSTAPLY_WEBHOOK = "instaply-webhook"
    PROMPTS = "prompts"
    PBX_REACH = "pbx-reach"
    PBX_LOGIN = "pbx-login"
    PBX_VERSION = "pbx-version"
    PBX_MODULES = "pbx-modules"
    DIALPLAN_CONTEXTS = "dialplan-contexts"
    DIALPLAN_URL = "dialplan-url"
    DIALPLAN_DID = "dialplan-did"
    FALLBACK = "fallback"
    DEFAULT_DESTINATION = "default-destination"
    DIAL_TEMPLATE = "dial-template"
    DTMF = "dtmf"
    CODECS = "codecs"
    DIRECT_MEDIA = "direct-media"
    SOUNDS = "sounds"
    DANGER = "danger"
    CDR = "cdr"
    CALL = "call"
    LOAD = "load"


WHY: Final[Mapping[Id, str]] = {
    Id.CONFIGURATION: "The bridge cannot run as configured.",
    Id.SERVICE: "No bridge takes calls: every caller goes to the dialplan's fallback.",
    Id.LEDGER: "Without the ledger no consent is stored and no text is sent.",
    Id.KEYS: "Without its keys the ledger cannot be opened or continued.",
    Id.DISK: "A full disk stores no consents.",
    Id.CLOCK: "A record with a wrong time proves little, and quiet hours follow the clock.",
    Id.HOOK_TLS: "Without the hook no text is sent: callers go to the default destination.",
    Id.INSTAPLY_API: "A customer's STOP is not looked up: it waits for a person.",
    Id.INSTAPLY_WEBHOOK: "A customer's STOP does not reach the bridge.",
    Id.PROMPTS: "Callers hear the wrong words, or none.",
    Id.PBX_REACH: "The doctor cannot ask the PBX, so it cannot say whether calls work.",
    Id.PBX_LOGIN: "The doctor cannot ask the PBX, so it cannot say whether calls work.",
    Id.PBX_VERSION: "Older releases lack fixes that the dialplan and the dialogue rely on.",
    Id.PBX_MODULES: "The dialplan stops where it uses a missing module.",
    Id.DIALPLAN_CONTEXTS: "Calls do not reach the bridge, or its result is not acted upon.",
    Id.DIALPLAN_URL: "Asterisk does not find this bridge: every caller goes to the fallback.",
    Id.DIALPLAN_DID: "Calls to this number never reach the bridge.",
    Id.FALLBACK: "If no bridge answers, callers hear an apology and are hung up.",
    Id.DEFAULT_DESTINATION: "Every caller without a forward number goes there.",
    Id.DIAL_TEMPLATE: "Callers who agreed are not connected to the number from the hook.",
    Id.DTMF: "The bridge does not get the caller's keys, so nobody can agree.",
    Id.CODECS: "Sound and keys suffer from transcoding, or there is no sound at all.",
    Id.DIRECT_MEDIA: "Behind NAT, two ends that send to each other directly often hear nothing.",
    Id.SOUNDS: "Callers hear silence in place of a recording.",
    Id.DANGER: "Customers' numbers, or the PBX itself, are open to the wrong people.",
    Id.CDR: "Call detail records contain customers' numbers.",
    Id.CALL: "Real calls take the same way.",
    Id.LOAD: "So many callers at the same time would not all be served.",
}
"""Why each matters, unless a finding has its own reason."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Its texts never contain a secret or a whole phone number.

    Attributes:
        id: what was looked at.
        level: how bad it is.
        about: which one: a setting, a line, an endpoint; empty if there is only one.
        what: what is so.
        why: why it matters; empty at level "ok".
        fix: how to put it right; empty at level "ok" only.
    """

    id: Id
    level: Level
    what: str
    fix: str = ""
    about: str = ""
    why: str = ""


def ok(which: Id, what: str, *, about: str = "") -> Finding:
    """Return a finding that says that all is well."""
    return Finding(which, Level.OK, masked(what), about=masked(about))


def note(which: Id, what: str, fix: str, *, about: str = "", why: str = "") -> Finding:
    """Return a finding that can wait."""
    return _made(which, Level.NOTE, what, fix, about, why=why or WHY[which])


def fault(which: Id, what: str, fix: str, *, about: str = "", why: str = "") -> Finding:
    """Return a finding that cannot wait."""
    return _made(which, Level.FAULT, what, fix, about, why=why or WHY[which])


def not_looked_at(which: Id, what: str, fix: str, *, about: str = "") -> Finding:
    """Return a finding that says why the doctor could not look."""
    return _made(which, Level.NOT_LOOKED_AT, what, fix, about, why="")


def _made(which: Id, level: Level, *texts: str, why: str) -> Finding:
    what, fix, about = map(masked, texts)
    return Finding(which, level, what, fix, about, why)


def masked(text: str) -> str:
    """Mask every number of seven digits or more, and make control characters visible.

    What the PBX answers is put into findings, so it is untrusted here: it may also have no end.
    """
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ..."
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return phone.mask_within(shown)
