"""One call of `FakeAsterisk`: its session, its time, its caller, its hangup (`run_agi`)."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, TypeVar

from agi_bridge.agi.encoding import split_command
from agi_bridge.agi.testing.commands import DEAD, UNKNOWN, USAGE, Command, CommandHandlers, find
from agi_bridge.agi.testing.dtmf_script import HANG_UP, DtmfQueue, DtmfScript, KeySequence
from agi_bridge.agi.testing.errors import CallerGoneError, SessionOverError, WrittenIntoError
from agi_bridge.agi.testing.receive_buffer import ReceiveBuffer
from agi_bridge.agi.testing.record import CallEvent, CallRecord

if TYPE_CHECKING:
    from agi_bridge.agi.testing.pbx import FakeAsterisk, Outgoing

T = TypeVar("T")

_KEY_SECONDS = 0.2
"""From the start of a wait to the end of a live key: 100 ms pressed, 100 ms before it."""

_HANGUP_LINE = b"HANGUP\n"


class Call:
    """The PBX's end of one session."""

    def __init__(
        self, pbx: "FakeAsterisk", inbox: ReceiveBuffer, out: "Outgoing", name: str
    ) -> None:
        self.pbx = pbx
        self.name = name
        self.record = CallRecord()
        self.language = pbx.language
        keys = pbx.keys
        self._live = keys is None
        self._script = DtmfScript(keys if isinstance(keys, str) else "")
        self._during = {
            name: [each] if isinstance(each, str | KeySequence) else list(each)
            for name, each in (keys.items() if isinstance(keys, Mapping) else ())
        }
        self._keypad = DtmfQueue()
        self._inbox = inbox
        self._out = out
        self._answers = CommandHandlers(self)
        self._dead = False
        self._leaving = False
        self._passed = 0.0
        self._began = pbx.clock.time() if pbx.pace else 0.0

    # -- the session ------------------------------------------------------------------------------

    async def session(self, request: str) -> CallRecord:
        """Introduce the call and obey commands until the server closes."""
        self.tell("connected", request)
        self._press_at("")
        self._introduce(request)
        try:
            while (line := await self._next_line()) is not None:
                await self._obey(line)
        except SessionOverError:
            pass
        self.record.hung_up = self._dead
        self.record.seconds = self.now()
        self.tell("closed", self.record.status)
        self._out.close()
        return self.record

    def _introduce(self, request: str) -> None:
        """Send the environment in two pieces, as Asterisk's does arrive (`setup_env`)."""
        pbx = self.pbx
        script = request.split("/", 3)[3]
        values: dict[str, str | None] = {
            "network": "yes",
            "network_script": script or None,
            "request": request,
            "channel": f"PJSIP/caller-{self.name}",
            "language": pbx.language,
            "type": "PJSIP",
            "uniqueid": self.name,
            "version": "22.10.1",
            "callerid": pbx.caller_id,
            "calleridname": pbx.caller_name,
            "callingpres": "0",
            "callingani2": "0",
            "callington": "0",
            "callingtns": "0",
            "dnid": pbx.dnid,
            "rdnis": "unknown",
            "context": pbx.context,
            "extension": pbx.extension,
            "priority": "1",
            "enhanced": "0.0",
            "accountcode": "",
            "threadid": "140695047001792",
        }
        values.update(pbx.environment)
        values.update({f"arg_{place}": text for place, text in enumerate(pbx.arguments, 1)})
        lines = [f"agi_{name}: {text}\n" for name, text in values.items() if text is not None]
        self._send("".join(lines[:17]))
        self._send("".join(lines[17:]) + "\n")

    async def _next_line(self) -> str | None:
        while (line := self._inbox.take()) is None:
            if self._inbox.closed:
                return None
            if self._leaving:
                self._die()
            await self._inbox.news()
        return line

    async def _obey(self, line: str) -> None:
        """Answer one line, as `run_agi` and `agi_handle_command` do."""
        if line[:7].lower() == "failure":
            self.record.status, self.record.refused = "FAILURE", line[7:].strip()
            self.tell("refused", self.record.refused)
            self._out.write(_HANGUP_LINE)
            raise SessionOverError
        if self._inbox.filled:
            self.record.protocol_violations.append(
                "a command was written before the reply to another"
            )
        words = split_command(line)
        command = find(words)
        self.record.commands.append(words)
        self.record.names.append(line if command is None else command.name)
        self.tell("command", line)
        if command is None:
            self._send(UNKNOWN)
            return
        if self._hangs_up_at(words):
            self._leaving = True
            if not command.takes_time:
                self._die()  # noticed before the command is read
        if self._dead and not command.works_on_dead:
            self._send(DEAD)
        elif not command.takes(words):
            self._send(USAGE)
        else:
            await self._perform(command, words[command.length :])

    async def _perform(self, command: Command, args: list[str]) -> None:
        """Run a command that may run, and send its reply unless it was aborted."""
        try:
            reply = await command.answer(self._answers, args)
        except CallerGoneError as gone:
            self._leaving = True
            reply = command.reply_on_hangup(gone.seconds)
        except WrittenIntoError:
            self.record.protocol_violations.append(
                f"{command.name} was aborted by writing while it ran"
            )
            return
        self._send(reply)
        if self._leaving:
            self._die()

    def _hangs_up_at(self, words: list[str]) -> bool:
        return not self._dead and self.pbx.hangup_at is not None and self.pbx.hangup_at(words)

    # -- the caller -------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Let the caller hang up, now."""
        self._leaving = True
        self._inbox.poke()

    def leave_behind_reply(self) -> None:
        """Let the channel die as soon as the reply of this command is out."""
        self._leaving = True

    def _die(self) -> None:
        """Go into dead mode, and say so in the way that the channel variables ask for."""
        self._leaving = False
        if self._dead:
            return
        self._dead = True
        if self.record.status == "SUCCESS":
            self.record.status = "HANGUP"
        self.tell("hangup")
        if self.pbx.hangup_mode != "silent":
            self._out.write(_HANGUP_LINE)
        if self.pbx.hangup_mode == "eof":
            self._out.write(_HANGUP_LINE)
            raise SessionOverError

    def chance(self) -> None:
        """Note that the caller is about to be asked for something."""
        self._script.playing()

    @property
    def dead(self) -> bool:
        """Whether the channel is dead."""
        return self._dead

    async def listen(
        self, seconds: float, accepted: str, *, plays: str | None = None
    ) -> tuple[str, float]:
        """Wait for one of the accepted keys; gives it (empty: none) and the seconds it took.

        `plays` is the sound that the caller hears meanwhile, None for silence.

        Raises:
            CallerGoneError: the caller hung up instead.
        """
        begin = self.now()
        if self._live:
            key = await self._live_key(seconds, accepted)
        else:
            key = await self._scripted_key(seconds, accepted, plays)
        elapsed = min(seconds, self.now() - begin)
        if key == HANG_UP:
            raise CallerGoneError(elapsed)
        if key:
            self.record.keyed += key
            self.tell("key", key)
        return key, elapsed

    async def _scripted_key(self, seconds: float, accepted: str, plays: str | None) -> str:
        begin = self.now()
        usable = accepted if seconds > 0 and not self._leaving else ""
        if plays is None:
            begun = self._script.waiting(usable, seconds)
        else:
            begun = self._script.playing(usable)
            self._press_at(plays)
        if begun:
            self.press(KeySequence(begun))
        taken = self._keypad.take(begin, begin + seconds, usable) if usable else None
        await self.pass_time(taken[1] - begin if taken else seconds)
        return taken[0] if taken else ""

    def press(self, press: KeySequence) -> None:
        """Let the caller press keys; `after` counts from now."""
        self._keypad.press(press, self.now())

    def _press_at(self, moment: str) -> None:
        """Begin the keys that belong to a sound, or to the beginning of the call."""
        if presses := self._during.get(moment.rpartition("/")[2]):
            press = presses.pop(0)
            self.press(KeySequence(press) if isinstance(press, str) else press)

    async def _live_key(self, seconds: float, accepted: str) -> str:
        """Ask the live caller; keys that are not accepted are lost, as in Asterisk."""
        pace = self.pbx.pace
        begin = self.now()
        while (left := seconds - (self.now() - begin)) > 0:
            key = await self._unless_disturbed(self.pbx.next_key(left * (pace or 1.0)))
            if not pace:
                if key is None:  # time is what we say: adding up parts would never quite get there
                    self._passed = begin + seconds
                    return ""
                self._passed += min(_KEY_SECONDS, left)
            if key is not None and key in accepted + HANG_UP:
                return key
        return ""

    # -- time -------------------------------------------------------------------------------------

    def now(self) -> float:
        """Tell the seconds since the call began, on its own clock."""
        if self.pbx.pace:
            return (self.pbx.clock.time() - self._began) / self.pbx.pace
        return self._passed

    async def pass_time(self, seconds: float, *, abortable: bool = True) -> None:
        """Let time pass.

        Raises:
            CallerGoneError: the caller hung up meanwhile.
            WrittenIntoError: the server wrote meanwhile, which aborts what can be aborted.
        """
        begin = self.now()
        if self._leaving:
            self._passed += min(_KEY_SECONDS, seconds)
            raise CallerGoneError(min(_KEY_SECONDS, seconds))
        self._passed += seconds
        if self.pbx.pace and seconds > 0:
            sleep = self.pbx.clock.sleep(seconds * self.pbx.pace)
            await self._unless_disturbed(sleep, begin, abortable=abortable)

    async def _unless_disturbed(
        self, awaitable: Awaitable[T], begin: float | None = None, *, abortable: bool = True
    ) -> T:
        """Await it unless the caller hangs up, the server writes, or the server closes."""
        begin = self.now() if begin is None else begin
        task = asyncio.ensure_future(awaitable)
        try:
            while not task.done():
                if self._leaving:
                    raise CallerGoneError(self.now() - begin)
                if self._inbox.filled and abortable:
                    raise WrittenIntoError
                if self._inbox.closed:
                    raise SessionOverError
                news = asyncio.ensure_future(self._inbox.news())
                await asyncio.wait({task, news}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
            return task.result()
        finally:
            task.cancel()

    # -- telling ----------------------------------------------------------------------------------

    def _send(self, text: str) -> None:
        self._out.write(text.encode("utf-8", "surrogateescape"))

    def tell(self, kind: str, text: str = "", milliseconds: int = 0) -> None:
        """Tell whoever watches the call."""
        if self.pbx.on_event is not None:
            self.pbx.on_event(CallEvent(self.now(), kind, text, milliseconds))
