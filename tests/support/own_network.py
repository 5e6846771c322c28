"""A network of a test's own (`unshare --net`): every port is free, and no host is reached."""

from __future__ import annotations

import fcntl
import socket
import struct

_SET_FLAGS = 0x8914  # SIOCSIFFLAGS
_UP_RUNNING = 0x1 | 0x40  # IFF_UP, IFF_RUNNING


def loopback_up() -> None:
    """Bring up loopback, which is down in a new network (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_:
        fcntl.ioctl(any_, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP_RUNNING))
