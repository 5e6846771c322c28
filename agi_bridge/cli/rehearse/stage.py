"""Plays one ending: the real handler, a simulated PBX and hook, and its own ledger."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

from structlog.testing import capture_logs

from agi_bridge.agi.testing import DialOutcome, FakeAsterisk
from agi_bridge.app.build import hook_client
from agi_bridge.app.speech import build_silent_library, line_libraries
from agi_bridge.call import CallHandler, Services
from agi_bridge.cli.rehearse.endings import HOLD
from agi_bridge.consent import Revocation, State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from agi_bridge.history import History
from agi_bridge.hook.testing import FakeHook
from agi_bridge.lab.softphone import Sounds
from agi_bridge.settings import DialDefault
from agi_bridge.webhook_signature import new_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from agi_bridge.agi import Channel
    from agi_bridge.agi.testing import CallEvent, CallRecord
    from agi_bridge.cli.rehearse.endings import Ending, Kill
    from agi_bridge.history import Call, RecordedCall
    from agi_bridge.hook.testing import Received
    from agi_bridge.settings import Line, Settings, SigningSecret
    from agi_bridge.speech import Library

HOOK_SECONDS: Final = 1.0
"""How long the hook is waited for: a caller hears hold prompts, and the rehearsal ends soon."""
CALLER: Final = "+12025550100"
"""The caller ID, of a line that nobody has (555-01xx)."""

_LEDGER: Final = "consents.db"
_KILLED: Final = "killed"
_ASKED: Final = frozenset(("enter-number", "returning"))
"""Prompts that ask for the caller's agreement, or say that there is one."""
_UNPLAYED: Final = frozenset(("call.prompt_not_played", "call.question_not_heard", "call.failed"))
"""Log events of a call in which a prompt is missing, or cannot be played."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one ending.

    Attributes:
        call: the call, as the PBX saw it.
        states: what is stored of it.
        requests: how many requests the hook got.
        unplayed: prompts that the caller should have heard and did not; `?` if unknown.
        recorded: the call as the history has it; None if the bridge was killed before its end.
    """

    call: CallRecord
    states: tuple[str, ...]
    requests: int
    unplayed: tuple[str, ...] = ()
    recorded: Call | None = None


class _LastCall(History):
    """A history that keeps the last call only, in memory."""

    call: Call | None = None

    def end(self, call: RecordedCall) -> None:
        """Keep the call."""
        super().end(call)
        self.call = call.ended()


@dataclass(slots=True)
class _Kill:
    """The death of the bridge in one call: from then on, the PBX and the disk are alone."""

    when: Kill
    folder: Path
    channel: Channel | None = None
    happened: bool = False

    def now(self) -> None:
        """Cut the connection, and keep what is on the disk at this moment. Blocks."""
        if self.happened or self.channel is None:
            return
        self.happened = True
        self.channel.release()
        (self.folder / _KILLED).mkdir()
        for file in self.folder.glob(f"{_LEDGER}*"):
            if not file.name.endswith("-shm"):  # made again
                shutil.copy(file, self.folder / _KILLED)


class Stage:
    """Where the endings of a configuration are played; an async context manager.

    Args:
        settings: the configuration. Its ledger, hook, engines and folders are not touched.
        folder: an empty one, for the ledgers.

    Attributes:
        libraries: what each line plays.
        webhook: whether the hook is a webhook.
        sounds: what a recording says.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        # Recordings are named by their paths here, not by the PBX's names. No engine is needed,
        # because the documented texts of the hook are recorded.
        speech = settings.speech.model_copy(
            update={"engines": (), "delivery": "files", "pbx_prompts": "", "pbx_recordings": ""}
        )
        self._settings = settings.model_copy(update={"speech": speech})
        self.webhook = settings.hook.kind == "webhook"
        self._library = build_silent_library(self._settings)
        self.libraries: Mapping[str, Library] = line_libraries(self._settings, self._library)
        self.sounds = Sounds()
        self._folder = folder
        self._keys = generate_keys()
        self._parts = AsyncExitStack()
        self._hook = FakeHook(on_request=self._requested)
        self._kill: _Kill | None = None
        self._played = 0

    async def __aenter__(self) -> Self:
        template = self._folder / "template"
        template.mkdir()
        with capture_logs():  # nobody needs to know of these ledgers
            async with await Ledger.open(template / _LEDGER, self._keys):
                pass
        await self._parts.enter_async_context(self._hook)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._parts.aclose()

    async def play(self, ending: Ending, number: str, forward: str) -> Played:
        """Play one ending; `number` is what the caller keys, `forward` what the hook names."""
        self._played += 1
        folder = self._folder / str(self._played)
        shutil.copytree(self._folder / "template", folder)
        self._hook.forward = forward
        self._hook.scenario = ending.scenario
        await self._hook.settled()
        settings = self._settings.with_lines(
            {**self._settings.lines, ending.line.name: ending.line}
        )
        hook = settings.hook.model_copy(
            update={
                "url": self._hook.url,
                "ca_file": None,
                "signing_secret": _own_secret(settings.hook.signing_secret),
                "connect_seconds": HOOK_SECONDS,
                "total_seconds": HOOK_SECONDS,
            }
        )
        settings = settings.model_copy(update={"hook": hook})
        with capture_logs() as logs:
            async with (
                await Ledger.open(folder / _LEDGER, self._keys) as ledger,
                hook_client(settings) as client,
            ):
                services = Services(
                    settings,
                    self._library,
                    ledger,
                    client,
                    settings.sha256,
                    line_libraries=self.libraries,
                    history=(history := _LastCall()),
                )
                caller = number if ending.shows_number else CALLER
                if ending.revoked:
                    await ledger.revoke(
                        Revocation(number=number, scope="all", channel="command", actor="rehearsal")
                    )
                if ending.first:
                    await self._call(replace(ending, keys=ending.first), services, caller)
                before = len(await _states(ledger))
                requests = len(self._hook.requests)
                if ending.ledger_gone:
                    for file in folder.glob(f"{_LEDGER}*"):
                        file.unlink()
                self._kill = _Kill(ending.kill, folder)
                history.call = None
                call = await self._call(ending, services, caller)
                requests = len(self._hook.requests) - requests
                states = () if ending.ledger_gone else await _states(ledger)
            if self._kill.happened:
                states = await self._states_after_a_restart(folder / _KILLED)
            self._kill = None
        unplayed = [str(log.get("prompt", "?")) for log in logs if log["event"] in _UNPLAYED]
        return Played(call, states[before:], requests, tuple(unplayed), history.call)

    async def _call(self, ending: Ending, services: Services, caller: str) -> CallRecord:
        line, kill = ending.line, self._kill
        handler = CallHandler(services)

        async def handle(channel: Channel) -> None:
            if kill is not None:
                kill.channel = channel
            await handler(channel)

        def heard(event: CallEvent) -> None:
            if kill is None or kill.when != "dialogue" or event.kind != "playing":
                return
            sound = self.sounds.find(event.text)
            if sound is not None and sound.name == line.disclosure:
                kill.now()

        played: set[str] = set()

        def hangs_up(words: Sequence[str]) -> bool:
            sound = self.sounds.find(words[2]) if words[:2] == ["STREAM", "FILE"] else None
            if sound is None:
                return False
            played.add(sound.name)
            if sound.name in HOLD and played.isdisjoint(_ASKED):
                return False  # a slow look-up before the question is not the wait after the answer
            return sound.name in ending.hangs_up_at

        fake = FakeAsterisk(
            sounds=self.sounds.milliseconds,
            keys={name: tuple(pressed) for name, pressed in ending.keys.items()},
            dial=partial(_dialled, ending),
            caller_id=caller,
            language=line.languages[0],
            hangup_at=hangs_up,
            on_event=heard,
        )
        return await fake.run(handle, f"consent?to={quote(line.did[0])}&attestation=A")

    def _requested(self, _request: Received) -> None:
        if self._kill is not None and self._kill.when == "submission":
            self._kill.now()

    async def _states_after_a_restart(self, folder: Path) -> tuple[str, ...]:
        """Open what the killed bridge left, as a restart does, which settles what is open."""
        async with await Ledger.open(folder / _LEDGER, self._keys) as ledger:
            await ledger.recover()
            return await _states(ledger)


def _own_secret(place: SigningSecret | None) -> SigningSecret | None:
    """A secret of the rehearsal's own: the line's is not read, because nobody is asked."""
    if place is None:
        return None
    own = place.model_copy(update={"env": "REHEARSAL", "file": None, "credential": None})
    own.load({"REHEARSAL": new_secret()})
    return own


def is_default(line: Line, destination: str) -> bool:
    """Whether a dialled destination is the line's default one."""
    return isinstance(line.default, DialDefault) and destination == line.default.destination


def _dialled(ending: Ending, destination: str) -> DialOutcome:
    """Return what a dialled destination does in an ending."""
    leg = "default" if is_default(ending.line, destination) else "forward"
    if leg in ending.statuses:
        return DialOutcome(ending.statuses[leg])
    if leg == "default":
        return DialOutcome("NOANSWER" if ending.unreached else "ANSWER")
    return DialOutcome("BUSY" if ending.busy else "ANSWER")


async def _states(ledger: Ledger) -> tuple[str, ...]:
    """Return the states that are stored, in order."""
    return tuple(event.type for event in await ledger.events() if isinstance(event.type, State))
