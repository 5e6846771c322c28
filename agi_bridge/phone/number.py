"""The value of a phone number: its formats, its mask, and the error for a number that is refused.

Only the E.164 form leaves the process unmasked. Logs contain the mask.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

LIBRARY_VERSION: Final[str] = phonenumbers.__version__
"""Version of the numbering-plan data, for the consent record (`lib_version`)."""

NumberFormat = Literal["e164", "national", "digits"]
"""The number format of a trunk: `+14155550123`, `4155550123` or `14155550123`."""

_COUNTRY_CODES: Final = frozenset(COUNTRY_CODE_TO_REGION_CODE)
_NUMBER_IN_TEXT: Final = re.compile(r"\+?[0-9](?:-?[0-9]){6,}")
_E164_TEXT: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_NOT_DIGIT: Final = re.compile(r"[^0-9]")


class InvalidNumber(ValueError):  # noqa: N818 - a public name
    """A refused number. The text is a stable reason and never contains the number.

    Attributes:
        reason: `empty`, `too_short`, `too_long`, `characters`, `not_valid`, `region`, `type`,
            `premium`, `personal`, `pager`, `satellite`, `service_code`, `short_number`,
            `emergency` or `own_number`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class PhoneNumber:
    """A number of the public telephone network.

    Attributes:
        e164: `+`, country code, national number: 8 to 16 characters (ITU-T E.164).
        region: ISO 3166-1 alpha-2; `001` for a number of no country; `ZZ` for one of the North
            American plan whose area code is newer than the numbering-plan data.
        type: libphonenumber's name of the type, for example `MOBILE` or `FIXED_LINE_OR_MOBILE`;
            `UNKNOWN` for a number of valid format that is newer than the data.
    """

    e164: str
    region: str
    type: str

    @property
    def masked(self) -> str:
        """The masked form for logs: country code and last two digits."""
        return mask(self.e164)

    def dialled(self, number_format: NumberFormat) -> str:
        """Return the number in the trunk's format: only digits, and for `e164` a leading `+`.

        `national` is the number as dialled in its own country: with the trunk prefix where the plan
        has one (`0612345678`), but without the NANP's 1 (`4155550123`).
        """
        if number_format == "e164":
            return self.e164
        if number_format == "digits":
            return self.e164[1:]
        if self.e164.startswith("+1"):
            return self.e164[2:]
        parsed = phonenumbers.parse(self.e164, None)
        national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        return _NOT_DIGIT.sub("", national)

    def __repr__(self) -> str:
        return f"PhoneNumber({self.masked}, region={self.region!r}, type={self.type!r})"


def mask_within(text: str) -> str:
    """Mask every number of seven digits or more in a text, hyphens between its digits or not."""
    return _NUMBER_IN_TEXT.sub(lambda found: mask(found[0]), text)


def mask(text: str) -> str:
    """Mask a number for logs: `+1***71` for `+14155550171`; other texts: `***` and the last two.

    A text of fewer than three letters or digits is masked entirely.
    """
    if _E164_TEXT.fullmatch(text):
        code = next(n for n in (1, 2, 3) if n == 3 or int(text[1 : 1 + n]) in _COUNTRY_CODES)  # noqa: PLR2004 - no country code is longer
        return f"+{text[1 : 1 + code]}***{text[-2:]}"
    last = "".join(c for c in text if c.isascii() and c.isalnum())
    return f"***{last[-2:]}" if len(last) > 2 else "***"  # noqa: PLR2004 - "two" is the rule itself
