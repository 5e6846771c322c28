"""The call history: what each call did, step by step, for some days. It is not evidence.

No call waits for it. Numbers are kept masked, and as keyed hashes by which calls are found and
erased. No digit that a caller keyed is kept.
"""

from agi_bridge.history.call import Call, RecordedCall, at
from agi_bridge.history.database import erase_in, key_file
from agi_bridge.history.errors import HistoryError
from agi_bridge.history.history import History
from agi_bridge.history.number_key import NumberKey
from agi_bridge.history.reader import CallFilter, HistoryReader, open_history
from agi_bridge.history.timeline import Moment, moments
from agi_bridge.history.why import CUT_OFF, RESULTS, explain, sentence, short, words

__all__ = [
    "CUT_OFF",
    "RESULTS",
    "Call",
    "CallFilter",
    "History",
    "HistoryError",
    "HistoryReader",
    "Moment",
    "NumberKey",
    "RecordedCall",
    "at",
    "erase_in",
    "explain",
    "key_file",
    "moments",
    "open_history",
    "sentence",
    "short",
    "words",
]
