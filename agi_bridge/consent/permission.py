"""Whether a number may be texted for a brand and a purpose: the question, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class Reason(StrEnum):
    """Why a number may be texted, or may not: the closed list of answers."""

    CONSENT = "consent"
    """A consent is in force: the only answer that allows a text."""
    NO_CONSENT = "no_consent"
    """No consent of this number for this brand is on record, or not any more: what was erased
    cannot be told from what never was."""
    OTHER_PURPOSE = "other_purpose"
    """There is one, for another purpose: consent to informational texts is not one to marketing."""
    UNFINISHED = "unfinished"
    """It waits for a YES by text, which completes it."""
    EXPIRED = "expired"
    """It is older than the line lets a consent be (`consent_days`)."""
    REVOKED = "revoked"
    """It was revoked, or a revocation of the number reaches the brand."""
    RESTRICTED = "restricted"
    """Its personal data is kept for the defence of claims only."""
    UNREADABLE = "unreadable"
    """Its personal data cannot be opened, so nobody knows whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionQuestion:
    """The question.

    Attributes:
        number: in E.164.
        brand: whose texts.
        sellers: the legal names behind the brand: a revocation of one reaches the brand.
        purpose: `info` or `marketing`.
        max_age_days: how old a consent may be; 0 is any age.
    """

    number: str = field(repr=False)
    brand: str
    sellers: Collection[str] = ()
    purpose: str
    max_age_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """The answer. Times are RFC 3339 in UTC.

    Attributes:
        reason: see `Reason`.
        since: since when it holds: the agreement, the revocation, the day it expired; None
            without a record, or if it cannot be dated.
        consent_id: the consent that it is about, if there is one.
        record: the record that decides: that consent, or the revocation.
        expires: when the consent expires; None if it does not, or is not in force.
    """

    reason: Reason
    since: str | None = None
    consent_id: str | None = None
    record: str | None = None
    expires: str | None = None

    @property
    def may_text(self) -> bool:
        """Whether the number may be texted."""
        return self.reason is Reason.CONSENT
