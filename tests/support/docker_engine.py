"""A Docker daemon of the tests' own: Debian's, started by hand, with images made from Debian alone.

No registry of images is reached: the base images of the Dockerfiles are made here, under the public
names. The daemon needs root and the right to mount; it touches neither a daemon of this machine nor
its firewall.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

ROOT: Final = Path(__file__).parents[2]
PLACE: Final = ROOT / ".docker"
ENGINE: Final = PLACE / "engine"
SUITES: Final = {
    "bookworm": "debian:bookworm-slim",
    "trixie": "debian:trixie-slim",
    "forky": "debian:forky-slim",
}
_SQLITE: Final = ("--file", "docker/bridge/Dockerfile", ".")
_POSTGRESQL: Final = ("--build-arg", "LIST=requirements-postgresql.txt", *_SQLITE)
IMAGES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "bookworm": {
        "agi-bridge": _SQLITE,
        "agi-bridge-postgresql": _POSTGRESQL,
        "postgres:17": ("tests/support/images/postgresql",),
        "prom/prometheus:v3.5.0": ("tests/support/images/prometheus",),
    },
    "forky": {"agi-bridge-pbx": ("--file", "docker/pbx/Dockerfile", ".")},
}
"""What is built on each base: the images of docker/, and what stands in for those of others."""
COMPOSE: Final = Path(sys.executable).with_name("docker-compose")

_CONFIGURE: Final = """
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates
: >/var/lib/dpkg/status
: >/var/lib/dpkg/available
quick="--force-all --force-unsafe-io"
dpkg $quick --unpack /debs/base-passwd*.deb /debs/base-files*.deb /debs/dpkg*.deb
dpkg $quick --configure base-passwd
dpkg $quick --unpack /debs/*.deb
dpkg --force-depends --force-unsafe-io --configure -a
rm -rf /debs
dpkg --audit
"""
"""debootstrap's second stage: what is unpacked becomes installed."""


class DockerEngine:
    """A running daemon; a context manager. `place` keeps its images from run to run.

    Attributes:
        environ: what a program needs to use this daemon.
    """

    def __init__(self, place: Path, sockets: Path) -> None:
        self._data = place / "data"
        self._sockets = sockets
        libraries = next(iter((ENGINE / "usr" / "lib").glob("*-linux-gnu*")))
        self.environ = {
            **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
            "PATH": f"{ENGINE / 'usr/bin'}:{ENGINE / 'usr/sbin'}:{os.environ['PATH']}",
            "XTABLES_LIBDIR": str(libraries / "xtables"),
        }
        self._daemon_environ = {**self.environ, "LD_LIBRARY_PATH": str(libraries)}
        self.environ |= {"DOCKER_HOST": f"unix://{sockets}/docker.sock", "DOCKER_BUILDKIT": "1"}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._data.mkdir(parents=True, exist_ok=True)
        log = (self._sockets / "dockerd.log").open("wb")
        self._process = subprocess.Popen(
            [
                str(ENGINE / "usr/sbin/dockerd"),
                "--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false",
                "--storage-driver", "overlay2", "--default-ulimit", "nofile=4096:4096",
                "--data-root", str(self._data), "--exec-root", str(self._sockets / "exec"),
                "--pidfile", str(self._sockets / "pid"), "-H", self.environ["DOCKER_HOST"],
            ],
            stdout=log, stderr=log, env=self._daemon_environ,
        )  # fmt: skip
        log.close()
        for _ in range(300):
            if self._run("docker", "version", check=False).returncode == 0:
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"dockerd does not start: {self._last_words()}")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def build(self, images: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
        """Make the base images that are not there yet, and the images on them."""
        with ThreadPoolExecutor(len(images)) as pool:
            for _ in pool.map(self._build_on, images, images.values()):
                pass

    def _build_on(self, suite: str, images: Mapping[str, tuple[str, ...]]) -> None:
        if not self.docker("images", "--quiet", SUITES[suite]):
            self._make_base(suite, SUITES[suite])
        for name, arguments in images.items():
            self.docker("build", "--network", "host", "--tag", name, *arguments)

    def docker(self, *arguments: str) -> str:
        """Run `docker`; return what it prints."""
        return self._run("docker", *arguments).stdout

    def docker_with_input(self, text: str, *arguments: str) -> str:
        """Run `docker` with a text on its standard input; return what it prints."""
        with tempfile.TemporaryFile("w+") as given:
            given.write(text)
            given.seek(0)
            return self._run("docker", *arguments, stdin=given).stdout

    def logs(self, name: str) -> str:
        """What a container has written to standard output and standard error."""
        done = self._run("docker", "logs", name)
        return done.stdout + done.stderr

    def inspect(self, name: str) -> dict[str, Any]:
        """What is known of a container or image."""
        found: dict[str, Any] = json.loads(self.docker("inspect", name))[0]
        return found

    def compose(self, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
        """Run `docker compose` with the project's file; return what it prints."""
        files = ["-f", "docker/compose.yaml", *arguments]
        return self._run(str(COMPOSE), *files, environ=environ).stdout

    def _make_base(self, suite: str, name: str) -> None:
        tree = PLACE / suite
        subprocess.run(
            [str(ROOT / "tests/support/provision-debian.sh"), suite, str(tree)], check=True
        )
        unpacked = f"unpacked:{suite}"
        with subprocess.Popen(["tar", "-C", str(tree / "root"), "-c", "."], stdout=-1) as tar:
            self._run("docker", "import", "-", unpacked, stdin=tar.stdout)
        self.docker("run", "--network", "none", "--name", suite, unpacked, "sh", "-c", _CONFIGURE)
        with subprocess.Popen(["docker", "export", suite], stdout=-1, env=self.environ) as exported:
            self._run("docker", "import", "-", name, stdin=exported.stdout)
        self.docker("rm", suite)
        self.docker("rmi", unpacked)

    def _run(
        self,
        *command: str,
        check: bool = True,
        stdin: Any = subprocess.DEVNULL,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            stdin=stdin, capture_output=True, text=True, check=False, cwd=ROOT,
            env={**self.environ, **(environ or {})},
        )  # fmt: skip
        if check and done.returncode:
            output = f"{done.stdout}\n{done.stderr}".strip()[-3000:]
            raise AssertionError(
                f"{' '.join(command[:6])}: exit status {done.returncode}\n{output}"
            )
        return done

    def _last_words(self) -> str:
        return (self._sockets / "dockerd.log").read_text(errors="replace")[-500:]


@contextmanager
def docker_engine(
    images: Mapping[str, Mapping[str, tuple[str, ...]]] = IMAGES,
) -> Iterator[DockerEngine]:
    """A daemon with images built: those of docker/, unless others are given."""
    sockets = Path("/run") / f"agi-bridge-docker-{os.getpid()}"  # its path has to be short
    sockets.mkdir(mode=0o700)
    try:
        with DockerEngine(PLACE, sockets) as engine:
            engine.build(images)
            yield engine
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
