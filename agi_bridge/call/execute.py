"""Carries out a plan: turns its steps into AGI commands.

Every path ends with a `Result` for the dialplan. If a step fails, the caller goes to the line's
default destination; if that fails too, to the dialplan's fallback. Planning is in `call.plan`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.agi import AGIAppError, AGIHangup
from agi_bridge.call import variables
from agi_bridge.call.plan import End, GoToDefault, Ring, Speak, Wait
from agi_bridge.call.say import TextPlayer
from agi_bridge.call.variables import Action, Result
from agi_bridge.settings import DialDefault, DialplanDefault, HangupDefault, SayDefault
from agi_bridge.speech import MissingPrompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.agi import Channel
    from agi_bridge.call.context import CallContext
    from agi_bridge.call.plan import Step
    from agi_bridge.settings import Line

ANSWERED: Final = "ANSWER"
_NOT_REACHED: Final = {
    "forward": "call.forward_not_reached",
    "default": "call.default_not_reached",
}
_DECIDED_BY_PEOPLE: Final = frozenset({ANSWERED, "BUSY", "NOANSWER", "CANCEL"})
"""Values of DIALSTATUS that depend on people. All others, or none at all, mean that a trunk or a
destination cannot be reached: CHANUNAVAIL, CONGESTION, INVALIDARGS, and those of call screening."""
_APOLOGY_PROMPTS: Final = {"BUSY": "busy"}
"""The prompt for a DIALSTATUS; every other one gets "no answer"."""


class PlanExecutor:
    """Carries out the steps of one call."""

    __slots__ = (
        "_answered",
        "_context",
        "_dialled",
        "_dialling",
        "_outcome",
        "_player",
        "_unspoken",
    )

    def __init__(self, context: CallContext) -> None:
        self._context = context
        self._player = TextPlayer(context.channel, context.library)
        self._answered = False
        self._dialled = False  # whether a leg was dialled to its end
        self._dialling: str | None = None  # the leg being dialled
        self._unspoken = False
        self._outcome: str | None = None  # the prompt to play if a text is not spoken

    async def execute(self, steps: Sequence[Step]) -> Result:
        """Carry out a plan; its last step is `GoToDefault` or `End`.

        Raises:
            AGIHangup: the caller has hung up.
        """
        for index, step in enumerate(steps):
            if isinstance(step, Speak | Wait):
                self.prefetch(steps[index:])
            match step:
                case Speak():
                    await self._speak(step)
                case Wait():
                    await self._context.wait_for_digit(step.seconds)
                case Ring():
                    if (handed_over := await self._ring(step)) is not None:
                        return handed_over
                case End() if not self._unspoken:
                    return await self._end(step.reason)
                case GoToDefault() if self._answered:
                    return await self._end("far_end")
                case GoToDefault() | End():
                    return await self._go_to_default(step.reason)
        return await self._go_to_default("plan_ended")

    def prefetch(self, steps: Sequence[Step]) -> None:
        """Begin to render the texts that the caller will hear next.

        The rest of a text is rendered while its beginning is played.
        """
        for step in steps[:2]:
            if isinstance(step, Speak):
                self._player.prefetch(step.text, step.language)

    def play_if_unspoken(self, outcome: str) -> None:
        """Play this prompt, which ends with "Connecting you", if the plan's text is not spoken.

        Without it, a caller whose text no engine can speak would hear nothing at all. Where the
        line's default connects nobody, `goodbye` is played instead.
        """
        self._outcome = outcome

    def close(self) -> None:
        """Cancel all rendering at the end of the call."""
        self._player.close()

    async def play(self, name: str) -> None:
        """Play a prompt in the caller's language; log and skip it if it is missing."""
        try:
            await self.play_or_raise(name)
        except AGIHangup:
            raise
        except (AGIAppError, MissingPrompt) as error:
            structlog.get_logger().error("call.prompt_not_played", prompt=name, exc_info=error)

    async def play_or_raise(self, name: str) -> None:
        """Play a prompt in the caller's language.

        Raises:
            AGIAppError: the PBX does not have the recording.
            MissingPrompt: there is no such prompt.
        """
        await self._context.play(self._context.prompt(name))

    async def _speak(self, step: Speak) -> None:
        self._context.log_entry.step("say")
        began, how = self._context.log_entry.elapsed_ms, "hangup"
        try:
            spoken = await self._player.say(
                step.text, step.language, times=step.times, keys=step.keys
            )
            how = "spoken" if spoken else "unspoken"
        finally:
            self._context.log_entry.record("text", step.language, how, at=began)
        if not spoken:
            self._unspoken = True
            self._context.log_entry.note(unspoken=True)

    @property
    def dialling(self) -> str | None:
        """The leg that is being dialled: `forward`, `default`, or None."""
        return self._dialling

    def _dialplan_dials(self) -> bool:
        """Whether dialling is the dialplan's: the line's wish, or a stop was asked for."""
        return self._context.line.dial == "dialplan" or self._context.dialled_calls.leaving

    async def _ring(self, step: Ring) -> Result | None:
        """Dial the numbers of a step, or leave that to the dialplan, which ends the plan."""
        if self._dialplan_dials():
            return await self._hand_over(step)
        self._context.log_entry.step("dial")
        self._context.log_entry.note(action=Action.DIAL, dialled=[n.masked for n in step.numbers])
        await self._context.channel.set_variable(variables.ACTION, Action.DIAL)
        if step.caller_id is not None:
            await self._context.channel.set_variable(variables.CALLER_ID_NUMBER, step.caller_id)
        if self._dialplan_dials():  # since the last look
            return await self._hand_over(step)
        await self._dial("forward", self._destination(step), step.ring, step.limit)
        return None

    async def _dial(self, leg: str, destination: str, ring: int, limit: int) -> None:
        """Dial, and play an announcement if nobody answered.

        With option `g` the channel continues after the far end's hangup. The result of EXEC does
        not say how Dial ended (-1 stands for three endings); DIALSTATUS does.
        """
        channel = self._context.channel
        self._dialling = leg
        self._context.log_entry.record("dial", leg)
        with self._context.dialled_calls.dialling(channel):
            await channel.exec("Dial", destination, str(ring), f"gS({limit})")
        self._dialled = True
        status = await self.note_dial_status()
        if status == ANSWERED:
            self._answered = True
        else:
            await self.play(_APOLOGY_PROMPTS.get(status or "", "no-answer"))

    async def note_dial_status(self) -> str | None:
        """Log and return the DIALSTATUS of the leg being dialled; None if there is none.

        Works after a hangup too. A leg that failed for technical reasons is logged as a warning:
        a caller who was served by the next leg does not report it.
        """
        leg, self._dialling = self._dialling, None
        if leg is None:
            return None
        status = await self._context.channel.get_variable(variables.DIALSTATUS) or "none"
        self._context.log_entry.dialled(leg, status)
        self._context.log_entry.record("dialled", leg, status)
        self._context.log_entry.note(dial=status)
        if status not in _DECIDED_BY_PEOPLE:
            structlog.get_logger().warning(
                _NOT_REACHED[leg], line=self._context.line.name, dialstatus=status
            )
        return status

    async def _hand_over(self, step: Ring) -> Result:
        """Let the dialplan dial."""
        self._context.log_entry.note(action=Action.DIAL, dialled=[n.masked for n in step.numbers])
        given = {
            variables.ACTION: Action.DIAL,
            variables.NUMBER: "&".join(number.e164 for number in step.numbers),
            variables.DESTINATION: self._destination(step),
            variables.RING: str(step.ring),
            variables.LIMIT: str(step.limit),
            variables.CALLER_ID: step.caller_id,
        }
        for name, value in given.items():
            if value is not None:
                await self._context.channel.set_variable(name, value)
        self._context.log_entry.note(ended="dialplan")
        self._context.log_entry.record("handed_over", Action.DIAL)
        return Result.DIAL

    def _destination(self, step: Ring) -> str:
        """Fill the line's template for each number; `&` rings them together."""
        return "&".join(
            self._context.line.dial_template.replace(
                "{number}", number.dialled(self._context.line.number_format)
            )
            for number in step.numbers
        )

    async def _go_to_default(self, reason: str) -> Result:
        self._context.log_entry.step("default")
        self._context.log_entry.note(default=reason)
        self._context.log_entry.record("default", reason)
        line, channel = self._context.line, self._context.channel
        if self._dialled and isinstance(line.default, DialDefault):
            # The dialplan takes a DIALSTATUS beside this action for the default destination's.
            await channel.set_variable(variables.DIALSTATUS, "")
        await channel.set_variable(variables.ACTION, Action.DEFAULT)
        await self._play_outcome()
        match line.default:
            case DialDefault() as default if not self._dialplan_dials():
                await self._dial(
                    "default", default.destination, line.ring_seconds, line.talk_seconds
                )
                if not self._answered:
                    self._context.log_entry.note(ended="default_not_reached")
                    self._context.log_entry.record("handed_over", Result.FALLBACK)
                    return Result.FALLBACK
                return await self._end("far_end")
            case DialDefault() | DialplanDefault():
                self._context.log_entry.note(ended="dialplan")
                self._context.log_entry.record("handed_over", Action.DEFAULT)
                return Result.DEFAULT
            case SayDefault() as default:
                await self.play(default.prompt)
        return await self._end("default")

    async def _play_outcome(self) -> None:
        if not self._unspoken or self._outcome is None:
            return
        match self._context.line.default:
            case DialDefault() | DialplanDefault():
                await self.play(self._outcome)
            case HangupDefault():
                await self.play("goodbye")
            case SayDefault():
                pass

    async def _end(self, reason: str) -> Result:
        self._context.log_entry.note(ended=reason)
        return Result.DONE


async def announce_default(channel: Channel, line: Line) -> None:
    """Give the dialplan the line's default destination before anything else.

    Callers then reach it even if the bridge dies during the call.
    """
    match line.default:
        case DialDefault() as default:
            await channel.set_variable(variables.DEFAULT, default.destination)
            await channel.set_variable(variables.RING, str(line.ring_seconds))
            await channel.set_variable(variables.LIMIT, str(line.talk_seconds))
        case DialplanDefault() as default:
            await channel.set_variable(variables.CONTEXT, default.context)
            await channel.set_variable(variables.EXTENSION, default.extension)
            await channel.set_variable(variables.PRIORITY, str(default.priority))
        case _:
            pass
