"""Commands for speech recognition by an engine of the PBX (`ast_speech` in res_speech.c)."""

from collections.abc import Awaitable

from agi_bridge.agi.commands import Commands
from agi_bridge.agi.errors import AGIAppError, AGIHangup
from agi_bridge.agi.results import SpeechResult, number, speech
from agi_bridge.agi.wire import Reply


class RecognitionCommands(Commands):
    """Speech recognition: create, load and activate a grammar, recognize, destroy.

    One speech object per session (`AGI.speech`); the session's end destroys it. All but
    `speech_destroy` raise `AGIAppError` if there is no object or the engine refuses; Asterisk does
    not tell which.
    """

    __slots__ = ()

    async def speech_create(self, engine: str = "") -> None:
        """Create the speech object: SPEECH CREATE (`handle_speechcreate`).

        Empty is the PBX's default engine. It fails if there is an object already.
        """
        await self._must("SPEECH CREATE", self._send("SPEECH CREATE", engine))

    async def speech_set(self, name: str, text: str) -> None:
        """Set an option of the engine: SPEECH SET (`handle_speechset`)."""
        await self._must("SPEECH SET", self._send("SPEECH SET", name, text))

    async def speech_destroy(self) -> bool:
        """Destroy the speech object: SPEECH DESTROY (`handle_speechdestroy`); False: none there.

        It works on a dead channel too.
        """
        return number(await self._send("SPEECH DESTROY", live=False)) == 1

    async def speech_load_grammar(self, name: str, path: str) -> None:
        """Load a grammar under a name: SPEECH LOAD GRAMMAR (`handle_speechloadgrammar`)."""
        await self._must("SPEECH LOAD GRAMMAR", self._send("SPEECH LOAD GRAMMAR", name, path))

    async def speech_unload_grammar(self, name: str) -> None:
        """Unload a grammar: SPEECH UNLOAD GRAMMAR (`handle_speechunloadgrammar`)."""
        await self._must(
            "SPEECH UNLOAD GRAMMAR", self._send("SPEECH UNLOAD GRAMMAR", name, live=False)
        )

    async def speech_activate_grammar(self, name: str) -> None:
        """Activate a grammar: SPEECH ACTIVATE GRAMMAR (`handle_speechactivategrammar`)."""
        await self._must("SPEECH ACTIVATE GRAMMAR", self._send("SPEECH ACTIVATE GRAMMAR", name))

    async def speech_deactivate_grammar(self, name: str) -> None:
        """Deactivate a grammar: SPEECH DEACTIVATE GRAMMAR (`handle_speechdeactivategrammar`)."""
        await self._must("SPEECH DEACTIVATE GRAMMAR", self._send("SPEECH DEACTIVATE GRAMMAR", name))

    async def speech_recognize(
        self,
        prompt: str,
        timeout: int,  # noqa: ASYNC109 - Asterisk's own time-out
        *,
        offset: int = 0,
    ) -> SpeechResult:
        """Play a prompt and recognize what is said: SPEECH RECOGNIZE (`handle_speechrecognize`).

        `timeout` is in whole seconds from the end of the prompt (its documentation says
        milliseconds, the code counts with `time()`); 0 waits as long as the call may last.
        `offset` is in samples. A prompt that does not exist is silence.

        Raises:
            AGIAppError: there is no speech object, or the channel's audio cannot be read.
            AGIHangup: the caller has gone.
        """
        limits = self._limits
        seconds = limits.play_seconds + timeout if timeout > 0 else limits.call_seconds
        reply = await self._send("SPEECH RECOGNIZE", prompt, timeout, offset, seconds=seconds)
        if reply.result != "1":
            raise AGIAppError("speech_failed", "SPEECH RECOGNIZE is not available")
        found = speech(reply)
        if found is None:
            raise AGIHangup("the caller has hung up")
        return found

    async def _must(self, words: str, reply: Awaitable[Reply]) -> None:
        if number(await reply) != 1:
            raise AGIAppError("speech_failed", f"{words} failed")
