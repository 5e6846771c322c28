"""A request to revoke consent, and what became of it.

A revocation is of one number and, if it names one, of one brand; without a brand, of every brand
(47 CFR 64.1200(a)(10): by any reasonable means). It holds from the moment it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Channel: TypeAlias = Literal["command", "http", "instaply", "ivr"]
"""How a request to revoke came in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One request to revoke.

    Attributes:
        number: whose, in E.164.
        brand: for which brand; None: for every one.
        channel: how it came in.
        actor: who brought it, as far as is known: an account, a system, `customer`, `caller`.
        reference: what makes the same request the same when it is repeated; None: nothing does.
        words: what the person wrote or said.
        received: when the person asked, RFC 3339; None: now.
        passed_on: whether the platform that texts knows of it already.
    """

    number: str = field(repr=False)
    brand: str | None
    channel: Channel
    actor: str
    reference: str | None = field(default=None, repr=False)
    words: str | None = field(default=None, repr=False)
    received: str | None = None
    passed_on: bool = False


@dataclass(frozen=True, slots=True)
class RevocationResult:
    """What became of a request to revoke.

    Attributes:
        revocation_id: the request's own id in the ledger, also when it is repeated.
        consents: how many consents it ended.
        already: whether this very request was on record before; nothing was stored then.
    """

    revocation_id: str
    consents: int
    already: bool = False
