"""Runs `python -m scripts.reference`."""

from __future__ import annotations

from scripts.reference import DOCS, pages

for name, text in pages().items():
    path = DOCS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
