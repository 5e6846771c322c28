"""`Channel`: the caller's channel, with one method per AGI command, and hangup handling."""

import re
from contextlib import AbstractAsyncContextManager
from typing import Final

from agi_bridge.agi.commands import FAILED, NO_APPLICATION, exec_seconds
from agi_bridge.agi.encoding import app_arguments
from agi_bridge.agi.errors import AGIAppError, AGIArgumentError
from agi_bridge.agi.hangup import HangupScope, HangupShield
from agi_bridge.agi.media import MediaCommands
from agi_bridge.agi.results import number
from agi_bridge.agi.variables import VariableCommands

_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ,.:_-]")
_REASON_BYTES: Final = 80


class Channel(MediaCommands, VariableCommands):
    """One call.

    Commands are sent one at a time; a second task waits for its turn. After a cancelled command,
    the next one is written only when its reply has been consumed. Every command may raise
    `AGIHangup` (if it needs a live channel, or if the connection is closed), `AGITimeout`,
    `AGIUsageError`, `AGIInvalidCommand` and `AGIArgumentError`.
    """

    __slots__ = ()

    # -- hangup as an event -----------------------------------------------------------------------

    @property
    def hung_up(self) -> bool:
        """Whether the channel is known to be dead."""
        return self._connection.hangup.happened

    @property
    def released(self) -> bool:
        """Whether `release` let go of the call before the caller hung up."""
        return self._connection.released

    def release(self) -> None:
        """Let go of the call: the dialplan goes on with it once its command has ended.

        Tasks of this call see a hangup, which `shielded` delays; no more commands can be sent. A
        Dial that runs goes on, a prompt ends. After a hangup this does nothing.
        """
        if not self.hung_up:
            self._connection.release()

    def until_hangup(self) -> AbstractAsyncContextManager[None]:
        """Cancel what is awaited inside when the caller hangs up; the block raises `AGIHangup`.

        Catch `AGIHangup` around the block, not around single commands in it. After that you can
        await again: of nested blocks only the innermost is cancelled, and only once.
        """
        return HangupScope(self._connection.hangup)

    def shielded(self) -> AbstractAsyncContextManager[None]:
        """Delay a hangup until the end of the block, which then raises `AGIHangup`.

        Use it for work that must finish: reading DIALSTATUS, storing a consent. A reply that is
        outstanding at the hangup is awaited for `Limits.hangup_seconds` at most.
        """
        return HangupShield(self._connection.hangup)

    # -- the channel itself -----------------------------------------------------------------------

    async def answer(self) -> None:
        """Answer the call: ANSWER (`handle_answer`). Does nothing if it is already answered.

        Raises:
            AGIAppError: the channel could not be answered.
        """
        await self._checked("ANSWER failed", self._send("ANSWER"))

    async def hangup(self) -> None:
        """Hang up: HANGUP (`handle_hangup`).

        The call ends only when this side closes the connection, so end the handler afterwards. The
        hangup arrives here as any other, some milliseconds later.
        """
        await self._checked("HANGUP failed", self._send("HANGUP"))

    async def refuse(self, reason: str) -> None:
        """End the session with AGISTATUS=FAILURE, so that the dialplan can use its fallback.

        Writes a line that begins with ``failure`` (`run_agi`); no command can follow. `reason`
        appears in AGI traces, reduced to plain characters.
        """
        plain = _NOT_PLAIN.sub("?", reason)[:_REASON_BYTES]
        await self._connection.refuse(f"failure {plain}\n".encode())

    async def exec(self, application: str, *arguments: str, seconds: float | None = None) -> int:
        """Run a dialplan application: EXEC (`handle_exec`).

        Each argument reaches the application literally (`app_arguments`). Returns the application's
        result; -1 only if the channel is still alive: Dial returns it when an answered call has
        ended without option g. `seconds` is the time limit; by default it follows from the
        arguments (`exec_seconds`).

        Raises:
            AGIArgumentError: the application is not allowed, or an argument contains
                ``${`` or ``$[``, which Asterisk evaluates if AGIEXECFULL is set.
            AGIAppError: Asterisk does not have the application.
            AGIHangup: the caller has hung up; a dead channel runs nothing.
        """
        if application not in self._applications:
            raise AGIArgumentError("this application is not allowed")
        text = ",".join(arguments)
        if "${" in text or "$[" in text:
            raise AGIArgumentError("an application's argument cannot contain an expression")
        if seconds is None:
            seconds = exec_seconds(application, arguments, self._limits)
        words = (application, app_arguments(*arguments)) if arguments else (application,)
        reply = await self._send("EXEC", *words, seconds=seconds, is_exec=True)
        code = number(reply)
        if code == NO_APPLICATION:
            raise AGIAppError("Asterisk does not have the application")
        if code == FAILED:
            await self.channel_status()
        return code

    # -- where the dialplan continues -------------------------------------------------------------

    async def set_context(self, context: str) -> None:
        """Continue in this context after the session: SET CONTEXT (`handle_setcontext`)."""
        await self._send("SET CONTEXT", context)

    async def set_extension(self, extension: str) -> None:
        """Continue with this extension after the session: SET EXTENSION (`handle_setextension`)."""
        await self._send("SET EXTENSION", extension)

    async def set_priority(self, priority: int | str) -> None:
        """Continue with this priority or label: SET PRIORITY (`handle_setpriority`).

        Raises:
            AGIUsageError: the label does not exist.
        """
        await self._send("SET PRIORITY", str(priority))

    async def set_callerid(self, caller: str) -> None:
        """Change the caller ID: SET CALLERID (`handle_setcallerid`), ``"Name" <number>``."""
        await self._send("SET CALLERID", caller)

    async def set_autohangup(self, seconds: float) -> None:
        """Have Asterisk hang up after this time: SET AUTOHANGUP (`handle_autohangup`); 0: never.

        Raises:
            AGIArgumentError: a negative time.
        """
        if seconds < 0:
            raise AGIArgumentError("a time cannot be negative")
        await self._send("SET AUTOHANGUP", f"{seconds:.3f}")
