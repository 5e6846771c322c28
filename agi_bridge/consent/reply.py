"""A YES that came back by text, and the consents that it completed.

A line may ask for it (`confirm_by_reply`): a keypress alone is then not a complete consent, because
the disclosure of advertising has to be in writing (47 CFR 64.1200(f)(9); E-SIGN, 15 USC 7001(c)).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

ReplyChannel: TypeAlias = Literal["instaply"]
"""How a reply came in."""
REPLY_DAYS: Final = 7
"""How long after the agreement a YES completes it: a later one answers something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One YES.

    Attributes:
        number: whose, in E.164.
        brands: the brands of the business that it was sent to.
        channel: how it came in.
        words: what the person wrote.
        reference: identifies the message; the same for every delivery of it.
        received: when it was written, RFC 3339; None: now.
    """

    number: str = field(repr=False)
    brands: Collection[str]
    channel: ReplyChannel
    words: str = field(repr=False)
    reference: str
    received: str | None = None


@dataclass(frozen=True, slots=True)
class CompletedConsent:
    """A consent that a reply completed, and its line."""

    consent_id: str
    line_id: str
