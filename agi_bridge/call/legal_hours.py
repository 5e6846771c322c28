"""The hours in which the law allows marketing texts, by the place of the number.

| place | hours, local time | source |
| -- | -- | -- |
| United States | 8 to 21 | 47 CFR 64.1200(c)(1) |
| Texas | Monday to Saturday 9 to 21, Sunday 12 to 21 | Tex. Bus. & Com. Code 301.051 |
| Florida | 8 to 20 | Fla. Stat. 501.616(6)(a) |
| Oklahoma | 8 to 20 | Okla. Stat. tit. 15, 775C.4 |
| Washington | 8 to 20 | RCW 80.36.390, 19.158.040 (2022 c 195) |

Other states have narrower hours too, and no-call days; a lawyer knows which, and
`[lines.NAME.hours]` narrows a line's. A number's state is that of its area code (NANPA), which
these laws presume as well; people move, and keep their numbers.
"""

from __future__ import annotations

from datetime import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import phonenumbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.settings import Day, Week


def daily(day: Day) -> Week:
    """A week of equal days."""
    return (day, day, day, day, day, day, day)


FEDERAL: Final = daily((time(8), time(21)))
_TO_EIGHT: Final = daily((time(8), time(20)))
_TEXAS_DAY: Final = (time(9), time(21))
_TEXAS: Final = (*daily(_TEXAS_DAY)[:6], (time(12), time(21)))
STATES: Final[Mapping[str, Week]] = MappingProxyType(
    {"TX": _TEXAS, "FL": _TO_EIGHT, "OK": _TO_EIGHT, "WA": _TO_EIGHT}
)
"""States with their own hours."""
AREA_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "TX": """210 214 254 281 325 346 361 409 430 432 469 512 621 682 713 726 737 806 817 830
            832 903 915 936 940 945 956 972 979""",
        "FL": """239 305 321 324 352 386 407 448 561 645 656 689 727 728 754 772 786 813 850 863
            904 941 954""",
        "OK": "405 539 572 580 918",
        "WA": "206 253 360 425 509 564",
    }
)
"""Their area codes."""
_BY_AREA_CODE: Final[Mapping[str, Week]] = MappingProxyType(
    {code: STATES[state] for state, codes in AREA_CODES.items() for code in codes.split()}
)
_AMERICAN: Final = frozenset({"US", "PR", "VI", "GU", "AS", "MP", None})
"""Regions of the United States; None is an area code that is newer than the numbering data."""
_PREFIX: Final = "+1"


def legal_hours(number: str) -> Week | None:
    """Return the hours that the law sets for a number in E.164; None: none is known here."""
    if not number.startswith(_PREFIX):
        return None
    known = _BY_AREA_CODE.get(number[2:5])
    if known is not None:
        return known
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None
    return FEDERAL if region in _AMERICAN else None
