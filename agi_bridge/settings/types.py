"""The kinds of value a setting can have, each with its own check and its own fix.

A check that fails raises `invalid(what, fix, reason)`. pydantic collects these errors, and
`pydantic_errors` turns them into `Fault` lines. No message repeats the invalid value.
"""

import ipaddress
import json
import re
import shlex
import ssl
from datetime import time
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from agi_bridge import phone

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

REFUSED = "agi_bridge"
"""The pydantic error type of our own checks; its context holds `what`, `fix` and `reason`."""

NUMBER_PLACE = "{number}"

# The characters allowed around the number in a dial string. Asterisk's Dial gives the others a
# meaning (app_dial.c, dial_exec_full): `&` rings a second phone, `,` and `|` start options, `^ ;`
# separate, `$ { }` substitute, quotes and brackets protect.
_DIAL_WORD = r"[A-Za-z0-9_./@:+*#-]"
_TECHNOLOGY = re.compile(rf"[A-Za-z][A-Za-z0-9]*/{_DIAL_WORD}+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# An extension that a trunk's calls arrive on, or Asterisk's `s` for calls without one.
_EXTENSION = re.compile(r"[0-9*#]{1,40}|s")
_DID_FORMATTING = str.maketrans("", "", " ().-/")
_DIALPLAN_NAME = re.compile(r"[A-Za-z0-9_.*#+-]{1,79}")  # AST_MAX_CONTEXT is 80 with its NUL
_CDR_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_CDR_READ_ONLY = frozenset(
    (
        *("clid", "src", "dst", "dcontext", "channel", "dstchannel", "lastapp", "lastdata"),
        *("start", "answer", "end", "duration", "billsec", "disposition", "amaflags"),
        *("accountcode", "peeraccount", "uniqueid", "linkedid", "sequence"),
    )
)
"""Fields of `ast_cdr_getvar` that cannot be written, or that bill the call."""
_PROMPT_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_MINUTE = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
CLOSED = "closed"
"""The hours of a weekday that has none."""
_LINE_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


def invalid(what: str, fix: str, reason: str = "invalid") -> PydanticCustomError:
    """Make the error for an invalid value.

    `what` is the problem, `fix` is what to write instead, `reason` is the stable last part of the
    fault's code (docs/check.md).
    """
    context = {"what": what, "fix": fix, "reason": reason}
    return PydanticCustomError(REFUSED, "{what}; {fix}", context)


def _no_bool(value: object) -> object:
    """Refuse true and false for a number: Python would accept them as 1 and 0."""
    if isinstance(value, bool):
        raise invalid("is true or false, but must be a number", "write a number", "type")
    return value


def _list(value: object) -> object:
    """Read a list from one string, as the environment gives it: JSON, or values and commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _command(value: object) -> object:
    """Read an argument list from one string, as the environment gives it: JSON or shell words."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json(value)
    try:
        return shlex.split(value)
    except ValueError as error:
        raise invalid(
            "has an unclosed quote", 'write a JSON list: ["program", "{output}"]', "quotes"
        ) from error


def table(value: object) -> object:
    """Read a table from one string, as the environment gives it: a JSON object."""
    return _json(value) if isinstance(value, str) and value.lstrip().startswith("{") else value


def _json(text: str) -> Any:  # noqa: ANN401  # pydantic checks what came out
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid(
            "is not valid JSON", "check its quotes, commas and brackets", "json"
        ) from error


def _line_of_text(value: str) -> str:
    if not value.isprintable():
        raise invalid(
            "contains a control character", "write it as one line of plain text", "characters"
        )
    return value.strip()


def _filled(value: str) -> str:
    if not value:
        raise invalid("is empty", "give it a value", "empty")
    return value


def _e164(value: str) -> str:
    number = phone.fold(value)  # nobody can correct a character that is invisible
    if not _E164.fullmatch(number) or not phonenumbers.is_possible_number(
        phonenumbers.parse(number, None)
    ):
        raise invalid(
            "is not a phone number in E.164 form",
            'write + and the country code, digits only, like "+14155550111"',
        )
    return number


def _did(value: str) -> str:
    text = phone.fold(value)
    if text.startswith("+"):
        return _e164(text.translate(_DID_FORMATTING))
    if not _EXTENSION.fullmatch(text.translate(_DID_FORMATTING)):
        raise invalid(
            "must be phone numbers or extensions",
            'write E.164, like "+14155550111", or the extension that the call arrives on: digits'
            ' or "s"',
        )
    return text


def _region(value: str) -> str:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise invalid(
            "contains an unknown region", 'use ISO 3166 codes in capitals, like ["US", "CA"]'
        )
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise invalid("contains an invalid language tag", 'use BCP 47 tags, like ["en", "es"]')
    return value


def _prompt_name(value: str) -> str:
    if not _PROMPT_NAME.fullmatch(value):
        raise invalid(
            "is not a prompt name", 'write the name without folder or extension, like "goodbye"'
        )
    return value


def is_line_name(value: str) -> bool:
    """Whether a line may have that name."""
    return _LINE_NAME.fullmatch(value) is not None


def _line_name(value: str) -> str:
    if not is_line_name(value):
        raise invalid(
            "is not a valid line name",
            "use a-z, 0-9 and single underscores, like [lines.main_shop]",
        )
    return value


def _dialplan_name(value: str) -> str:
    if not _DIALPLAN_NAME.fullmatch(value):
        raise invalid("is not a valid dialplan name", "use only letters, digits and - _ . * # +")
    return value


def _cdr_field(value: str) -> str:
    if value and not _CDR_FIELD.fullmatch(value):
        raise invalid(
            "is not the name of a CDR variable",
            'write one like "userfield" or "consent_id"',
        )
    if value.lower() in _CDR_READ_ONLY:
        fix = 'write "userfield", or a name of your own like "agi_bridge_consent"'
        raise invalid("is a field that Asterisk fills itself", fix, "reserved")
    return value


def _keys(value: str) -> str:
    if set(value) - set("0123456789*#") or len(set(value)) != len(value):
        raise invalid("must be DTMF keys, each at most once", 'write keys like "#" or "0#", or ""')
    return value


def _template(value: str) -> str:
    if value.count(NUMBER_PLACE) != 1:
        fix = 'write it like "PJSIP/{number}@trunk"'
        raise invalid("must contain {number} exactly once", fix, "placeholder")
    if not _TECHNOLOGY.fullmatch(value.replace(NUMBER_PLACE, "0")):
        raise invalid(
            "contains a character with a meaning to Dial",
            "use a technology, / and letters, digits, . _ - + * # : @ around {number};"
            " for times, set ring_seconds and talk_seconds",
            "characters",
        )
    return value


def _destination(value: str) -> str:
    if "," in value or "|" in value:
        raise invalid(
            "contains Dial options",
            "write only the destination; ring_seconds sets the time, and options are not supported",
            "options",
        )
    if not all(_TECHNOLOGY.fullmatch(part) for part in value.split("&")):
        raise invalid(
            "is not a Dial destination",
            'write technology/resource, like "PJSIP/100"; join several with &',
        )
    return value


def _host(value: str) -> str:
    if value != "localhost":
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise invalid(
                "is not an IP address", 'write the address to listen on, like "127.0.0.1"'
            ) from None
    return value


def _network(value: object) -> Network:
    if isinstance(value, str):
        try:
            return ipaddress.ip_network(value)
        except ValueError:
            pass  # refused below, like a value that is not text
    raise invalid("must be addresses or networks", 'write them like ["10.0.0.0/24"]')


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise invalid("is not an absolute path", "start it with /")
    if "\0" in str(value):
        raise invalid("contains a NUL, which no path can", "remove it", "characters")
    return value


def readable_certificates(value: Path) -> Path:
    """A file of certificates in PEM, if it can be read and holds some."""
    try:
        with value.open("rb"):
            pass
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
    except ssl.SSLError:
        raise invalid(
            "does not contain valid certificates",
            "name a file of certificates in PEM form",
            "unusable",
        ) from None
    except OSError as error:
        raise invalid(
            f"names a file that cannot be read ({error.strerror})",
            "name a file that this account can read",
            "unreadable",
        ) from None
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder, a path out of the data
        raise invalid(
            "is not a time zone",
            'write an IANA name, like "America/New_York" or "UTC"',
        ) from None
    return value


def _minute(value: object) -> time:
    """Read a time of day: `08:00` in quotes, or TOML's own time without them."""
    if isinstance(value, str) and _MINUTE.fullmatch(value):
        return time.fromisoformat(value)
    if isinstance(value, time) and not (value.second or value.microsecond):
        return value
    raise invalid("is not a time of day", 'write it like "08:00", at most "23:59"')


def _day_hours(value: str) -> str:
    """Check the hours of one weekday."""
    opens, dash, closes = value.partition("-")
    times = [part for part in (opens, closes) if _MINUTE.fullmatch(part)]
    if value != CLOSED and not (dash and len(times) == len((opens, closes)) and opens < closes):
        raise invalid("is not a range of hours", 'write them like "09:00-21:00", or "closed"')
    return value


def _hh_mm(value: time) -> str:
    return f"{value:%H:%M}"


Count = Annotated[int, BeforeValidator(_no_bool)]
"""A whole number; the field gives its bounds."""

Seconds = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
"""A length of time in seconds; the field gives its bounds."""

Text = Annotated[str, Field(max_length=200), AfterValidator(_line_of_text)]
"""One line of plain text, possibly empty."""

FilledText = Annotated[Text, AfterValidator(_filled)]
"""One line of plain text that is not empty."""

LongText = Annotated[
    str, Field(max_length=500), AfterValidator(_line_of_text), AfterValidator(_filled)
]
"""One line of plain text, as long as a text message may be."""

SpokenName = Annotated[
    str, Field(max_length=80), AfterValidator(_line_of_text), AfterValidator(_filled)
]
"""A name short enough to be spoken in a sentence."""

E164 = Annotated[str, AfterValidator(_e164)]
"""A phone number in ITU-T E.164 international form: + and at most 15 digits."""

Did = Annotated[str, AfterValidator(_did)]
"""A number or extension that calls arrive on, in any usual form."""

Region = Annotated[str, AfterValidator(_region)]
"""An ISO 3166-1 alpha-2 code that `phonenumbers` knows."""

Language = Annotated[str, AfterValidator(_language)]
"""A BCP 47 language tag."""

PromptName = Annotated[str, AfterValidator(_prompt_name)]
"""The name of a recorded prompt; it cannot form a path."""

LineName = Annotated[str, AfterValidator(_line_name)]
"""A line's name. It is part of environment variable names, so no double underscore."""

DialplanName = Annotated[str, AfterValidator(_dialplan_name)]
"""A context or an extension of the dialplan."""

CdrField = Annotated[str, AfterValidator(_cdr_field)]
"""A variable of the call detail record that may be written; empty: none."""

Template = Annotated[str, AfterValidator(_template)]
"""A dial string with one placeholder for the number."""

Destination = Annotated[str, AfterValidator(_destination)]
"""A dial string without options, possibly several joined by `&`."""

Keys = Annotated[str, AfterValidator(_keys)]
"""Keys of a telephone, each once."""

Host = Annotated[str, AfterValidator(_host)]
"""An address to listen on."""

AllowedNetwork = Annotated[Network, BeforeValidator(_network)]
"""A network whose machines may connect."""

AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
"""A path from the root."""

TimeZone = Annotated[str, AfterValidator(_time_zone)]
"""A time zone's name in the IANA database."""

ClockTime = Annotated[time, BeforeValidator(_minute), PlainSerializer(_hh_mm, when_used="json")]
"""A time of day to the minute, without a time zone."""

DayHours = Annotated[str, AfterValidator(_day_hours)]
"""The hours of one weekday: `09:00-21:00`, or `closed`."""

ListOf = BeforeValidator(_list)
"""Marks a field that the environment may give as `a,b` or as a JSON list."""

CommandLine = BeforeValidator(_command)
"""Marks a field that the environment may give as shell words or as a JSON list.

Where settings are shown, its arguments are not: they may be tokens.
"""


class PrivatePath:
    """Marks a URL whose path may let somebody in; where settings are shown, its host is."""
