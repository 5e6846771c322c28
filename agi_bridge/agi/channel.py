"""`Channel`: the caller's channel, with one method per AGI command, and hangup handling."""

import re
from contextlib import AbstractAsyncContextManager
from typing import Final

from agi_bridge.agi.commands import FAILED, NO_APPLICATION, exec_seconds, milliseconds
from agi_bridge.agi.encoding import app_arguments, raw_arguments
from agi_bridge.agi.errors import AGIAppError, AGIArgumentError
from agi_bridge.agi.hangup import HangupScope, HangupShield
from agi_bridge.agi.media import MediaCommands
from agi_bridge.agi.recognition import RecognitionCommands
from agi_bridge.agi.results import number
from agi_bridge.agi.say import SayCommands
from agi_bridge.agi.text import TextCommands
from agi_bridge.agi.variables import VariableCommands
from agi_bridge.agi.wire import Reply

_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ,.:_-]")
_REASON_BYTES: Final = 80
_COMMAND: Final = re.compile(r"[A-Z]+(?: [A-Z]+){0,3}", re.IGNORECASE)
_PLACE: Final = re.compile(r"[^\s,()\"\\\0]{1,79}")
"""A context, extension or label (`AST_MAX_CONTEXT`) that ends no argument of GOSUB."""


class Channel(MediaCommands, SayCommands, TextCommands, RecognitionCommands, VariableCommands):
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
        await self._checked("answer_failed", "ANSWER failed", self._send("ANSWER"))

    async def hangup(self, channel: str | None = None) -> bool:
        """Hang up: HANGUP (`handle_hangup`); False if there is no `channel` of that name.

        Without a name it is this call, which ends only when this side closes the connection, so
        end the handler afterwards. The hangup arrives here as any other, some milliseconds later.
        """
        if channel is not None:
            return number(await self._send("HANGUP", channel)) == 1
        await self._checked("hangup_failed", "HANGUP failed", self._send("HANGUP"))
        return True

    async def refuse(self, reason: str) -> None:
        """End the session with AGISTATUS=FAILURE, so that the dialplan can use its fallback.

        Writes a line that begins with ``failure`` (`run_agi`); no command can follow. `reason`
        appears in AGI traces, reduced to plain characters.
        """
        await self._connection.refuse(_failure(reason))

    def fail(self, reason: str) -> None:
        """The same where no command is in flight; else do nothing. Nothing is waited for."""
        if not self._connection.busy:
            self._connection.refuse_now(_failure(reason))

    async def exec(self, application: str, *arguments: str, seconds: float | None = None) -> int:
        """Run a dialplan application: EXEC (`handle_exec`).

        Each argument reaches an application that splits its arguments literally (`app_arguments`).
        Verbose, NoOp and Set take their text as it stands, and so would have a backslash before
        each comma. Returns the application's result; -1 only if the channel is still alive: Dial
        returns it when an answered call has ended without option g. `seconds` is the time limit;
        by default it follows from the arguments (`exec_seconds`).

        Raises:
            AGIArgumentError: the application is not allowed, or an argument contains
                ``${`` or ``$[``, which Asterisk evaluates if AGIEXECFULL is set.
            AGIAppError: Asterisk does not have the application.
            AGIHangup: the caller has hung up; a dead channel runs nothing.
        """
        if application not in self._applications:
            raise AGIArgumentError("application_not_allowed", "this application is not allowed")
        text = ",".join(arguments)
        if "${" in text or "$[" in text:
            raise AGIArgumentError(
                "expression", "an application's argument cannot contain an expression"
            )
        if seconds is None:
            seconds = exec_seconds(application, arguments, self._limits)
        words = (application, app_arguments(*arguments)) if arguments else (application,)
        reply = await self._send("EXEC", *words, seconds=seconds, is_exec=True)
        code = number(reply)
        if code == NO_APPLICATION:
            raise AGIAppError("application_missing", "Asterisk does not have the application")
        if code == FAILED:
            await self.channel_status()
        return code

    async def gosub(
        self,
        context: str,
        extension: str = "s",
        priority: int | str = 1,
        *arguments: str,
        seconds: float | None = None,
    ) -> bool:
        """Run a subroutine of the dialplan: GOSUB (`handle_gosub` in app_stack.c).

        `priority` may be a label. The subroutine finds the arguments in ARG1, ARG2 ... as they
        are given; read what it returned from GOSUB_RETVAL. `seconds` is the time limit, by default
        a whole call's. False: it did not end with Return, but left for another place or at a
        hangup.

        Raises:
            AGIArgumentError: a context, extension or label with a blank, comma or parenthesis; an
                argument that Gosub would split: with a comma outside of quotes and parentheses.
                Set a variable instead.
            AGIAppError: there is no such place in the dialplan.
        """
        place = (context, extension, str(priority))
        if not all(_PLACE.fullmatch(each) for each in place):
            raise AGIArgumentError("label_name", "this is not a place in the dialplan")
        words = (*place, raw_arguments(*arguments)) if arguments else place
        reply = await self._send(
            "GOSUB", *words, seconds=self._limits.call_seconds if seconds is None else seconds
        )
        if number(reply) < 0:
            await self._failed("gosub_failed", "GOSUB found no such place in the dialplan")
        return not (reply.data or "").endswith("(abnormal exit)")

    async def asyncagi_break(self) -> None:
        """End an AsyncAGI session: ASYNCAGI BREAK (`handle_asyncagi_break`).

        Does nothing in a FastAGI session or in classic AGI.
        """
        await self._send("ASYNCAGI BREAK", live=False)

    async def command(
        self, name: str, *arguments: str | int, seconds: float = 0.0, live: bool = True
    ) -> Reply:
        """Run a command that has no method here, e.g. one that a module of the PBX adds.

        It is encoded and checked as every other. `seconds` is how long it may take, besides
        `Limits.reply_seconds`; `live` says that it needs a live channel. The reply is as Asterisk
        sent it, -1 included.

        Raises:
            AGIArgumentError: `name` is not made of words, or is EXEC: `exec` knows which
                applications are allowed.
            AGIInvalidCommand: Asterisk does not know it.
        """
        if not _COMMAND.fullmatch(name) or name.upper().startswith("EXEC"):
            raise AGIArgumentError("command_name", "this is not the name of a command")
        return await self._send(name, *arguments, seconds=seconds, live=live)

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
            AGIArgumentError: a negative time, one of more than three weeks, or no number.
        """
        milliseconds(seconds, least=0)  # infinity would end the call at once
        await self._send("SET AUTOHANGUP", f"{seconds:.3f}")


def _failure(reason: str) -> bytes:
    plain = _NOT_PLAIN.sub("?", reason)[:_REASON_BYTES]
    return f"failure {plain}\n".encode()
