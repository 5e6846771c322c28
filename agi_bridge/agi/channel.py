"""`Channel`: the caller's channel as an object, one method for each AGI command."""

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

    Commands go out one at a time; a second task waits for its turn. A command that is cancelled
    leaves its reply to be consumed before the next one is written. Every command may raise
    `AGIHangup` (if it needs a live channel, or if the connection is closed), `AGITimeout`,
    `AGIUsageError`, `AGIInvalidCommand` and `AGIArgumentError`.
    """

    __slots__ = ()

    # -- hangup as an event -----------------------------------------------------------------------

    @property
    def hung_up(self) -> bool:
        """Whether we have heard that the channel is dead."""
        return self._connection.hangup.happened

    def until_hangup(self) -> AbstractAsyncContextManager[None]:
        """Cancel whatever is awaited inside when the caller hangs up; leaves as `AGIHangup`.

        Catch `AGIHangup` around the block, not around single commands in it. Afterwards await
        what you like: of nested blocks only the innermost is cancelled, and only once.
        """
        return HangupScope(self._connection.hangup)

    def shielded(self) -> AbstractAsyncContextManager[None]:
        """Let a hangup wait for the end of the block, which then raises `AGIHangup`.

        For what must be finished in any case: reading DIALSTATUS, storing what was agreed. A
        reply that is outstanding at the hangup is waited for, 5 s at most.
        """
        return HangupShield(self._connection.hangup)

    # -- the channel itself -----------------------------------------------------------------------

    async def answer(self) -> None:
        """Answer the call: ANSWER (`handle_answer`); does nothing if it is answered.

        Raises:
            AGIAppError: the channel could not be answered.
        """
        await self._checked("ANSWER failed", self._send("ANSWER"))

    async def hangup(self) -> None:
        """Hang up: HANGUP (`handle_hangup`).

        The caller hears it only when our side closes, so end the handler afterwards; the hangup
        is heard here as any other, some milliseconds later.
        """
        await self._checked("HANGUP failed", self._send("HANGUP"))

    async def refuse(self, reason: str) -> None:
        """End the session with AGISTATUS=FAILURE, so that the dialplan goes to its fallback.

        Writes a line that begins with ``failure`` (`run_agi`); no command can follow. `reason`
        is for whoever traces AGI, and is reduced to plain characters.
        """
        plain = _NOT_PLAIN.sub("?", reason)[:_REASON_BYTES]
        await self._connection.refuse(f"failure {plain}\n".encode())

    async def exec(self, application: str, *arguments: str, seconds: float | None = None) -> int:
        """Run a dialplan application: EXEC (`handle_exec`).

        Each argument reaches the application literally (`app_arguments`). Gives the application's
        own result; a -1 is given back only if the channel is alive after it: Dial answers so when
        an answered call has ended without option g. `seconds` bounds it; by default it is worked
        out from the arguments (`exec_seconds`).

        Raises:
            AGIArgumentError: the application is not among those allowed, or an argument holds
                ``${`` or ``$[``, which the channel variable AGIEXECFULL would have evaluated.
            AGIAppError: Asterisk does not have the application.
            AGIHangup: the caller has gone; on a dead channel nothing is run.
        """
        if application not in self._applications:
            raise AGIArgumentError("this application is not allowed")
        text = ",".join(arguments)
        if "${" in text or "$[" in text:
            raise AGIArgumentError("an application's argument cannot hold an expression")
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

    # -- where the dialplan goes on ---------------------------------------------------------------

    async def set_context(self, context: str) -> None:
        """Go on in this context after the session: SET CONTEXT (`handle_setcontext`)."""
        await self._send("SET CONTEXT", context)

    async def set_extension(self, extension: str) -> None:
        """Go on with this extension after the session: SET EXTENSION (`handle_setextension`)."""
        await self._send("SET EXTENSION", extension)

    async def set_priority(self, priority: int | str) -> None:
        """Go on with this priority or label: SET PRIORITY (`handle_setpriority`).

        Raises:
            AGIUsageError: there is no such label.
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
