"""AGI for asyncio: FastAGI and classic AGI with typed commands and hangup as an event.

from agi_bridge.agi import Channel, Server

async def hello(channel: Channel) -> None:
    await channel.answer()
    await channel.stream_file("hello-world")

async with Server(hello) as server:
    await server.serve_forever()
"""

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
    DigitsResult,
    PlaybackResult,
    RecordResult,
)
from agi_bridge.agi.server import Server
from agi_bridge.agi.session import Handler
from agi_bridge.agi.wire import HangupNotice, Reply, StreamParser, UsageBlock

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
    "Channel",
    "ChannelState",
    "DigitsResult",
    "Environment",
    "Handler",
    "HangupNotice",
    "Limits",
    "PlaybackResult",
    "RecordResult",
    "Reply",
    "Server",
    "StreamParser",
    "UsageBlock",
    "app_arguments",
    "encode",
    "split_command",
]
