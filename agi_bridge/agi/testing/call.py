"""The AGI session of a simulated call, on the PBX's side (`run_agi`).

It sends the environment, reads commands and replies. What the caller does is in `channel`, what
each command does in `commands`.
"""

import asyncio
from typing import Protocol

from agi_bridge.agi.encoding import split_command
from agi_bridge.agi.testing.channel import SimulatedChannel
from agi_bridge.agi.testing.commands import (
    DEAD,
    UNKNOWN,
    USAGE,
    Command,
    CommandHandlers,
    find_command,
)
from agi_bridge.agi.testing.errors import CallerGoneError, SessionOverError, WrittenIntoError
from agi_bridge.agi.testing.receive_buffer import ReceiveBuffer
from agi_bridge.agi.testing.record import CallRecord
from agi_bridge.agi.testing.scenario import Scenario

_HANGUP_LINE = b"HANGUP\n"


class Output(Protocol):
    """What the PBX's side writes to."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Close the PBX's side."""


class SimulatedCall:
    """The PBX's end of one session."""

    def __init__(
        self, scenario: Scenario, received: ReceiveBuffer, output: Output, name: str
    ) -> None:
        self.channel: SimulatedChannel = SimulatedChannel(scenario, received, name)
        self._scenario = scenario
        self._record = self.channel.record
        self._received = received
        self._output = output
        self._handlers = CommandHandlers(self.channel)

    # -- the session ------------------------------------------------------------------------------

    async def session(self, request: str) -> CallRecord:
        """Send the environment and run commands until the server closes; return the record."""
        self.channel.emit("connected", request)
        self.channel.press_at("")
        self._send_environment(request)
        try:
            while (line := await self._next_line()) is not None:
                await self._run(line)
        except SessionOverError:
            pass
        self._record.hung_up = self.channel.dead
        self._record.seconds = self.channel.now()
        self.channel.emit("closed", self._record.status)
        self._output.close()
        return self._record

    def _send_environment(self, request: str) -> None:
        """Send the environment in two pieces, as Asterisk does (`setup_env`)."""
        scenario = self._scenario
        script = request.split("/", 3)[3]
        values: dict[str, str | None] = {
            "network": "yes",
            "network_script": script or None,
            "request": request,
            "channel": self.channel.full_name,
            "language": scenario.language,
            "type": "PJSIP",
            "uniqueid": self.channel.name,
            "version": "22.10.1",
            "callerid": scenario.caller_id,
            "calleridname": scenario.caller_name,
            "callingpres": "0",
            "callingani2": "0",
            "callington": "0",
            "callingtns": "0",
            "dnid": scenario.dnid,
            "rdnis": "unknown",
            "context": scenario.context,
            "extension": scenario.extension,
            "priority": "1",
            "enhanced": "0.0",
            "accountcode": "",
            "threadid": "140695047001792",
        }
        values.update(scenario.environment)
        values.update({f"arg_{place}": text for place, text in enumerate(scenario.arguments, 1)})
        lines = [f"agi_{name}: {text}\n" for name, text in values.items() if text is not None]
        self._send("".join(lines[:17]))
        self._send("".join(lines[17:]) + "\n")

    async def _next_line(self) -> str | None:
        while True:
            if self.channel.hanging_up or self.channel.seconds_left() == 0:
                self._die()
            if (line := self._received.read_line()) is not None:
                return line
            if self._received.closed:
                return None
            await self._something()

    async def _something(self) -> None:
        """Wait until something comes, or the PBX hangs up by itself."""
        left, pace = self.channel.seconds_left(), self._scenario.pace
        if left is None or not pace:  # without a pace no time passes between commands
            await self._received.changed()
            return
        timer = asyncio.get_running_loop().call_later(left * pace, self._received.wake)
        try:
            await self._received.changed()
        finally:
            timer.cancel()

    async def _run(self, line: str) -> None:
        """Handle one line, as `run_agi` and `agi_handle_command` do."""
        if line[:7].lower() == "failure":
            self._record.status, self._record.refused = "FAILURE", line[7:].strip()
            self.channel.emit("refused", self._record.refused)
            self._output.write(_HANGUP_LINE)
            raise SessionOverError
        if self._received.has_data:
            self._record.protocol_violations.append(
                "a command was written before the reply to another"
            )
        words = split_command(line)
        command = find_command(words)
        self._record.commands.append(words)
        self._record.names.append(line if command is None else command.name)
        self.channel.emit("command", line)
        if command is None:
            self._send(UNKNOWN)
            return
        if self._hangs_up_at(words):
            self.channel.hanging_up = True
            if not command.takes_time:
                self._die()  # noticed before the command is read
        if self.channel.dead and not command.works_on_dead:
            self._send(DEAD)
        elif not command.takes(words):
            self._send(USAGE)
        else:
            await self._perform(command, words[command.length :])

    async def _perform(self, command: Command, args: list[str]) -> None:
        """Run a permitted command and send its reply, unless the command was aborted."""
        try:
            reply = await command.handler(self._handlers, args)
        except CallerGoneError as gone:
            self.channel.hanging_up = True
            reply = command.reply_on_hangup(gone.seconds)
        except WrittenIntoError:
            self._record.protocol_violations.append(
                f"{command.name} was aborted by writing while it ran"
            )
            return
        self._send(reply)
        if self.channel.hanging_up:
            self._die()

    def _hangs_up_at(self, words: list[str]) -> bool:
        hangup_at = self._scenario.hangup_at
        return not self.channel.dead and hangup_at is not None and hangup_at(words)

    def _die(self) -> None:
        """Enter dead mode, and report it as the hangup mode says."""
        self.channel.hanging_up = False
        if self.channel.dead:
            return
        self.channel.dead = True
        if self._record.status == "SUCCESS":
            self._record.status = "HANGUP"
        self.channel.emit("hangup")
        if self._scenario.hangup_mode != "silent":
            self._output.write(_HANGUP_LINE)
        if self._scenario.hangup_mode == "eof":
            self._output.write(_HANGUP_LINE)
            raise SessionOverError

    def _send(self, text: str) -> None:
        self._output.write(text.encode("utf-8", "surrogateescape"))
