"""Commands for channels that carry text or pictures: chat over SIP or IAX2, text telephones."""

from typing import Final, Literal

from agi_bridge.agi.commands import FAILED, Commands, waiting_time
from agi_bridge.agi.errors import AGIAppError
from agi_bridge.agi.results import number

_ASCII: Final = 128


class TextCommands(Commands):
    """Sending and receiving text. Most telephones carry none, and Asterisk seldom says so.

    SIP messages do not arrive here: PJSIP queues them as TEXT_DATA frames, which `ast_recvtext`
    passes over (recorded with Asterisk 22). A text that arrives was never recorded: this follows
    the source.
    """

    __slots__ = ()

    async def send_text(self, text: str) -> None:
        """Send a text to the caller's device: SEND TEXT (`handle_sendtext`).

        It also succeeds where the channel cannot carry text.

        Raises:
            AGIAppError: the channel refused it.
        """
        await self._checked("text_failed", "SEND TEXT failed", self._send("SEND TEXT", text))

    async def send_image(self, name: str) -> None:
        """Send a picture: SEND IMAGE (`handle_sendimage`); `name` has no extension.

        It also succeeds where the channel cannot show it.
        """
        await self._checked("text_failed", "SEND IMAGE failed", self._send("SEND IMAGE", name))

    async def receive_char(self, timeout: float) -> str:  # noqa: ASYNC109 - Asterisk's own time-out
        """Wait for one character: RECEIVE CHAR (`handle_recvchar`); empty if none came.

        The rest of the caller's text is lost: `receive_text` gives all of it. A negative `timeout`
        waits as long as the call may last.

        Raises:
            AGIAppError: the character is not an ASCII character.
        """
        wait, seconds = waiting_time(timeout, self._limits.call_seconds)
        code = number(await self._send("RECEIVE CHAR", wait, seconds=seconds))
        if code == FAILED:
            # Says "(hangup)", but `ast_recvchar` returns -1 for a time-out too.
            await self.channel_status()
            return ""
        if not 0 <= code < _ASCII:  # the first byte of UTF-8, as a signed `char`
            raise AGIAppError("text_failed", "RECEIVE CHAR received a letter that is not ASCII")
        return chr(code) if code else ""

    async def receive_text(self, timeout: float) -> str | None:  # noqa: ASYNC109 - Asterisk's own time-out
        """Wait for a text: RECEIVE TEXT (`handle_recvtext`); None if none came.

        A negative `timeout` waits as long as the call may last. The text is raw: one with a line
        break after a ``)`` is cut there.
        """
        wait, seconds = waiting_time(timeout, self._limits.call_seconds)
        reply = await self._send("RECEIVE TEXT", wait, seconds=seconds)
        if number(reply) == FAILED:
            await self.channel_status()
            return None
        return reply.data or ""

    async def tdd_mode(self, mode: Literal["on", "off", "mate", "tdd"]) -> bool:
        """Turn a text telephone's mode on or off: TDD MODE (`handle_tddmode`).

        False if the channel has none; only DAHDI channels do. ``tdd`` means ``on``.
        """
        return number(await self._send("TDD MODE", mode)) == 1
