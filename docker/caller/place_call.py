"""Places one whole call through the PBX, and says by its exit status whether all of it worked.

Run in docker/compose.yaml, profile `call`. It is the customer's telephone, the shop's telephone and
the far end of the trunk at once. What the caller hears is recognised in the sound that arrives.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge.lab.demo.recognizer import PromptRecognizer, ReferencePrompt, hears_tone, tone
from agi_bridge.lab.errors import LabError
from agi_bridge.lab.sip.phone import SipPhone
from agi_bridge.speech import SHIPPED

if TYPE_CHECKING:
    from agi_bridge.lab.sip.call import Call

PBX: Final = os.environ.get("PBX", "pbx")
TRUNK_PORT: Final = 5062
"""Where pjsip_local.conf sends what is dialled over the trunk."""
DID: Final = "+14155550111"
CALLER: Final = "+14155550100"
NUMBER: Final = "4155550123"
DISCLOSURE: Final = "disclosure-example-store"
SECONDS: Final = 40.0
"""Longest wait for one step: the disclosure is the longest."""
UNDERSTANDING: Final = 1.5
"""Seconds into the question before the key; in the first second, no digit is an answer."""
TONE_SECONDS: Final = 20.0


async def main() -> int:
    """Place the call; return 0 if the far end was reached and both heard each other."""
    host = socket.gethostbyname(socket.gethostname())
    server = (socket.gethostbyname(PBX), 5060)
    async with AsyncExitStack() as stack:
        phones = [
            await stack.enter_async_context(
                SipPhone(user=user, password=_secret(name), server=server, host=host)
            )
            for user, name in (("softphone", "softphone_password"), ("100", "shop_password"))
        ]
        for phone in phones:
            await phone.register()
        far = await stack.enter_async_context(SipPhone(user="trunk", host=host, port=TRUNK_PORT))
        call = await phones[0].dial(DID, caller_id=CALLER)
        await call.answered()
        _say(f"called {DID} through the PBX")
        await _agree(call)
        rings = await far.next_call(SECONDS)
        await rings.answered()
        _say(f"the hook's number {rings.number} answers")
        await _talk(call, rings)
        _say("both hear each other")
        await rings.hang_up()
        await call.ended()
    _say("worked")
    return 0


async def _agree(call: Call) -> None:
    """Hear the disclosure to its end, key the number, and agree."""
    known = [
        ReferencePrompt.of(path, path.stem, path.stem)
        for path in sorted((SHIPPED / "en").glob("*.wav"))
    ]
    recognizer = PromptRecognizer(known, lambda prompt: _say(f"hears {prompt.name}"), _ignore)
    listening = asyncio.create_task(recognizer.listen(call.media))
    try:
        await recognizer.wait_end(DISCLOSURE, SECONDS)
        await recognizer.wait_end("enter-number", SECONDS)
        await call.press(NUMBER)
        await recognizer.wait_begin("confirm-number", SECONDS)
        await asyncio.sleep(UNDERSTANDING)
        await call.press("1")
    finally:
        listening.cancel()
        await asyncio.wait({listening})


async def _talk(call: Call, rings: Call) -> None:
    rings.play(tone(620.0, TONE_SECONDS))
    call.play(tone(440.0, TONE_SECONDS))
    await hears_tone(rings.media, 440.0, TONE_SECONDS)
    await hears_tone(call.media, 620.0, TONE_SECONDS)


def _secret(name: str) -> str:
    return Path("/run/secrets", name).read_text(encoding="ascii").strip()


def _ignore(_prompt: ReferencePrompt) -> None:
    """Only the beginning of a prompt is told."""


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (LabError, TimeoutError, OSError) as error:
        _say(f"failed: {str(error) or 'a step took too long'}")
        sys.exit(1)
