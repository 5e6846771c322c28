"""Caller IDs as Asterisk takes them apart (``main/callerid.c``)."""

import re

_NUMBER = re.compile(r"[0-9*#+]+")


def parse_caller(text: str) -> tuple[str, str]:
    """Take a caller apart into name and number (`ast_callerid_split`)."""
    text = text.strip()
    whole = _unquoted(text)
    before, bracket, location = whole.rpartition("<")
    if bracket:
        name, number = _unquoted(before), location.rpartition(">")[0] or location
        return _unescaped(name), shrink_number(number)
    number = shrink_number(whole)
    if whole == text and _NUMBER.fullmatch(number):
        return "", number
    return _unescaped(_unquoted(whole)), ""


def shrink_number(text: str) -> str:
    """Remove what separates digits (`ast_shrink_phone_number`)."""
    kept = ""
    brackets = 0
    for place, char in enumerate(text):
        brackets += (char == "[") - (char == "]")
        last = place == len(text) - 1
        if char in "( )" or (char == "-" and not brackets) or (char == "." and not last):
            continue
        kept += char
    return kept


def _unquoted(text: str) -> str:
    """Remove blanks and the quotes around a text (`ast_strip_quoted`)."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1] if quoted else text


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
