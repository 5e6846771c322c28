"""What is done in each recorded AGI case: the commands, the caller's keys, the far end.

A case is one of `SCRIPTS`, or what the recording of 22.10.1 shows: the same commands, after the
same pauses, with a caller who presses the same keys and a far end that behaves the same.
"""

import re
from dataclasses import dataclass

from tests.support.recorded import load

KEYED = re.compile(r"caller keys '(\S+)'(?:, held (\S+) s, gap (\S+) s)?")
PAUSE = 0.05
"""Seconds: a recorded gap above this was meant, one below was the machine's."""

CLOSES, HANGS_UP = "server closes the TCP connection", "caller hangs up (BYE/CANCEL)"
EAGI = "eagi_"
"""What the name of a case begins with that is another one, under EAGI."""
FAR_HANGS_UP, TEXTS = "far end hangs up", "caller sends text"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that the server, the caller or the far end does.

    `does` is ``write``, or the note that says it. `after` is in seconds: of a write from the reply
    to the one before, if `waits`, else from that write itself; of a note from the last write.
    """

    does: str
    data: bytes = b""
    after: float = 0.0
    waits: bool = True


def _script(*steps: str) -> list[Step]:
    """Make steps of commands, of commands after a pause (``+SECONDS``) and notes (``@SECONDS``)."""
    made = []
    for step in steps:
        seconds, _, rest = step[1:].partition(" ")
        if step[0] == "@":
            made.append(Step(rest, after=float(seconds)))
        elif step[0] == "+":
            made.append(Step("write", f"{rest}\n".encode(), after=float(seconds)))
        else:
            made.append(Step("write", f"{step}\n".encode()))
    return made


_KEYS_0 = "@0.5 caller keys '0'"

_FORMATS = (
    "wav", "WAV", "wav49", "wav16", "gsm", "ulaw", "ul", "ulw", "pcm", "mu", "alaw", "al", "alw",
    "au", "sln", "slin", "raw", "sln8", "sln16", "sln48", "g722", "vox", "g729", "g723", "g726-32",
    "ilbc", "siren7", "siren14", "ogg", "opus", "spx", "h263", "h264", "mp3", "txt", "nosuch",
    "wav|gsm", "",
)  # fmt: skip

SCRIPTS: dict[str, list[Step]] = {
    "control_stream_file_endings": _script(
        "ANSWER",
        'CONTROL STREAM FILE /prompts/tone2 ""',
        "GET VARIABLE CPLAYBACKSTATUS",
        "GET VARIABLE CPLAYBACKOFFSET",
        'CONTROL STREAM FILE /prompts/tone20 "0" 3000 "#" "*" "5" 1000',
        _KEYS_0,
        "GET VARIABLE CPLAYBACKSTATUS",
        "GET VARIABLE CPLAYBACKSTOPKEY",
        "GET VARIABLE CPLAYBACKOFFSET",
        'CONTROL STREAM FILE /prompts/none "0"',
        "CHANNEL STATUS",
        "CONTROL STREAM FILE /prompts/tone2",
        'CONTROL STREAM FILE /prompts/tone20 ""',
        f"@0.5 {HANGS_UP}",
    ),
    "get_option_endings": _script(
        "ANSWER",
        'GET OPTION /prompts/none "0" 1000',
        'GET OPTION /prompts/tone2 "0" 1000',
        "@2.3 caller keys '0'",
        'GET OPTION /prompts/tone2 "0" 500',
        "@2.1 caller keys '1'",
        "GET OPTION",
        'GET OPTION /prompts/tone20 ""',
        f"@0.5 {HANGS_UP}",
    ),
    "say_options": _script(
        "ANSWER",
        'SAY NUMBER 21 "" f',
        'SAY ALPHA aB "" u',
        'SAY ALPHA aB "" x',
        'SAY DATETIME 1700000000 ""',
        'SAY DATETIME 1700000000 "" HM UTC',
        'SAY DATETIME 1700000000 "0" "ABdY \'digits/at\' IMp"',
        _KEYS_0,
        'SAY DATE 1700000000 "0"',
        _KEYS_0,
        'SAY TIME 1700000000 "0"',
        _KEYS_0,
        'SAY DATE soon ""',
        'SAY DATETIME soon ""',
        'SAY DATE 1700000000 ""',
        f"@0.5 {HANGS_UP}",
    ),
    "text": _script(
        "ANSWER",
        "RECEIVE CHAR 300",
        "RECEIVE TEXT 300",
        "CHANNEL STATUS",
        "RECEIVE CHAR",
        "RECEIVE TEXT 3000",
        f"@0.3 {TEXTS} 'hello (there)'",
        "RECEIVE CHAR 3000",
        f"@0.3 {TEXTS} 'x'",
        'SEND TEXT "a b"',
        "SEND TEXT",
        "SEND IMAGE none",
        "TDD MODE off",
        "TDD MODE",
        "RECEIVE TEXT 3000",
        f"@0.3 {HANGS_UP}",
        "RECEIVE CHAR 300",
        "SEND TEXT x",
    ),
    "gosub_endings": _script(
        "GOSUB sub ok 1 a1",
        "GET VARIABLE GOSUB_RETVAL",
        "GOSUB sub ok label",
        "GET VARIABLE GOSUB_RETVAL",
        "GOSUB sub ok nolabel",
        "GOSUB nosuch s 1",
        "GOSUB sub",
        "CHANNEL STATUS",
        "GOSUB sub hang 1",
    ),
    "set_priority_label": _script(
        "SET PRIORITY after",
        "SET PRIORITY nolabel",
        "SET PRIORITY",
        "SET PRIORITY 2",
    ),
    "record_file_key_in_beep": _script(
        "ANSWER",
        'RECORD FILE /prompts/new wav "#" 3000 BEEP',
        "@0.1 caller keys '#'",
        'RECORD FILE /prompts/new wav "#" -1 BEEP',
        "@1.5 caller keys '#'",
    ),
    "set_autohangup_endings": _script(
        "ANSWER",
        "SET AUTOHANGUP",
        "SET AUTOHANGUP 1 2",
        "SET AUTOHANGUP soon",
        "SET AUTOHANGUP -1",
        "SET AUTOHANGUP 0.5",
        "SET AUTOHANGUP 0",
        "WAIT FOR DIGIT 800",
        "SET AUTOHANGUP 5",
        "SET AUTOHANGUP 1.5s",
        'STREAM FILE /prompts/tone20 ""',
        "CHANNEL STATUS",
        "SET AUTOHANGUP 1",
    ),
    "set_autohangup_idle": _script(
        "SET AUTOHANGUP 1",
        "+0.5 CHANNEL STATUS",
        "+1.0 CHANNEL STATUS",
        "GET VARIABLE EXTEN",
    ),
    "set_autohangup_get_data": _script(
        "ANSWER",
        "SET AUTOHANGUP 3",
        "GET DATA /prompts/tone2 5000 10",
        "@2.3 caller keys '51'",
    ),
    "set_autohangup_exec": _script(
        "ANSWER",
        "SET AUTOHANGUP 1",
        "EXEC Wait 3",
        "CHANNEL STATUS",
    ),
    "set_autohangup_ringing": _script(
        "ANSWER",
        "SET AUTOHANGUP 1",
        "EXEC Dial PJSIP/5145550123@far,5",
        "GET VARIABLE DIALSTATUS",
        "GET VARIABLE ANSWEREDTIME",
        "CHANNEL STATUS",
    ),
    "set_autohangup_bridged": _script(
        "ANSWER",
        "SET AUTOHANGUP 2",
        "EXEC Dial PJSIP/5145550123@far,20,g",
        "GET VARIABLE DIALSTATUS",
        "CHANNEL STATUS",
    ),
    "set_autohangup_record": _script(
        "ANSWER",
        "SET AUTOHANGUP 1",
        'RECORD FILE /prompts/new wav "#" 3000',
        "CHANNEL STATUS",
    ),
    "record_file_formats": _script(
        "ANSWER",
        *(f'RECORD FILE /prompts/new {name} "" 300' for name in _FORMATS),
        'RECORD FILE /prompts/none/new wav "" 300',
        "CHANNEL STATUS",
    ),
    "keys_across_applications": _script(
        "ANSWER",
        "EXEC Wait 2",
        "@0.3 caller keys '12'",
        "WAIT FOR DIGIT 500",
        "EXEC Playback /prompts/tone2",
        "@0.3 caller keys '34'",
        "WAIT FOR DIGIT 500",
        "EXEC Playback /prompts/tone2",
        "@1.9 caller keys '567'",
        "EXEC Read KEYS,/prompts/tone2,2,,,1",
        "GET VARIABLE KEYS",
        "WAIT FOR DIGIT 500",
        "EXEC Read KEYS,,2,,,1",
        "@0.3 caller keys '1234'",
        "GET VARIABLE KEYS",
        "WAIT FOR DIGIT 500",
    ),
    "keys_across_files": _script(
        "ANSWER",
        'RECORD FILE /prompts/new wav "#" 3000',
        "@0.5 caller keys '1#23'",
        "WAIT FOR DIGIT 500",
        'GET OPTION /prompts/tone2 "5" 1000',
        "@0.5 caller keys '456'",
        "WAIT FOR DIGIT 500",
        'CONTROL STREAM FILE /prompts/tone2 "5"',
        "@0.5 caller keys '1256'",
        "WAIT FOR DIGIT 500",
        'SAY DIGITS 123 ""',
        "@0.5 caller keys '7'",
        "WAIT FOR DIGIT 500",
        "SET VARIABLE A b",
        "WAIT FOR DIGIT 500",
    ),
    "asyncagi_break": _script("ASYNCAGI BREAK", "CHANNEL STATUS", "SPEECH DESTROY"),
    "speech_none": _script(
        "ANSWER",
        "SPEECH CREATE none",
        "SPEECH SET a b",
        "SPEECH LOAD GRAMMAR a b",
        "SPEECH ACTIVATE GRAMMAR a",
        "SPEECH RECOGNIZE /prompts/tone2 1",
        "SPEECH DEACTIVATE GRAMMAR a",
        "SPEECH UNLOAD GRAMMAR a",
        "SPEECH DESTROY",
        "SPEECH RECOGNIZE",
        "SPEECH SET a",
    ),
    "speech_aeap": _script(
        "ANSWER",
        "SPEECH CREATE heard",
        "SPEECH CREATE heard",
        "SPEECH SET language en",
        "SPEECH RECOGNIZE /prompts/tone2 5",
        "SPEECH DESTROY",
        "SPEECH CREATE deaf",
        "SPEECH RECOGNIZE /prompts/tone2 1",
        "SPEECH RECOGNIZE /prompts/tone2 5",
        "@0.5 caller keys '7'",
        "SPEECH LOAD GRAMMAR a b",
        "SPEECH ACTIVATE GRAMMAR a",
        "SPEECH DEACTIVATE GRAMMAR a",
        "SPEECH UNLOAD GRAMMAR a",
        "SPEECH RECOGNIZE /prompts/tone20 5",
        f"@0.5 {HANGS_UP}",
        "SPEECH DESTROY",
    ),
}

HEARD = [
    {"text": "no", "score": 20, "grammar": "yesno"},
    {"text": 'yes (please) "now"', "score": 95, "grammar": "yesno"},
]


def steps(case: str) -> tuple[str, list[Step]]:
    """Give what the caller dials, and what is done in the call."""
    if case in SCRIPTS:
        return "plain", SCRIPTS[case]
    if case.startswith(EAGI):
        return "enhanced", steps(case.removeprefix(EAGI))[1]
    dialled, found = "plain", []
    wrote = last = 0.0
    replied = False
    for entry in load(case):
        text = entry.data.decode("utf-8", "replace")
        if entry.who == "pbx":
            replied = True
        elif entry.who == "server":
            gap = entry.at - (last if replied else wrote)
            found.append(Step("write", entry.data, gap if gap > PAUSE else 0.0, waits=replied))
            wrote, replied = entry.at, False
        elif text.startswith("caller dials "):
            dialled = text.split()[2]
        elif text in {CLOSES, HANGS_UP, FAR_HANGS_UP} or KEYED.match(text):
            found.append(Step(text, after=entry.at - wrote))
        else:
            continue
        last = entry.at
    return dialled, found
