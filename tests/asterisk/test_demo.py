"""`agi-bridge demo --once`, as `make demo ONCE=1` runs it: its story is a real call's."""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.asterisk, pytest.mark.xdist_group("demo")]

STORY = (
    r"setup  the fake hook listens at http://127\.0\.0\.1:\d+/v1/ivr",
    r"setup  the bridge listens at agi://127\.0\.0\.1:\d+/consent",
    r"setup  Asterisk listens at 127\.0\.0\.1:\d+",
    r"calls  \+14155550111 from \+14155550100, through Asterisk",
    r"hears  disclosure-example-store \(23\.\d s\): Thank you for calling Example Store\.",
    r"hears  disclosure-example-store to its end",
    r"hears  enter-number \(3\.\d s\): Enter your ten-digit mobile number",
    r"keys   4155550123",
    r"hears  you-entered",
    r"hears  4 1 5 5 5 5 0 1 2 3 $",
    r"hears  confirm-number",
    r"keys   1$",
    r"hook   request: POST from=\+14155550123 to=\+14155550111 key=given -> dial",
    r"hook   answer: 200 OK <Response><Dial>\+14155550199</Dial></Response>",
    r"rings  \+14155550199, showing caller ID \+14155550100",
    r"hears  each other: 440 Hz one way, 620 Hz the other",
    r"over   Asterisk has hung up on the caller",
    r"log    line demo; .* hook accepted; .* dial ANSWER; .* result done",
    r"stored consent [-0-9a-f]{36} of \+14155550123: .* > confirmed > submitting > accepted",
    r"worked \+14155550199 answered \(heard in both directions\); the consent is accepted",
)


@pytest.fixture
def short_temporary() -> Iterator[Path]:
    """A folder with a space in its short path: Asterisk's control socket lies below it."""
    folder = Path(tempfile.mkdtemp(prefix="a b ", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


async def test_one_real_call_is_told_in_order_and_nothing_is_left_behind(
    asterisk_binary: Path, short_temporary: Path
) -> None:
    environ = {
        **os.environ,
        "TMPDIR": str(short_temporary),
        "AGI_BRIDGE_ASTERISK": str(asterisk_binary),
        "AGI_BRIDGE_HOOK__URL": "http://a-users-own-setting.example/",
    }
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agi_bridge", "demo", "--once"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=environ,
    )
    out, _ = await demo.communicate()
    output = out.decode()

    assert demo.returncode == 0, output
    at = 0
    for line in STORY:
        found = re.compile(line, re.MULTILINE).search(output, at)
        assert found is not None, f"{line} is not told where it should be:\n{output}"
        at = found.end()
    assert [*short_temporary.iterdir()] == []
