"""`[lines.NAME]`: the settings of one line, that is of the numbers that callers dial.

One table `[lines.NAME]` each. Numbers and names in here are the business's own; no caller's.
"""

from typing import Annotated, Literal, TypedDict

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
)

from agi_bridge import phone

from .line_sections import PLACES, ConsentSettings, HoursSettings, LimitSettings, WorkflowSettings
from .secret import SecretPlace
from .sections import Section
from .types import (
    E164,
    Count,
    Destination,
    DialplanName,
    Did,
    FilledText,
    Keys,
    Language,
    LineName,
    ListOf,
    PromptName,
    Region,
    SpokenName,
    Template,
    Text,
    TimeZone,
    invalid,
    table,
)

NAME_ALIAS: Literal["(name)"] = "(name)"
"""The key under which `Settings` hands a line its name: no TOML table can mean to use it."""


class RevocationReach(TypedDict):
    """How far a revocation reaches; of brand and seller, the scope says which counts."""

    scope: Literal["brand", "seller", "all"]
    brand: str | None
    seller: str | None


class DialDefault(Section):
    """`{kind = "dial", destination = "PJSIP/100"}`: the bridge dials it."""

    kind: Literal["dial"]
    destination: Destination


class DialplanDefault(Section):
    """`{kind = "dialplan", context = "main", …}`: the dialplan goes on there."""

    kind: Literal["dialplan"]
    context: DialplanName
    extension: DialplanName = "s"
    priority: Annotated[Count, Field(ge=1, le=100_000)] = 1


class SayDefault(Section):
    """`{kind = "say", prompt = "goodbye"}`: the prompt is played, then the call ends."""

    kind: Literal["say"]
    prompt: PromptName


class HangupDefault(Section):
    """`{kind = "hangup"}`: the call ends."""

    kind: Literal["hangup"]


Default = Annotated[
    Annotated[
        DialDefault | DialplanDefault | SayDefault | HangupDefault, Field(discriminator="kind")
    ],
    BeforeValidator(table),
]
"""Where a caller goes whenever there is nothing else to do: declined, refused, failed."""


def _one_brand(value: str) -> str:
    if value == "*":
        raise invalid("* means every brand", "write the name that callers know", "reserved")
    return value


class Line(Section):
    """`[lines.NAME]`: one business line."""

    name: LineName = Field(alias="(name)")
    """The table's own name."""

    did: Annotated[tuple[Did, ...], ListOf, Field(min_length=1, repr=False)]
    """The numbers or extensions that callers dialled to get here."""

    business_number: Annotated[E164, Field(repr=False)]
    """The business's number as the hook knows it; what `to` says in each submission."""

    hook_key: SecretPlace | None = None
    """The organisation's key for Instaply's hook; keep it out of this file."""

    brand: Annotated[SpokenName, AfterValidator(_one_brand)]
    """The name that callers know."""

    legal_name: Text = ""
    """The seller named in the record of consent; empty: the brand."""

    revocation_scope: Literal["brand", "seller", "all"] = "seller"
    """How far a caller's or a customer's "no more texts" reaches: this brand, every brand of this
    legal name, or every line."""

    texts_from: E164 | None = None
    """The number that the platform's texts come from, for the record of consent."""

    policy_url: Text = ""
    """Terms and privacy, as the disclosure gives them; kept in the record."""

    mailing_address: Text = ""
    """The business's mailing address, as the disclosure for Canada gives it."""

    purpose: Literal["info", "marketing"] = "info"
    """What the consent covers; a disclosure for `marketing` names the brand and says so."""

    timezone: TimeZone = "UTC"
    """The business's own time zone, for the record and for numbers whose place is not known."""

    business_id: Text = ""
    """Instaply's id of the business: which brand a customer's STOP is meant for; empty: every."""

    languages: Annotated[tuple[Language, ...], ListOf, Field(min_length=1, max_length=9)] = ("en",)
    """Languages of the prompts; the first is the default, several give a menu."""

    disclosure: PromptName = "disclosure"
    """The prompt that asks for consent; the shipped one names no brand: record your own."""

    regions: Annotated[tuple[Region, ...], ListOf, Field(min_length=1)] = ("US", "CA")
    """Countries whose mobile numbers may be keyed. Digits without a prefix are a number of the
    first or of none; those of others need their 1, their 0 or an international prefix."""

    forward_regions: Annotated[tuple[Region, ...], ListOf, Field(min_length=1)] = ("US", "CA")
    """Countries that the hook's forward number may be in: 25 countries share +1."""

    dial: Literal["exec", "dialplan"] = "exec"
    """Who dials: the bridge inside the call, or your dialplan after it."""

    dial_template: Template
    """How your PBX reaches a number: one {number} and nothing that Dial would act on."""

    number_format: Literal["e164", "national", "digits"] = "e164"
    """How the trunk wants numbers: +14155550199, 4155550199 or 14155550199."""

    ring_seconds: Annotated[Count, Field(ge=5, le=300)] = 30
    """How long the far end rings; Asterisk's own default is 136 years."""

    talk_seconds: Annotated[Count, Field(ge=60, le=36_000)] = 7200
    """Longest forwarded call, so that a forgotten one ends."""

    default: Default
    """Where callers go whenever nothing else is to be done: they always reach something."""

    after_say: Literal["default", "hangup"] = "default"
    """What follows a spoken answer of the hook."""

    say: Literal["match", "all"] = "match"
    """Of a text given in several languages, speak the caller's one, or all."""

    say_skip_keys: Keys = ""
    """Keys that end a text which the hook has spoken, such as "#"; empty: it is heard out."""

    texts: dict[Language, dict[PromptName, FilledText]] = {}  # noqa: RUF012 - pydantic copies it
    """Texts of this line's own instead of the script's, by language and prompt's name."""

    digits: Literal["pbx", "own"] = "pbx"
    """Who says digits: the PBX, unless it has none in the caller's language; or our recordings."""

    retention_days: Annotated[Count, Field(ge=1, le=36_525)] | None = None
    """How long this line's consents are kept, where its country wants it otherwise; not set: as
    `ledger.retention_days` says."""

    allow_caller_id: bool = False
    """Let the hook's answer choose the caller ID of the forwarded call."""

    say_not_linked: bool = True
    """Speak the hook's answer that the business number is unknown there."""

    consent: Annotated[ConsentSettings, BeforeValidator(table)] = ConsentSettings()
    """How the caller is asked."""

    limits: Annotated[LimitSettings, BeforeValidator(table)] = LimitSettings()
    """How often."""

    hours: Annotated[HoursSettings, BeforeValidator(table)] = HoursSettings()
    """When a text that could not be sent at once may still be sent."""

    workflow: Annotated[WorkflowSettings, BeforeValidator(table)] = WorkflowSettings()
    """The texts on the opt-in page that carriers ask for."""

    _own_numbers: frozenset[str] = PrivateAttr(default=frozenset())

    @field_validator("regions")
    @classmethod
    def _with_mobiles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(phone.can_be_keyed, value)):
            raise invalid("contains a region without mobile numbers", "remove it", "no_mobiles")
        return value

    @field_validator("did", "languages", "regions", "forward_regions")
    @classmethod
    def _once_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise invalid("contains an entry twice", "remove the second one", "duplicate")
        return value

    @field_validator("legal_name")
    @classmethod
    def _named(cls, value: str, info: ValidationInfo) -> str:
        return value or str(info.data.get("brand", ""))

    @property
    def own_numbers(self) -> frozenset[str]:
        """The telephone numbers of all lines of this bridge, in E.164.

        A call forwarded to one would come back, and none is a caller's mobile.
        """
        return self._own_numbers

    def stand_beside(self, numbers: frozenset[str]) -> None:
        """Take in the numbers of all lines; `Settings.load` does it once."""
        self._own_numbers = numbers

    def revocation_reach(self) -> RevocationReach:
        """Return how far a revocation on this line reaches, as the record has it."""
        return RevocationReach(
            scope=self.revocation_scope, brand=self.brand, seller=self.legal_name
        )

    @property
    def is_strict(self) -> bool:
        """Whether nobody is texted outside the hours; the default where texts advertise."""
        default = "strict" if self.purpose == "marketing" else "retry"
        return (self.consent.quiet_hours or default) == "strict"

    def secret(self) -> str:
        """Return the hook's key of this line; empty if its hook is a webhook, which has none."""
        return "" if self.hook_key is None else self.hook_key.reveal()

    def filled(self, text: str) -> str:
        """Return a text of `workflow` with this line's own brand and policy address in it."""
        for place, own in zip(PLACES, (self.brand, self.policy_url), strict=True):
            text = text.replace(place, own)
        return text
