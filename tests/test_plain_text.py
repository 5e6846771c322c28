"""Text files as editors save them: read as what they are, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.plain_text import MAX_BYTES, NotText, decode, read_text

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "Vous acceptez : répondez ARRÊT.\n« 1 » continue — 🙂"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_says_its_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding=encoding)
    assert read_text(tmp_path / "a.txt") == TEXT


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_of_either_order_is_read(mark: bytes) -> None:
    order = "utf-16-le" if mark == b"\xff\xfe" else "utf-16-be"
    assert decode(mark + TEXT.encode(order)) == TEXT


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "mac-roman", "utf-16-le", "utf-16-be"])
def test_what_does_not_is_refused(encoding: str) -> None:
    with pytest.raises(NotText, match="save it as UTF-8"):
        decode("Répondez ARRÊT.".encode(encoding))


def test_utf_16_without_its_mark_is_not_a_text_of_letters_and_nuls() -> None:
    with pytest.raises(NotText, match="holds characters that are not text"):
        decode("We are closed.".encode("utf-16-le"))


@pytest.mark.parametrize("content", [b"a\0b", b"\x1b[2J", "ferm\ufffd".encode(), b"\xff\xfe\xff"])
def test_what_holds_more_than_text_is_refused(content: bytes) -> None:
    with pytest.raises(NotText):
        decode(content)


def test_lines_end_alike() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


def test_a_text_of_more_than_a_mebibyte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(NotText, match="is larger than 1 MiB"):
        read_text(tmp_path / "a.txt")


@given(st.binary(max_size=40))
def test_no_bytes_break_the_reading(content: bytes) -> None:
    try:
        text = decode(content)
    except NotText:
        return
    assert "\r" not in text
    assert "\0" not in text
