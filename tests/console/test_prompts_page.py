"""Prompts in the console: what each line plays, and what is wrong with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.console_serving import FakeService, serving, settings

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_lines_prompts_are_read_and_can_be_listened_to(tmp_path: Path) -> None:
    async with serving(FakeService(settings(tmp_path))) as client:
        text = (await client.get("/prompts")).text
        assert 'id="language-1">shop, en<' in text
        sounds = re.findall(r'<audio[^>]*src="([^"]+)"', text)
        assert len(sounds) > 10
        assert (await client.get(sounds[0])).content[:4] == b"RIFF"
        assert (await client.get("/prompts?line=none")).status_code == 400
