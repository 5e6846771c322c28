"""Run a command under the system call and memory rules of a systemd unit, without systemd.

    scripts/hardened.py packaging/agi-bridge.service -- .venv/bin/agi-bridge serve --config …

For machines whose PID 1 is not systemd: containers, CI. It takes `SystemCallFilter=`,
`RestrictAddressFamilies=`, `MemoryDenyWriteExecute=`, `LockPersonality=`, `NoNewPrivileges=` and
`UMask=` from the unit, and builds the filter that systemd 252 builds (src/shared/seccomp-util.c),
with libseccomp, from the sets that `systemd-analyze syscall-filter` prints. Where the kernel has it
(6.3), PR_SET_MDWE is set as well, as later versions of systemd do. Namespaces and capabilities are
systemd's business: `systemd-analyze security` judges them.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

_ALLOW: Final = 0x7FFF0000
_DENY: Final = 0x00050000 | errno.EPERM
_MASKED_EQ: Final = 7
_EQ: Final = 4
_PROT_WRITE, _PROT_EXEC, _SHM_EXEC = 2, 4, 0o100000
_PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 38, 65


class _Argument(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def unit_values(unit: Path, name: str) -> list[str]:
    """The values of a setting in a unit, in their order."""
    lines = (line.strip() for line in unit.read_text(encoding="utf-8").splitlines())
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def system_calls(words: str) -> set[str]:
    """The system calls that the words of a `SystemCallFilter=` name; sets are opened."""
    calls: set[str] = set()
    for word in words.split():
        if not word.startswith("@"):
            calls.add(word)
            continue
        listed = subprocess.run(  # noqa: S603 - a fixed program
            ["systemd-analyze", "syscall-filter", word],  # noqa: S607 - it is where PATH says
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        members = [line.strip() for line in listed.stdout.splitlines()[1:]]
        calls |= system_calls(" ".join(each for each in members if each and each[0] != "#"))
    return calls


def allowed(unit: Path) -> set[str]:
    """The system calls that a unit allows: an allow list from which `~` takes away."""
    calls = system_calls("@default")
    for value in unit_values(unit, "SystemCallFilter"):
        if value.startswith("~"):
            calls -= system_calls(value[1:])
        else:
            calls |= system_calls(value)
    return calls


class Filter:
    """A filter of libseccomp that denies whatever no rule allows, with EPERM."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(ctypes.util.find_library("seccomp") or "libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(_DENY)))

    def allow(self, name: str, *conditions: _Argument) -> None:
        """Allow a system call, if all conditions hold; one that this machine lacks is passed over.

        Raises RuntimeError.
        """
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        given = (_Argument * max(len(conditions), 1))(*conditions)
        code = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(_ALLOW), number, len(conditions), given
        )
        if code:
            raise RuntimeError(f"seccomp takes no rule for {name}: {os.strerror(-code)}")

    def load(self) -> None:
        """Put it in force. Raises RuntimeError."""
        if code := self._library.seccomp_load(self._context):
            raise RuntimeError(f"the filter cannot be loaded: {os.strerror(-code)}")


def _without(argument: int, bits: int) -> _Argument:
    return _Argument(argument, _MASKED_EQ, bits, 0)


_MEMORY: Final = {
    "mmap": (_without(2, _PROT_WRITE), _without(2, _PROT_EXEC)),
    "mprotect": (_without(2, _PROT_EXEC),),
    "pkey_mprotect": (_without(2, _PROT_EXEC),),
    "shmat": (_without(2, _SHM_EXEC),),
}
"""`MemoryDenyWriteExecute=`: each call is allowed if one of its conditions holds."""


def apply(unit: Path) -> None:
    """Put this process, and all that it runs, under a unit's rules.

    Raises OSError or RuntimeError if they cannot be set.
    """
    rules, calls = Filter(), allowed(unit)
    hardened_memory = unit_values(unit, "MemoryDenyWriteExecute") == ["yes"]
    conditional = {*(_MEMORY if hardened_memory else ()), "socket"}
    for name in calls - conditional:
        rules.allow(name)
    for name in calls & conditional - {"socket"}:
        for condition in _MEMORY[name]:
            rules.allow(name, condition)
    for family in " ".join(unit_values(unit, "RestrictAddressFamilies")).split():
        rules.allow("socket", _Argument(0, _EQ, getattr(socket, family), 0))
    os.umask(int(unit_values(unit, "UMask")[-1], 8))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if hardened_memory and libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0):
        print("hardened: this kernel has no PR_SET_MDWE; the filter stands alone", file=sys.stderr)
    rules.load()


def main(arguments: list[str]) -> None:
    """Apply the rules, then become the command."""
    unit, separator, *command = arguments
    if separator != "--" or not command:
        raise SystemExit("usage: hardened.py UNIT -- COMMAND …")
    apply(Path(unit))
    os.execvp(command[0], command)  # noqa: S606 - that is what it is for


if __name__ == "__main__":
    main(sys.argv[1:])
