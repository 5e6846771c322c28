"""How long `agi-bridge serve` takes to start, to reload and to stop, each several times.

    python -m bench.life_cycle [--realtime]

From the start of the process to systemd's `READY=1`, with a new ledger and then with the same one;
a reload as `agi-bridge reload` asks for it; and from SIGTERM to the end without calls.
"""

from __future__ import annotations

import compileall
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agi_bridge.control_client import ask
from bench import machine
from bench.programs import ROOT

ROUNDS = 7
CONFIGURATION = """
state_dir = "{folder}/state"
[agi]
port = 0
[status]
port = 0
[hook]
url = "http://127.0.0.1:9/v1/ivr"
[lines.shop]
did = ["+14155550111"]
business_number = "+14155550111"
hook_key = {{env = "SHOP_KEY"}}
brand = "Example Store"
dial_template = "PJSIP/{{number}}@trunk"
default = {{kind = "dial", destination = "PJSIP/100"}}
"""


def main(arguments: list[str]) -> None:
    """Measure, and print the medians and the best."""
    before = ["chrt", "-f", "10"] if "--realtime" in arguments else []
    compileall.compile_dir(ROOT / "agi_bridge", quiet=1)  # an installed program is
    starts, reloads, stops, cpu = [], [], [], []
    with (
        tempfile.TemporaryDirectory() as name,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications,
    ):
        folder = Path(name)
        config = folder / "agi-bridge.toml"
        config.write_text(CONFIGURATION.format(folder=folder))
        notifications.bind(str(folder / "notify"))
        notifications.settimeout(60)
        environ = {**os.environ, "SHOP_KEY": "0" * 32, "NOTIFY_SOCKET": str(folder / "notify")}
        command = [*before, sys.executable, "-m", "agi_bridge", "serve", "--config", str(config)]
        for _ in range(ROUNDS):
            began = time.monotonic()
            with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
                while b"READY=1" not in notifications.recv(4096):
                    pass
                starts.append(time.monotonic() - began)
                cpu.append(machine.cpu_seconds(process.pid))
                began = time.monotonic()
                ask(folder / "state", "reload", seconds=60)
                reloads.append(time.monotonic() - began)
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                process.wait()
                stops.append(time.monotonic() - began)
            notifications.setblocking(False)  # noqa: FBT003 - positional only
            try:
                while notifications.recv(4096):
                    pass
            except BlockingIOError:
                notifications.settimeout(60)
    for what, seconds in (
        ("start", starts),
        ("  of it processor time", cpu),
        ("reload", reloads),
        ("stop", stops),
    ):
        print(f"{what:23} median {statistics.median(seconds):.2f} s, best {min(seconds):.2f} s")
    print("load", *(f"{load:.1f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main(sys.argv[1:])
