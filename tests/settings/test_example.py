"""The fingerprint of a configuration, and the example that is shipped."""

from __future__ import annotations

import re
import tomllib
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from agi_bridge.settings import ConsoleUser, PushSettings, QuerySettings, Settings
from agi_bridge.settings.pydantic_errors import known_keys
from agi_bridge.settings.sources import SECRETS
from agi_bridge.settings.speech import SpeechSettings
from agi_bridge.speech import SHIPPED
from tests.support.settings_texts import KEY, SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EXAMPLE = Path(__file__).parents[2] / "agi-bridge.example.toml"


def test_the_fingerprint_changes_with_the_configuration_and_not_with_the_key(
    load: Callable[..., Settings],
) -> None:
    first = load()
    assert re.fullmatch("[0-9a-f]{64}", first.sha256)
    assert first.sha256 == first.sha256 == load(SHOP_KEY="another").sha256
    assert first.sha256 != load(shop(ring_seconds="20")).sha256


def stated(text: str) -> Mapping[str, Any]:
    """Every key that the example states, also those commented out, by its full name."""
    found: dict[str, Any] = {}

    def walk(table: Mapping[str, Any], prefix: str) -> None:
        for key, value in table.items():
            name = prefix + ("*" if prefix == "lines." else key)
            found[name] = value
            if isinstance(value, dict):
                walk(value, f"{name}.")

    walk(tomllib.loads(re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE)), "")
    return found


def is_inline(key: str) -> bool:
    inline = {"lines.*.default", "speech.engines", "web.query", "push", "console.users"}
    return key in inline or key.rpartition(".")[2] in SECRETS


def test_the_example_loads_as_it_is() -> None:
    settings = Settings.load(EXAMPLE, {"SHOP_HOOK_KEY": KEY})
    assert settings.lines["shop"].secret() == KEY


def test_the_example_shows_every_setting() -> None:
    shown = set(stated(EXAMPLE.read_text(encoding="utf-8")))
    # A place and a destination are shown as inline tables, in one of their kinds; engines below.
    inline = tuple(f"{key}." for key, _ in known_keys(Settings) if is_inline(key))
    tables = {"lines.*"}
    assert {key for key in shown if not key.startswith(inline)} - tables == {
        key for key, _ in known_keys(Settings) if not key.startswith(inline)
    }


def tables_of(text: str, name: str, following: str) -> dict[str, Any]:
    """The tables of a list that the example shows in comments."""
    shown = re.sub("(?m)^(engines|query|push|users) = .*$", "", re.sub("(?m)^#     ", "", text))
    return tomllib.loads(shown[shown.index(f"[[{name}]]") : shown.index(following)])


def test_the_example_shows_a_system_that_asks_with_every_key_of_it() -> None:
    [given] = tables_of(EXAMPLE.read_text(encoding="utf-8"), "web.query", "[status]")["web"][
        "query"
    ]
    system = QuerySettings.model_validate(given)
    assert system.model_fields_set == set(QuerySettings.model_fields)
    assert system.per_minute == QuerySettings.model_fields["per_minute"].default


def test_the_example_shows_a_receiver_with_every_key_of_it() -> None:
    [given] = tables_of(EXAMPLE.read_text(encoding="utf-8"), "push", "[agi]")["push"]
    receiver = PushSettings.model_validate(given)
    assert receiver.model_fields_set == set(PushSettings.model_fields) - {"ca_file"}
    assert receiver.events == PushSettings.model_fields["events"].default


def test_the_example_shows_a_person_with_every_key_of_them() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    [given] = tables_of(text, "console.users", "[speech]")["console"]["users"]
    person = ConsoleUser.model_validate(given)
    assert person.model_fields_set == set(ConsoleUser.model_fields)
    assert person.role == ConsoleUser.model_fields["role"].default


def test_the_example_shows_an_engine_of_each_kind_with_every_key_of_it() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    given = tables_of(text, "speech.engines", "[log]")["speech"]["engines"]
    assert [engine["kind"] for engine in given] == ["kokoro", "piper", "http", "pbx", "command"]
    speech = SpeechSettings(engines=given)
    for engine in speech.engines:
        assert engine.model_fields_set == set(type(engine).model_fields), engine.kind


def test_the_example_states_the_real_defaults_and_leaves_unset_what_has_none() -> None:
    active = stated(re.sub("(?m)^#.*$", "", EXAMPLE.read_text(encoding="utf-8")))
    for key, field in known_keys(Settings):
        if field.is_required() or isinstance(field.default, BaseModel) or key == "lines":
            continue
        if field.default is None:
            assert key not in active or key.startswith("lines.*.hook_key"), key
        elif not key.startswith(
            ("lines.*.default.", "speech.engines.", "web.query.", "push.", "console.users.")
        ):
            assert active[key] == as_toml(field.default), key


def as_toml(default: object) -> object:
    if isinstance(default, tuple):
        return list(default)
    if isinstance(default, time):
        return f"{default:%H:%M}"
    return str(default) if isinstance(default, Path) else default


def test_the_example_gives_a_reason_for_every_setting() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for match in re.finditer(r"^#?([a-z_]+) = .*$", text, flags=re.MULTILINE):
        above = text[: match.start()].rstrip("\n").rpartition("\n")[2]
        assert above.startswith("# "), match[1]


def test_the_shipped_prompts_are_what_an_unset_folder_means(load: Callable[..., Settings]) -> None:
    assert load().speech.prompts is None
    assert load(f'speech = {{prompts = "{SHIPPED}"}}\n{SHOP}').speech.prompts == SHIPPED
