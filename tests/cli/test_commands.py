"""Commands are imported when they are run; what has no part in a start is not loaded by it."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Final

import pytest
import typer
from typer.main import get_command

from agi_bridge.cli.commands import CommandGroup, Entry
from agi_bridge.cli.main import app
from tests.support.commands import SECONDS, config, invoke, loaded_modules, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OF_HELP: Final = {
    "agi_bridge", "agi_bridge.cli", "agi_bridge.cli.commands", "agi_bridge.cli.common",
    "agi_bridge.cli.main",
}  # fmt: skip
"""All of our own that the list of commands takes."""
NOT_OF_HELP: Final = {"asyncio", "pydantic", "rich", "sqlalchemy", "structlog", "uvloop"}
NOT_OF_A_START: Final = {
    "alembic", "argon2", "jinja2", "mako", "markdown_it", "numpy", "onnxruntime", "psycopg",
    "soundfile",
    "soxr",
    "cryptography.x509", "rfc3161_client",  # time stamps, if they are configured
    "sqlalchemy.dialects.postgresql",  # a ledger in PostgreSQL
    "click.core", "pygments.lexers", "rich.console",  # terminals; the import of the whole fails
    "uvicorn.supervisors",  # for its own command line
    "agi_bridge.agi.testing", "agi_bridge.app.optin_page", "agi_bridge.cli.consents",
    "agi_bridge.cli.prompts",
    "agi_bridge.console",  # a console, if it is enabled
    "agi_bridge.evidence", "agi_bridge.hook.testing", "agi_bridge.lab",
    "agi_bridge.push",  # other systems, if they are configured
    "agi_bridge.web",  # revocations and messages, if they are configured
}  # fmt: skip


def groups() -> Iterator[tuple[str, CommandGroup]]:
    """The program's own commands, and each group among them."""
    root = get_command(app)
    assert isinstance(root, CommandGroup)
    yield "agi-bridge", root
    for name in root.table:
        command = root.get_command(None, name)
        if isinstance(command, CommandGroup):
            yield name, command


def listed() -> Iterator[tuple[CommandGroup, str, Entry]]:
    for _, group in groups():
        for name, entry in group.table.items():
            yield group, name, entry


def of(modules: set[str], unwanted: set[str]) -> list[str]:
    """Those that are unwanted, or in a package that is."""
    return sorted(
        module for module in modules if any(f"{module}.".startswith(f"{u}.") for u in unwanted)
    )


def test_the_list_says_of_each_command_what_its_own_help_begins_with() -> None:
    for group, name, entry in listed():
        if entry.hidden:
            continue
        own = " ".join((group.get_command(None, name).help or "").split())
        assert f"{own} ".startswith(f"{entry.help} "), name
        assert entry.help.endswith("."), name


def test_a_hidden_command_is_the_former_name_of_one_that_is_listed() -> None:
    for group, name, entry in listed():
        shown = {each.place for each in group.table.values() if not each.hidden}
        assert not entry.hidden or entry.place in shown, name


def test_a_name_that_is_nearly_one_is_answered_with_that_one() -> None:
    code, _, err = invoke("consents", "exports")
    assert code == 2
    assert "'export'" in err


def test_a_command_whose_module_is_broken_says_why_and_is_listed() -> None:
    class Group(CommandGroup):
        table = {"no": Entry("agi_bridge.cli.nonsense:no", "No."), "yes": Entry("x:y")}  # noqa: RUF012 - a class attribute by design

    group = get_group_of(Group)
    assert group.list_commands(None) == ["no", "yes"]
    with pytest.raises(ModuleNotFoundError, match="nonsense"):
        group.get_command(None, "no")


def get_group_of(cls: type[CommandGroup]) -> CommandGroup:
    made = typer.Typer(cls=cls)
    made.callback()(lambda: None)
    group = get_command(made)
    assert isinstance(group, CommandGroup)
    return group


@pytest.mark.programs
@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
async def test_the_list_of_commands_loads_none_of_them(arguments: tuple[str, ...]) -> None:
    environ = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    async with running(*arguments, environ=environ) as program:
        _, trace = await program.process.communicate()
    modules = loaded_modules(trace)
    ours = {module for module in modules if of({module}, {"agi_bridge"})}
    assert ours - {"agi_bridge.__main__"} == OF_HELP
    assert of(modules, NOT_OF_HELP) == []


@pytest.mark.programs
async def test_a_service_that_is_ready_has_loaded_nothing_that_it_does_not_use(
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications,
        trace.open("wb") as errors,
    ):
        notifications.bind(str(tmp_path / "notify"))
        notifications.setblocking(False)  # noqa: FBT003 - positional only
        environ = {
            **os.environ,
            "PYTHONPROFILEIMPORTTIME": "1",
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
        }
        async with running("serve", "--config", config(tmp_path), environ=environ, log=errors):
            async with asyncio.timeout(SECONDS):
                loop = asyncio.get_running_loop()
                while b"READY=1" not in await loop.sock_recv(notifications, 4096):
                    pass
            modules = loaded_modules(trace.read_bytes())
    assert "agi_bridge.app.service" in modules
    assert of(modules, NOT_OF_A_START) == []
