"""A container in which systemd is process 1, as on a machine of its own.

It may mount, and has not every capability: a machine may lack CAP_SYS_RESOURCE, which Docker's
--privileged would ask for.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.docker_engine import DockerEngine

RIGHTS: Final = [
    *(f"--cap-add={each}" for each in ("SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN")),
    *(f"--security-opt={each}=unconfined" for each in ("seccomp", "apparmor", "systempaths")),
]


class SystemdMachine:
    """What root does on the machine, mostly with the unit agi-bridge."""

    def __init__(self, engine: DockerEngine, name: str) -> None:
        self._engine = engine
        self._name = name

    def run(self, script: str) -> str:
        """Run a script as root; return what it prints. A failure is an AssertionError."""
        return self._engine.docker("exec", self._name, "bash", "-c", script)

    def write(self, path: str, text: str) -> None:
        """Write a file, and the folder that it is in."""
        self._engine.docker_with_input(
            text, "exec", "--interactive", self._name, "sh", "-c",
            f'mkdir -p "$(dirname {path})" && cat >{path}',
        )  # fmt: skip

    def configure(self, text: str) -> None:
        """Write the configuration of agi-bridge."""
        self.write("/etc/agi-bridge/agi-bridge.toml", text)

    def shows(self, name: str) -> str:
        """A property of the unit."""
        return self.run(f"systemctl show --value --property={name} agi-bridge").strip()

    def becomes(self, name: str, wanted: str) -> None:
        """Wait until a property of the unit has a value."""
        until = time.monotonic() + 60
        while (found := self.shows(name)) != wanted:
            if time.monotonic() > until:
                raise AssertionError(f"{name} is {found}; {self.journal()[-1500:]}")
            time.sleep(0.2)

    def journal(self) -> str:
        """What the service has logged."""
        return self.run("journalctl --unit=agi-bridge --output=cat")

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                self.run("systemctl is-system-running --wait || systemctl list-units >/dev/null")
                break
            except AssertionError:
                time.sleep(0.2)
        # As on a machine: systemd mounts credentials elsewhere and has the mount arrive.
        self.run("mount --make-rshared /")


@contextmanager
def systemd_machine(engine: DockerEngine, image: str, *volumes: str) -> Iterator[SystemdMachine]:
    """Start a machine without a network from an image; it is named as the image."""
    engine.docker(
        "run", "--detach", "--name", image, "--network", "none", *RIGHTS,
        "--tmpfs", "/run", "--tmpfs", "/tmp",  # noqa: S108 - the container's own
        *(f"--volume={each}" for each in volumes),
        "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw", image,
    )  # fmt: skip
    try:
        machine = SystemdMachine(engine, image)
        machine._wait()
        yield machine
    finally:
        engine.docker("rm", "--force", "--volumes", image)
