"""Phone numbers: from a caller's keys, from a caller ID, from the hook; and what may be dialled.

Three sources, three degrees of trust:

* `keyed`: digits that a caller keyed as the mobile number to be texted. Read by the habits of the
  keypad, then narrowed to numbers that can receive a text in a region that the line serves.
* `caller_id`: what the trunk says about the caller. Often absent, sometimes forged: never an error.
* `forward`: what the hook asks us to dial. Untrusted input that costs money if it is believed:
  nothing but a checked number of an allowed region and an ordinary type comes out.

Nothing here puts a number into an exception's text or a `repr`.
"""

from .caller import UNKNOWN_CALLER, caller_id, caller_key, canonical, parse, same_number
from .characters import compact, fold
from .entry import KeyedLength, can_be_keyed, keyed, keyed_length, usual_digits
from .forwarding import ForwardPolicy, forward
from .number import LIBRARY_VERSION, InvalidNumber, NumberFormat, PhoneNumber, mask

__all__ = [
    "LIBRARY_VERSION",
    "UNKNOWN_CALLER",
    "ForwardPolicy",
    "InvalidNumber",
    "KeyedLength",
    "NumberFormat",
    "PhoneNumber",
    "caller_id",
    "caller_key",
    "can_be_keyed",
    "canonical",
    "compact",
    "fold",
    "forward",
    "keyed",
    "keyed_length",
    "mask",
    "parse",
    "same_number",
    "usual_digits",
]
