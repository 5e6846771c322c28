"""AGI for asyncio: FastAGI and classic AGI with typed commands and hangup as an event.

from agi_bridge.agi import Channel, Server

async def hello(channel: Channel) -> None:
    await channel.answer()
    await channel.stream_file("hello-world")

async with Server(hello) as server:
    await server.serve_forever()

`stdio` runs the same handler as a classic AGI program, `testing` simulates the PBX. Both load when
they are first used. docs/agi.md is the guide.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from agi_bridge.agi.audio import AudioStream
from agi_bridge.agi.channel import Channel
from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.encoding import app_arguments, encode, split_command
from agi_bridge.agi.environment import Environment
from agi_bridge.agi.errors import (
    AGIAppError,
    AGIArgumentError,
    AGIError,
    AGIHangup,
    AGIInvalidCommand,
    AGIProtocolError,
    AGITimeout,
    AGIUsageError,
)
from agi_bridge.agi.limits import Limits
from agi_bridge.agi.results import (
    SAMPLES_PER_SECOND,
    ChannelState,
    ControlledPlaybackResult,
    DigitsResult,
    PlaybackResult,
    RecordResult,
    SpeechResult,
    Utterance,
)
from agi_bridge.agi.router import RoutedHandler, Router
from agi_bridge.agi.server import Server
from agi_bridge.agi.session import Handler, OnError
from agi_bridge.agi.wire import HangupNotice, Reply, StreamParser, UsageBlock

if TYPE_CHECKING:
    from agi_bridge.agi import stdio, testing

__all__ = [
    "SAFE_APPLICATIONS",
    "SAMPLES_PER_SECOND",
    "AGIAppError",
    "AGIArgumentError",
    "AGIError",
    "AGIHangup",
    "AGIInvalidCommand",
    "AGIProtocolError",
    "AGITimeout",
    "AGIUsageError",
    "AudioStream",
    "Channel",
    "ChannelState",
    "ControlledPlaybackResult",
    "DigitsResult",
    "Environment",
    "Handler",
    "HangupNotice",
    "Limits",
    "OnError",
    "PlaybackResult",
    "RecordResult",
    "Reply",
    "RoutedHandler",
    "Router",
    "Server",
    "SpeechResult",
    "StreamParser",
    "UsageBlock",
    "Utterance",
    "app_arguments",
    "encode",
    "split_command",
    "stdio",
    "testing",
]


def __getattr__(name: str) -> ModuleType:
    """Load a part that most programs do not need."""
    if name in {"stdio", "testing"}:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
