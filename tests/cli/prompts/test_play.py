"""`prompts play`: on a player of this machine, or into a file."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from agi_bridge.cli.prompts import play
from agi_bridge.speech import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.prompts_commands import PromptsCli

FILE = SHIPPED / "en" / "goodbye.wav"


def player(
    folder: Path, name: str, script: str = 'echo "$0" "$@" >"$(dirname "$0")/played"'
) -> str:
    """Put a player into a folder; gives the PATH that holds it alone."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\nPATH={os.defpath}\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return str(folder)


def test_the_machines_player_gets_the_file(cli: PromptsCli, tmp_path: Path) -> None:
    path = player(tmp_path / "bin", "ffplay")
    result = cli("play", "goodbye", "--line", "shop", PATH=path)
    assert (result.status, result.out) == (0, "Goodbye.\n")
    played = (tmp_path / "bin" / "played").read_text(encoding="utf-8").split()
    assert played == [f"{path}/ffplay", "-nodisp", "-autoexit", "-loglevel", "error", str(FILE)]


def test_the_best_player_is_taken(cli: PromptsCli, tmp_path: Path) -> None:
    player(tmp_path / "bin", "play", "exit 1")
    path = player(tmp_path / "bin", "aplay")
    assert cli("play", "goodbye", "--line", "shop", "--json", PATH=path).json == {
        "file": str(FILE),
        "source": "shipped",
        "text": "Goodbye.",
        "player": "aplay",
        "status": 0,
        "to": None,
    }


def test_without_a_player_it_says_where_the_file_is(cli: PromptsCli, tmp_path: Path) -> None:
    result = cli("play", "goodbye", "--line", "shop", PATH=str(tmp_path))
    assert result.status == 1
    missing = "no player is installed (aplay, paplay, ffplay, play)"
    assert result.out == f"Goodbye.\n{missing}; the sound is in {FILE}\n"


def test_a_player_that_fails_is_named(cli: PromptsCli, tmp_path: Path) -> None:
    path = player(tmp_path / "bin", "paplay", "exit 7")
    result = cli("play", "goodbye", "--line", "shop", PATH=path)
    assert result.status == 1
    assert f"paplay failed with status 7; the sound is in {FILE}" in result.out


def test_it_can_be_written_to_a_file(cli: PromptsCli, tmp_path: Path) -> None:
    result = cli("play", "busy", "--line", "shop", "--to", tmp_path / "b.wav")
    assert result.status == 0
    assert f"written: {tmp_path / 'b.wav'}" in result.out
    assert (tmp_path / "b.wav").read_bytes() == (SHIPPED / "en" / "busy.wav").read_bytes()


def test_a_file_that_cannot_be_written_is_one_line(cli: PromptsCli, tmp_path: Path) -> None:
    result = cli("play", "busy", "--line", "shop", "--to", tmp_path / "no" / "b.wav")
    assert result.status == 1
    assert result.err == f"agi-bridge: {tmp_path}/no/b.wav: No such file or directory\n"


def test_another_language_of_the_line_can_be_heard(cli: PromptsCli, tmp_path: Path) -> None:
    cli.configure(languages=["en", "fr"])
    arguments = ("goodbye", "--line", "shop", "--language", "fr", "--json")
    result = cli("play", *arguments, PATH=str(tmp_path))
    assert result.json["file"] == str(SHIPPED / "fr" / "goodbye.wav")


def test_a_language_that_the_line_has_not_is_misuse(cli: PromptsCli) -> None:
    result = cli("play", "goodbye", "--line", "shop", "--language", "fr")
    assert (result.status, result.err) == (2, "agi-bridge: --language: the line has en\n")


def test_an_unknown_prompt_is_misuse_and_the_known_ones_are_named(cli: PromptsCli) -> None:
    result = cli("play", "hello", "--line", "shop")
    assert result.status == 2
    assert "no such prompt in 'en'; write one of: accepted, busy, " in result.err


@pytest.mark.programs
async def test_who_breaks_off_hears_no_more(cli: PromptsCli, tmp_path: Path) -> None:
    os.mkfifo(lifeline := tmp_path / "lifeline")
    path = player(tmp_path / "bin", "aplay", f"exec 3>{lifeline}; echo >&3; exec sleep 600")
    playing_now = asyncio.create_task(
        play.run(cli.settings, "goodbye", "shop", language=None, to=None, environ={"PATH": path})
    )
    with await asyncio.to_thread(lifeline.open, "rb") as held:
        assert await asyncio.to_thread(held.readline) == b"\n"
        playing_now.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing_now
        assert await asyncio.to_thread(held.read) == b""
