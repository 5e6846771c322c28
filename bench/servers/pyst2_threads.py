"""The flow on pyst2's `AGI` class, one thread a call.

Its FastAGI module does not import under Python 3, so the sockets are ours. Its constructor installs
a SIGHUP handler, which only the main thread may do: the name `signal` in its module is replaced.
What it prints to stderr (2.4 KB a call, callers' numbers included) goes to the null device.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asterisk.agi

from bench.servers import flow

if TYPE_CHECKING:
    from typing import TextIO


def main() -> None:
    """Accept calls until killed."""
    asterisk.agi.signal = SimpleNamespace(signal=lambda *_: None, SIGHUP=signal.SIGHUP)
    start = flow.read_arguments()
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    with socket.create_server(("127.0.0.1", 0), backlog=flow.BACKLOG) as listener:
        flow.announce(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            arguments = (connection, start.hook, nowhere)
            threading.Thread(target=serve, args=arguments, daemon=True).start()


def serve(connection: socket.socket, hook: str | None, nowhere: TextIO) -> None:
    """One call; an error of the library ends it, as in the examples of its users."""
    with connection, connection.makefile("r") as lines, connection.makefile("w") as out:
        try:
            play(asterisk.agi.AGI(stdin=lines, stdout=out, stderr=nowhere), hook)
        except (asterisk.agi.AGIException, OSError, ValueError) as error:
            nowhere.write(repr(error))


def play(agi: asterisk.agi.AGI, hook: str | None) -> None:
    """The flow."""
    agi.answer()
    agi.stream_file(flow.DISCLOSURE, "*")
    digits = agi.get_data(flow.ENTER_NUMBER, flow.ENTRY_SECONDS * 1000, flow.ENTRY_DIGITS)
    agi.say_digits(digits)
    agi.get_data(flow.CONFIRM_NUMBER, flow.CONFIRM_SECONDS * 1000, 1)
    agi.set_variable("CONSENT_NUMBER", digits)
    agi.set_variable("CONSENT_RESULT", "confirmed")
    number = flow.FORWARD_NUMBER if hook is None else submit(hook, digits)
    agi.appexec("Dial", flow.dial_options(number))
    agi.get_variable("DIALSTATUS")


def submit(hook: str, digits: str) -> str:
    """One POST on its own connection, with the standard library's client."""
    url = urlsplit(hook)
    connection = http.client.HTTPConnection(url.hostname or "127.0.0.1", url.port, timeout=8)
    try:
        body = json.dumps(flow.submission(digits))
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", url.path, body, headers)
        return flow.forward_number(connection.getresponse().read())
    finally:
        connection.close()


if __name__ == "__main__":
    main()
