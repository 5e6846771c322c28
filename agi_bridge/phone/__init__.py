"""Phone numbers: keyed by a caller, given as a caller ID, or named by the hook to be dialled.

Each source is trusted differently:

* `keyed`: the mobile number that a caller keyed for the text. It is read by the dialling rules of
  the line's regions. It must be able to receive texts and belong to one of these regions.
* `caller_id`: the number that the trunk gives for the caller. It is often missing and sometimes
  forged. It never causes an error.
* `forward`: the number that the hook asks to dial. Untrusted input that can cost money: only
  numbers of an allowed region and an ordinary type pass.

No exception text and no `repr` of this package contains a number.
"""

from .caller import UNKNOWN_CALLER, caller_id, caller_key, canonical, parse, same_number
from .characters import compact, fold, may_hold_number
from .entry import KeyedLength, can_be_keyed, keyed, keyed_length, usual_digits
from .forwarding import ForwardPolicy, forward
from .number import LIBRARY_VERSION, InvalidNumber, NumberFormat, PhoneNumber, mask, mask_within

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
    "mask_within",
    "may_hold_number",
    "parse",
    "same_number",
    "usual_digits",
]
