"""The program's first steps: Ctrl-C while it is loaded, and health without loading the rest."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import config, loaded_modules, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.programs

INTERRUPTED = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
OF_HEALTH = {
    "agi_bridge", "agi_bridge.__main__", "agi_bridge.cli", "agi_bridge.cli.health_probe",
    "agi_bridge.config_file", "agi_bridge.control_client",
}  # fmt: skip
"""All of our own that a container's check takes."""
NOT_OF_HEALTH = {"asyncio", "dataclasses", "pydantic", "structlog", "typer"}


@pytest.mark.parametrize("module", ["typer", "pydantic", "uvloop"])
async def test_ctrl_c_while_modules_are_imported_ends_the_program_without_a_traceback(
    module: str, tmp_path: Path
) -> None:
    (tmp_path / f"{module}.py").write_text(INTERRUPTED)
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    async with running("serve", "--config", config(tmp_path), environ=environ) as program:
        out, err = await program.process.communicate()
    assert program.process.returncode == -signal.SIGINT
    assert (out, err) == (b"", b"")


@pytest.mark.parametrize("option", ["-c", "--config"])
async def test_health_loads_next_to_nothing(option: str, tmp_path: Path) -> None:
    path = config(tmp_path)
    environ = {name: value for name, value in os.environ.items() if "COV" not in name}
    environ["PYTHONPROFILEIMPORTTIME"] = "1"  # without coverage, which loads modules of its own
    async with running("serve", "--config", path) as bridge:
        await bridge.logs("service.listening")
        async with running("health", option, path, environ=environ) as program:
            out, trace = await program.process.communicate()
    assert (program.process.returncode, out) == (0, b"ready\n")
    modules = loaded_modules(trace)
    assert {name for name in modules if name.split(".")[0] == "agi_bridge"} == OF_HEALTH - {
        "agi_bridge.__main__"
    }
    assert modules & NOT_OF_HEALTH == set()


async def test_health_in_any_other_case_is_the_whole_command(tmp_path: Path) -> None:
    path = config(tmp_path)
    for arguments, code in (
        (("--help",), 0),
        (("--config", path), 1),
        ((f"--config={path}",), 1),
        (("--config", tmp_path / "gone.toml"), 2),
        (("--nonsense",), 2),
    ):
        async with running("health", *arguments) as program:
            await program.process.communicate()
        assert program.process.returncode == code, arguments
