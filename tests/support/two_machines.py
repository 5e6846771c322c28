"""Two bridges on one PostgreSQL behind one real Asterisk, in a network of their own, and a fault.

    unshare --net --mount python -m tests.support.two_machines FOLDER URL FAULT WAY N

Callers are Local channels that press keys from the dialplan: they cost no sound. Half of the N
callers come before the fault, half after it. Asterisk finds the bridges by `WAY`: `srv`, a name
that a DNS server of our own answers for (hagi://), or `list`, AGI_BRIDGE_URL and AGI_BRIDGE_URL_2.
FAULT is what becomes of the first bridge in the middle of its calls:

    none      nothing
    killed    SIGKILL
    drained   SIGTERM
    frozen    SIGSTOP; its watchdog ends it, as systemd does
    cut_off   its packets are dropped, in both directions
    upgraded  a later release upgrades the tables while both run, and takes their places one after
              the other; one of the release before is restarted in between, and one in the end
    moved     nothing; the primary of PostgreSQL crashes instead, and its standby takes its place.
              Who began this program does it, when the pipe FOLDER/move is opened

Prints one JSON document: where each caller got to, which numbers were texted how often, what is
stored, the milliseconds from each caller's arrival to the first prompt, how many seconds the fault
took, and how the first bridge's process ended.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from dnslib import QTYPE, RR, SRV, A, DNSRecord

from agi_bridge.consent import State
from agi_bridge.consent.ledger import Ledger, schema
from agi_bridge.consent.signing import Keys
from agi_bridge.hook.testing import FakeHook
from agi_bridge.lab.asterisk import Asterisk, find_asterisk
from tests.support.bridge_fixture import shorten
from tests.support.call_env import KEY, toml
from tests.support.own_network import loopback_up

NAME: Final = "bridges.test"
HOSTS: Final = {"a": "127.0.0.11", "b": "127.0.0.12"}
DNS: Final = "127.0.0.53"
PORT: Final = 4573
WATCHDOG: Final = 5.0
"""Seconds without a sign of life after which a bridge is ended: systemd's WatchdogSec."""
ROOT: Final = Path(__file__).parents[2]
LATER: Final = '''
"""A revision that a bridge of the release before may run on."""

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{newest}"
oldest = "{newest}"


def upgrade():
    op.add_column("suppression", sa.Column("note", sa.Text))
    op.create_table("later", sa.Column("id", sa.Integer, primary_key=True))
'''
TALKS: Final = 6.0
"""Seconds into the first callers' dialogues at which the fault comes."""
DIALPLAN: Final = """
[two-in]
exten => _XXXX,1,Set(__TWO=${EXTEN})
 same => n,Set(CALLERID(num)=+1514212${EXTEN})
 same => n,Log(NOTICE,TWO ${TWO} arrives)
 same => n,Goto(agi-bridge,+14155550111,1)
[two-keys]
exten => _XXXX,1,Answer()
 same => n,Wait(4)
 same => n,SendDTMF(415212${EXTEN},90,60)
 same => n,Wait(7.5)
 same => n,SendDTMF(1,90)
 same => n,Wait(90)
[two-far]
exten => _X.,1,Goto(reached,1)
exten => _+X.,1,Goto(reached,1)
exten => reached,1,Answer()
 same => n,Log(NOTICE,TWO ${TWO} reaches forward)
 same => n,Wait(1)
 same => n,Hangup()
[two-default]
exten => s,1,Answer()
 same => n,Log(NOTICE,TWO ${TWO} reaches default)
 same => n,Wait(1)
 same => n,Hangup()
exten => fallback,1,Answer()
 same => n,Log(NOTICE,TWO ${TWO} reaches fallback)
 same => n,Wait(1)
 same => n,Hangup()
"""


class Zone(asyncio.DatagramProtocol):
    """A DNS server for `NAME`: the bridges in their order, the first preferred."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        asked = DNSRecord.parse(data)
        answer, name = asked.reply(), str(asked.q.qname).rstrip(".")
        if asked.q.qtype == QTYPE.SRV and name == f"_agi._tcp.{NAME}":
            for priority, host in enumerate(HOSTS, 10):
                record = SRV(priority, 10, PORT, f"{host}.{NAME}")
                answer.add_answer(RR(name, QTYPE.SRV, rdata=record, ttl=5))
        elif asked.q.qtype == QTYPE.A and name.removesuffix(f".{NAME}") in HOSTS:
            record = A(HOSTS[name.removesuffix(f".{NAME}")])
            answer.add_answer(RR(name, QTYPE.A, rdata=record, ttl=5))
        self._transport.sendto(answer.pack(), address)


def own_network(folder: Path) -> None:
    """Bring up loopback, and let the resolver ask our own server."""
    loopback_up()
    # A bridge that is cut off answers nothing: after five repetitions the kernel gives up.
    Path("/proc/sys/net/ipv4/tcp_retries2").write_text("5")
    Path("/proc/sys/net/ipv4/tcp_syn_retries").write_text("1")
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {DNS}\noptions timeout:1 attempts:2\n")
    target = Path("/etc/resolv.conf").resolve()
    subprocess.run(["mount", "--bind", resolver, target], check=True)  # noqa: S603, S607 - ours


class Bridge:
    """One `agi-bridge serve` with its own state and signing key."""

    def __init__(self, folder: Path, name: str, url: str, hook: str, prompts: Path) -> None:
        self.state = folder / name
        self.config = folder / f"{name}.toml"
        self.config.write_text(
            toml(
                self.state,
                hook,
                {
                    "agi": {"host": HOSTS[name], "port": PORT},
                    "ledger": {"url": url},
                    "speech": {"prompts": str(prompts)},
                },
                digits="own",
                dial_template="Local/{number}@two-far",
                default={"kind": "dial", "destination": "Local/s@two-default"},
                limits={"line_per_hour": 0, "caller_id_per_day": 0},
                hours={"opens": "00:00", "closes": "00:00"},
            )
        )
        self.log = folder / f"{name}.log"
        self.process: asyncio.subprocess.Process | None = None
        self._notify = f"\0two-machines-{os.getpid()}-{name}"
        self._watching: asyncio.Task[None] | None = None

    async def start(self, program: Path = ROOT) -> None:
        """Start it under a watchdog, and wait until it takes calls; `program` is its checkout."""
        with self.log.open("ab") as log:
            began = log.tell()
            self.process = await self._run(
                program,
                "serve",
                stderr=log,
                NOTIFY_SOCKET=self._notify.replace("\0", "@"),
                WATCHDOG_USEC=str(int(WATCHDOG * 1e6)),
            )
        self._watching = asyncio.create_task(self._watch(self.process))
        while b'"service.listening"' not in self.log.read_bytes()[began:]:
            assert self.process.returncode is None, self.log.read_text()[-2000:]
            await asyncio.sleep(0.05)

    async def upgrade(self, program: Path) -> None:
        """Upgrade the tables with a later release."""
        done = await self._run(program, "consents", "upgrade")
        assert await done.wait() == 0

    async def _run(
        self, program: Path, *command: str, stderr: IO[bytes] | None = None, **more: str
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agi_bridge", *command, "--config", str(self.config),
            env={**os.environ, "SHOP_KEY": KEY, "PYTHONPATH": str(program), **more},
            cwd=program, stdout=subprocess.DEVNULL, stderr=stderr,
        )  # fmt: skip

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Do what systemd does with a service that gives no sign of life any more."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as signs:
            signs.bind(self._notify)
            patience = None  # until it says that it is ready
            try:
                while process.returncode is None:
                    async with asyncio.timeout(patience):
                        told = await loop.sock_recv(signs, 4096)
                    patience = WATCHDOG if b"READY=1" in told else patience
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGABRT)
                    process.send_signal(signal.SIGCONT)  # a stopped one takes no other signal

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> None:
        """Wait until it has ended."""
        assert self.process is not None
        await self.process.wait()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})

    def cut_off(self) -> None:
        """Drop every packet that arrives at its TCP sockets, and what it would answer."""
        assert self.process is not None
        pid = self.process.pid
        nothing = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF: RET 0
        code = ctypes.create_string_buffer(nothing)
        program = struct.pack("HL", 1, ctypes.addressof(code))
        handle = os.pidfd_open(pid)
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if not str(entry.readlink()).startswith("socket:"):
                    continue
                taken = ctypes.CDLL(None).syscall(438, handle, int(entry.name), 0)  # pidfd_getfd
                with socket.socket(fileno=taken) as shared:
                    if shared.family == socket.AF_INET and shared.type == socket.SOCK_STREAM:
                        shared.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER
        os.close(handle)


def later_release(folder: Path) -> Path:
    """A checkout of a later release, whose migration only adds."""
    package = folder / "later" / "agi_bridge"
    shutil.copytree(ROOT / "agi_bridge", package, ignore=shutil.ignore_patterns("__pycache__"))
    ledger = package / "consent" / "ledger"
    revision = ledger / "migrations" / "versions" / "v9000_later.py"
    revision.write_text(LATER.format(newest=schema.VERSION))
    described = ledger / "schema.py"
    newest = f'VERSION: Final = "{schema.VERSION}"'
    assert newest in described.read_text()
    described.write_text(described.read_text().replace(newest, 'VERSION: Final = "9000"'))
    return package.parent


async def fault(kind: str, one: Bridge, other: Bridge, later: Path) -> str:
    """Do it to the first bridge, and wait until that is over; returns how its process ended."""
    assert one.process is not None
    hit = one.process
    if kind == "killed":
        one.signal(signal.SIGKILL)
        await one.ended()
    elif kind == "drained":
        one.signal(signal.SIGTERM)
        await one.ended()
    elif kind == "frozen":
        one.signal(signal.SIGSTOP)
        await one.ended()
    elif kind == "cut_off":
        one.cut_off()
    elif kind == "upgraded":
        await one.upgrade(later)
        for each, program in ((one, later), (other, ROOT), (other, later), (one, ROOT)):
            each.signal(signal.SIGTERM)
            await each.ended()
            await each.start(program)
    elif kind == "moved":
        await asyncio.to_thread(_move, one.state.parent)
    if hit.returncode is None:
        return "not"
    return signal.Signals(-hit.returncode).name if hit.returncode < 0 else str(hit.returncode)


async def main(folder: Path, url: str, kind: str, way: str, count: int) -> dict[str, Any]:
    """Run the scenario."""
    own_network(folder)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Zone, local_addr=(DNS, 53))
    prompts = folder / "prompts"
    shorten(prompts)
    Keys.load(folder / "a" / "keys", create=True)
    (folder / "b" / "keys").mkdir(parents=True, mode=0o700)
    for name in ("vault.key", "lookup.key"):
        shutil.copy(folder / "a" / "keys" / name, folder / "b" / "keys" / name)
    Keys.load(folder / "c", create=True)
    shutil.copy(folder / "c" / "signing.key", folder / "b" / "keys" / "signing.key")
    urls = {
        "srv": (f"hagi://{NAME}/consent", ""),
        "list": tuple(f"agi://{host}:{PORT}/consent" for host in HOSTS.values()),
    }[way]
    later = later_release(folder)
    binary = find_asterisk()
    assert binary is not None
    async with AsyncExitStack() as running:
        hook = await running.enter_async_context(FakeHook("dial"))
        bridges = [Bridge(folder, name, url, hook.url, prompts) for name in HOSTS]
        for bridge in bridges:
            await bridge.start()
            running.callback(_end, bridge)
        pbx = await running.enter_async_context(
            Asterisk(
                binary,
                agi_url=urls[0],
                second_url=urls[1],
                fallback="Local/fallback@two-default",
                dialplan=DIALPLAN,
                files={"modules_local.conf": "load = res_clioriginate.so\n"},
            )
        )
        callers = [f"{number:04}" for number in range(2000, 2000 + count)]
        for who in callers[: count // 2]:
            await _call(pbx, who)
        await asyncio.sleep(TALKS)
        began = asyncio.get_running_loop().time()
        doing = asyncio.create_task(fault(kind, bridges[0], bridges[1], later))
        for who in callers[count // 2 :]:
            await _call(pbx, who)
        ended = await doing
        took = asyncio.get_running_loop().time() - began
        with suppress(TimeoutError):  # who got nowhere by then is missing in the answer
            async with asyncio.timeout(120):
                # Asking takes long enough to be no busy loop.
                while await pbx.channels() or len(dict(_reached(pbx.log()))) < count:
                    pass
        reached = _reached(pbx.log())
        keys, _ = Keys.load(folder / "b" / "keys", create=False)
        async with await Ledger.open(url, keys, read_only=True) as ledger:
            events = [each for each in await ledger.events() if isinstance(each.type, State)]
            stories: dict[str, list[str]] = {}
            for each in events:
                stories.setdefault(each.consent_id, []).append(each.type.value)
            numbers = {each: await ledger.number(each) for each in stories}
            (folder / "verbose.log").write_text(pbx.log())
        return {
            "callers": callers,
            "reached": [list(each) for each in dict.fromkeys(reached)],
            "texted": Counter(each.from_ for each in hook.requests),
            "stored": [[numbers[each], story] for each, story in stories.items()],
            "first_prompt_ms": _setup(pbx.log()),
            "seconds": took,
            "ended": ended,
        }


def _move(folder: Path) -> None:
    """Have the database moved. Both pipes open when the other side opens them too."""
    (folder / "move").open("wb").close()
    (folder / "moved").open("rb").close()


def _end(bridge: Bridge) -> None:
    with suppress(ProcessLookupError):
        bridge.signal(signal.SIGKILL)


def _reached(log: str) -> list[tuple[str, str]]:
    """Who got where."""
    return re.findall(r"NOTICE.* TWO (\d+) reaches (\w+)", log)


async def _call(pbx: Asterisk, who: str) -> None:
    answer = await pbx.cli(f"channel originate Local/{who}@two-in/n extension {who}@two-keys")
    assert "No such command" not in answer, answer


def _setup(log: str) -> list[int]:
    """From a caller's arrival to the first prompt, by the log's times, in milliseconds."""
    arrived: dict[str, datetime] = {}
    took: list[int] = []
    for line in log.splitlines():
        stamp = re.match(r"\[([0-9 :.-]+)\]", line)
        if stamp is None:
            continue
        if found := re.search(r'@two-in:3\] Log\("([^"]+)"', line):
            arrived[found[1]] = datetime.fromisoformat(stamp[1])
        elif (found := re.search(r"<([^>]+)> Playing", line)) and found[1] in arrived:
            waited = datetime.fromisoformat(stamp[1]) - arrived.pop(found[1])
            took.append(round(waited.total_seconds() * 1000))
    return took


if __name__ == "__main__":
    FOLDER, URL, FAULT, WAY, COUNT = sys.argv[1:]
    print(json.dumps(asyncio.run(main(Path(FOLDER), URL, FAULT, WAY, int(COUNT)))))  # noqa: T201 - the answer
