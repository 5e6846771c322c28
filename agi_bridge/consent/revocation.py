"""A revocation request, and its result, as values.

A revocation is of one number. It reaches one brand, one seller (all brands of one legal name), or
everybody (47 CFR 64.1200(a)(10): by any reasonable means). It holds from the moment it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from agi_bridge.consent.dialogue import Entry

Channel: TypeAlias = Literal["command", "console", "http", "instaply", "ivr"]
"""How a request to revoke came in."""
Scope: TypeAlias = Literal["brand", "seller", "all"]
"""How far a revocation reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One request to revoke.

    Attributes:
        number: whose, in E.164.
        scope: how far it reaches.
        brand: for which brand; with the scope `seller`, one of that seller's, if it was named.
        seller: for whose brands, with the scope `seller`.
        channel: how it came in.
        actor: who brought it, as far as is known: an account, a system, `customer`, `caller`.
        reference: what makes the same request the same when it is repeated; None: nothing does.
        words: what the person wrote or said.
        received: when the person asked, RFC 3339; None: now.
        passed_on: whether the platform that texts knows of it already.
        dialogue: what was played and keyed, if it came in by telephone.
    """

    number: str = field(repr=False)
    scope: Scope
    brand: str | None = None
    seller: str | None = None
    channel: Channel
    actor: str
    reference: str | None = field(default=None, repr=False)
    words: str | None = field(default=None, repr=False)
    received: str | None = None
    passed_on: bool = False
    dialogue: tuple[Entry, ...] | None = None

    def __post_init__(self) -> None:
        needed = {"brand": self.brand, "seller": self.seller, "all": ""}[self.scope]
        if needed is None:
            raise ValueError(f"a revocation of a {self.scope} names it")


@dataclass(frozen=True, slots=True)
class RevocationResult:
    """What became of a request to revoke.

    Attributes:
        revocation_id: the request's own id in the ledger, also when it is repeated.
        consents: how many consents it ended.
        under_way: how many of them were being submitted at that moment: such a text may still
            arrive, if its request had left before.
        already: whether this very request was on record, and is still in force; nothing was stored.
    """

    revocation_id: str
    consents: int
    under_way: int = 0
    already: bool = False
