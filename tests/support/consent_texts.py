"""Texts as they may come from outside, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st


def _as_read(text: str) -> str:
    """As a reader of JSON or of undecodable bytes makes it: a pair of surrogates is one character.

    A lone one stays.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


TEXTS = st.text(st.characters(exclude_categories=())).map(_as_read)
