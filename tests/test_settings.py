"""The configuration: what is read, what is refused, and in which words."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from agi_bridge import phone
from agi_bridge.settings import (
    DialDefault,
    DialplanDefault,
    HangupDefault,
    SayDefault,
    Settings,
    SettingsError,
)
from agi_bridge.settings.faults import known_keys
from agi_bridge.settings.secret import Secret
from agi_bridge.settings.sources import Environment, find_file
from agi_bridge.speech import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EXAMPLE = Path(__file__).parent.parent / "agi-bridge.example.toml"
KEY = "a73d5034210f702515128ac61193cd21"
SHOP = """
[lines.shop]
did = ["+14155550111"]
business_number = "+14155550111"
hook_key = {env = "SHOP_KEY"}
brand = "Example Store"
dial_template = "PJSIP/{number}@trunk"
default = {kind = "dial", destination = "PJSIP/100"}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Load a TOML text with an environment that holds the shop's key."""

    def loaded(text: str = SHOP, **environ: str) -> Settings:
        file = tmp_path / "agi-bridge.toml"
        file.write_text(text, encoding="utf-8")
        return Settings.load(file, {"SHOP_KEY": KEY, **environ})

    return loaded


@pytest.fixture
def faults(load: Callable[..., Settings]) -> Callable[..., list[str]]:
    """Load what cannot be loaded; return the lines of the refusal."""

    def refused(text: str = SHOP, **environ: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text, **environ)
        return str(caught.value).splitlines()

    return refused


def shop(**changes: str) -> str:
    """The shop's table with keys replaced or added, each given as TOML."""
    text = SHOP
    for key, value in changes.items():
        line = f"{key} = {value}"
        old = re.search(rf"^{key} = .*$", text, flags=re.MULTILINE)
        text = text.replace(old[0], line) if old else f"{text}{line}\n"
    return text


# -- what is read


def test_a_minimal_line_gets_every_default(load: Callable[..., Settings]) -> None:
    settings = load()
    line = settings.lines["shop"]
    assert (line.name, line.legal_name, line.languages) == ("shop", "Example Store", ("en",))
    assert (line.ring_seconds, line.talk_seconds, line.dial) == (30, 7200, "exec")
    assert line.default == DialDefault(kind="dial", destination="PJSIP/100")
    assert (settings.agi.host, settings.agi.port, settings.agi.allow) == ("127.0.0.1", 4573, ())
    assert settings.agi.secret() is None
    assert settings.speech_cache == Path("/var/lib/agi-bridge/speech")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{kind = "dialplan", context = "main"}', DialplanDefault),
        ('{kind = "say", prompt = "goodbye"}', SayDefault),
        ('{kind = "hangup"}', HangupDefault),
        ('{kind = "dial", destination = "PJSIP/100&PJSIP/101"}', DialDefault),
    ],
)
def test_callers_can_be_sent_to_four_kinds_of_default(
    load: Callable[..., Settings], text: str, kind: type
) -> None:
    assert isinstance(load(shop(default=text)).lines["shop"].default, kind)


def test_the_environment_wins_over_the_file(load: Callable[..., Settings]) -> None:
    settings = load(
        'state_dir = "/a"\n[hook]\nmethod = "GET"\ntotal_seconds = 5\n' + SHOP,
        AGI_BRIDGE_STATE_DIR="/b",
        AGI_BRIDGE_HOOK__TOTAL_SECONDS="6.5",
        AGI_BRIDGE_HOOK__KEEPALIVE="true",
        AGI_BRIDGE_LINES__SHOP__BRAND="Corner Shop",
        AGI_BRIDGE_LINES__SHOP__LANGUAGES="fr, en",
        AGI_BRIDGE_LINES__SHOP__REGIONS='["FR", "US"]',
        AGI_BRIDGE_LINES__SHOP__CONSENT__ENTRY_TRIES="2",
        AGI_BRIDGE_LINES__SHOP__DEFAULT='{"kind": "hangup"}',
        AGI_BRIDGE_SPEECH__ENGINE="flite -o '{output}'",
    )
    line = settings.lines["shop"]
    assert (settings.state_dir, settings.hook.method) == (Path("/b"), "GET")
    assert (settings.hook.total_seconds, settings.hook.keepalive) == (6.5, True)
    assert (line.brand, line.languages, line.regions) == (
        "Corner Shop",
        ("fr", "en"),
        ("FR", "US"),
    )
    assert line.consent.entry_tries == 2
    assert line.default == HangupDefault(kind="hangup")
    assert settings.speech.engine == ("flite", "-o", "{output}")


def test_an_engine_in_the_environment_may_be_a_json_list(load: Callable[..., Settings]) -> None:
    settings = load(AGI_BRIDGE_SPEECH__ENGINE='["flite", "-o", "{output}"]')
    assert settings.speech.engine == ("flite", "-o", "{output}")


def test_a_whole_configuration_can_come_from_the_environment() -> None:
    environ = {
        "AGI_BRIDGE_LINES__SHOP__DID": "+14155550111",
        "AGI_BRIDGE_LINES__SHOP__BUSINESS_NUMBER": "+14155550111",
        "AGI_BRIDGE_LINES__SHOP__HOOK_KEY": KEY,
        "AGI_BRIDGE_LINES__SHOP__BRAND": "Example Store",
        "AGI_BRIDGE_LINES__SHOP__DIAL_TEMPLATE": "PJSIP/{number}@trunk",
        "AGI_BRIDGE_LINES__SHOP__DEFAULT__KIND": "hangup",
        "AGI_BRIDGE_AGI__TOKEN": "word",
        "AGI_BRIDGE_CACHE": "/another/tool's",
        "PATH": "/bin",
    }
    settings = Settings.load(None, environ)
    assert settings.lines["shop"].secret() == KEY
    assert settings.agi.secret() == "word"


def test_the_file_is_the_one_named_then_the_environments_then_the_default(tmp_path: Path) -> None:
    there = tmp_path / "there.toml"
    there.touch()
    named = {"AGI_BRIDGE_CONFIG": "/named.toml"}
    assert find_file(Path("/x.toml"), named, there) == Path("/x.toml")
    assert find_file(None, named, there) == Path("/named.toml")
    assert find_file(None, {}, there) == there
    assert find_file(None, {}, tmp_path / "gone.toml") is None


def test_the_environment_is_a_source_as_pydantic_settings_has_them() -> None:
    source = Environment(Settings, {"AGI_BRIDGE_STATE_DIR": "/b", "OTHER": "x"})
    field = Settings.model_fields["state_dir"]
    assert source.get_field_value(field, "state_dir") == ("/b", "state_dir", False)


def test_a_key_in_a_table_wins_over_a_variable_for_the_whole_table() -> None:
    environ = {"AGI_BRIDGE_LINES": "x", "AGI_BRIDGE_LINES__SHOP__BRAND": "B"}
    assert Environment(Settings, environ)() == {"lines": {"shop": {"brand": "B"}}}


def test_nothing_can_be_changed_after_loading(load: Callable[..., Settings]) -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.state_dir = Path("/x")
    with pytest.raises(ValidationError):
        settings.lines["shop"].brand = "x"


def test_the_ambient_environment_does_not_slip_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIR", "/ambient")
    monkeypatch.setenv("FALLBACK_LINE", "ambient")
    assert Settings().fallback_line is None


# -- secrets


def test_a_key_is_read_from_a_file_without_the_white_space_around_it(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n", encoding="utf-8")
    settings = load(shop(hook_key=f'{{file = "{tmp_path}/key"}}'))
    assert settings.lines["shop"].secret() == KEY


def test_a_key_in_the_environment_replaces_its_place_in_the_file(
    load: Callable[..., Settings],
) -> None:
    override = {"AGI_BRIDGE_LINES__SHOP__HOOK_KEY": "other"}
    settings = load(shop(hook_key='{file = "/nowhere"}'), **override)
    assert settings.lines["shop"].secret() == "other"


def test_a_secrets_variable_may_have_the_prefix_without_being_a_setting(
    load: Callable[..., Settings],
) -> None:
    settings = load(shop(hook_key='{env = "AGI_BRIDGE_SHOP_KEY"}'), AGI_BRIDGE_SHOP_KEY=KEY)
    assert settings.lines["shop"].secret() == KEY


def test_a_secret_is_in_no_repr_and_no_dump(load: Callable[..., Settings]) -> None:
    settings = load()
    everything = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert KEY not in everything
    assert "+14155550111" not in repr(settings)


def test_a_secret_that_was_never_loaded_is_not_given_out() -> None:
    with pytest.raises(RuntimeError, match="not loaded"):
        Secret(env="X").reveal()


def test_only_a_secrets_file_can_be_open_to_others(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    assert not Secret(env="X").open_to_others()
    assert not Secret(file=file).open_to_others()
    file.chmod(0o644)
    assert Secret(file=file).open_to_others()


@pytest.mark.parametrize(
    ("place", "what"),
    [
        (f'"{KEY}"', "must not stand in the configuration itself"),
        ('{env = "A", file = "/b"}', "needs one of env and file"),
        ("{}", "needs one of env and file"),
        ('{envv = "A"}', "lines.shop.hook_key.envv: is not a setting; did you mean"),
        ('{env = "GONE"}', "the environment variable GONE is not set"),
        ('{env = "BLANK"}', "the environment variable BLANK is empty"),
        ('{env = "WORDS"}', "does not hold one word"),
        ('{file = "/dev/null"}', "the file /dev/null is empty"),
        ('{file = "/gone"}', "cannot be read (No such file or directory)"),
        ('{file = "/"}', "cannot be read (Is a directory)"),
        ('{file = "relative"}', "is not an absolute path"),
    ],
)
def test_a_key_that_cannot_be_had_is_refused_and_never_shown(
    faults: Callable[..., list[str]], place: str, what: str
) -> None:
    lines = faults(shop(hook_key=place), BLANK=" \n", WORDS=f"{KEY} {KEY}")
    assert len(lines) == 1
    assert lines[0].startswith("lines.shop.hook_key")
    assert what in lines[0]
    assert KEY not in lines[0]


def test_a_key_file_that_is_no_text_is_refused(
    faults: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    assert "is not text" in faults(shop(hook_key=f'{{file = "{tmp_path}/key"}}'))[0]


# -- what is refused


REFUSED_ON_A_LINE = {
    "did": [
        ("[]", "is empty; name at least 1"),
        ('["+1415555"]', "is not a phone number in E.164 form"),
        ('["PJSIP/1"]', "neither a phone number nor an extension"),
        ('["100", "100"]', "names the same one twice"),
        ("100", 'write a list, like ["…", "…"]'),
    ],
    "business_number": [
        ('"4155550111"', "is not a phone number in E.164 form"),
        ('"+0123456789"', "is not a phone number in E.164 form"),
    ],
    "brand": [
        ('""', "is empty"),
        ('"a\\u0007b"', "holds a control character"),
        (f'"{"x" * 81}"', "is too long; use at most 80 characters"),
        ("5", "is of the wrong type; write text in quotes"),
    ],
    "languages": [("[]", "is empty"), ('["English"]', "holds an unknown language tag")],
    "disclosure": [('"../x"', "is not a prompt's name")],
    "regions": [('["UK"]', "holds an unknown region"), ('["US", "US"]', "the same one twice")],
    "dial": [('"ring"', "is none of the choices; write 'exec' or 'dialplan'")],
    "dial_template": [
        ('"PJSIP/trunk"', "must hold {number} exactly once"),
        ('"PJSIP/{number}/{number}"', "must hold {number} exactly once"),
        ('"PJSIP/{number}@trunk,30,T"', "holds a character that Dial would act on"),
        ('"PJSIP/{number}&PJSIP/1"', "holds a character that Dial would act on"),
        ('"PJSIP/{number}@${TRUNK}"', "holds a character that Dial would act on"),
        ('"PJSIP/{number}@{trunk}"', "holds a character that Dial would act on"),
        ('"{number}@trunk"', "holds a character that Dial would act on"),
    ],
    "ring_seconds": [
        ("4", "is too small; make it at least 5"),
        ("301", "is too large; make it at most 300"),
        ("30.5", "write a whole number"),
        ("true", "is true or false where a number is wanted"),
    ],
    "allow_caller_id": [('"perhaps"', "write true or false")],
    "default": [
        ('{kind = "dial", destination = "PJSIP/100,30,t"}', "holds options of Dial"),
        ('{kind = "dial", destination = "100"}', "is not a destination of Dial"),
        ('{kind = "dial"}', "lines.shop.default.destination: is missing"),
        ('{kind = "dialplan", context = "a,b"}', "is no name of the dialplan"),
        ('{kind = "queue"}', "is of an unknown kind"),
        ('{destination = "PJSIP/100"}', "has no kind"),
    ],
    "consent": [
        ("{entry_seconds = 3}", "is shorter than the wait for a digit"),
        ("{entry_seconds = inf}", "is no finite number"),
        ("{language_seconds = 0}", "is too small; make it more than 0"),
        ("3", "write a table"),
    ],
}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [(key, value, words) for key, cases in REFUSED_ON_A_LINE.items() for value, words in cases],
)
def test_a_bad_value_on_a_line_is_refused_by_its_full_name(
    faults: Callable[..., list[str]], key: str, value: str, words: str
) -> None:
    lines = faults(shop(**{key: value}))
    assert len(lines) == 1
    assert lines[0].startswith(f"lines.shop.{key}")
    assert words in lines[0]
    assert "; " in lines[0]


@pytest.mark.parametrize(
    "key", ["did", "business_number", "hook_key", "brand", "dial_template", "default"]
)
def test_a_line_without_what_it_needs_is_refused(
    faults: Callable[..., list[str]], key: str
) -> None:
    without = re.sub(rf"^{key} = .*$", "", SHOP, flags=re.MULTILINE)
    assert faults(without) == [
        f"lines.shop.{key}: is missing; add it; agi-bridge.example.toml shows it"
    ]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('state_dir = "here"', "state_dir", "is not an absolute path"),
        ("state_dir = 5", "state_dir", "write a path in quotes"),
        ("log = 5", "log", "write a table"),
        ("log = {level = 5}", "log.level", "is none of the choices"),
        ('agi = {host = "0.0.0.0"}', "agi.allow", "can be reached from other machines"),
        ('agi = {host = "pbx.example"}', "agi.host", "is not an IP address"),
        ('agi = {allow = ["10.0.0.5/24"]}', "agi.allow", "is not a network"),
        ("agi = {allow = [5]}", "agi.allow", "is not a network"),
        ("agi = {port = 65536}", "agi.port", "is too large"),
        ("agi = {max_call_seconds = 7000}", "agi.max_call_seconds", "would cut calls"),
        ('hook = {url = "http://hooks.example/v1"}', "hook.url", "unencrypted"),
        ('hook = {url = "ftp://hooks.example/v1"}', "hook.url", "is not an http or https URL"),
        ('hook = {url = "https:///v1"}', "hook.url", "is not an http or https URL"),
        ('hook = {url = "https://h:port/v1"}', "hook.url", "is not a URL"),
        ('hook = {url = "https://u:p@h/v1"}', "hook.url", "more than a host and a path"),
        ('hook = {url = "https://h/v1?key=1"}', "hook.url", "more than a host and a path"),
        ("hook = {total_seconds = 2}", "hook.total_seconds", "is shorter than"),
        ('hook = {ca_file = "/gone"}', "hook.ca_file", "cannot be read"),
        ('speech = {engine = ["espeak-ng"]}', "speech.engine", "must hold {output} once"),
        (
            'speech = {engine = ["a", "{text}", "{text}", "{output}"]}',
            "speech.engine",
            "{text} at most once",
        ),
        (
            'speech = {engine = ["a", "{voice}", "{output}"]}',
            "speech.engine",
            "holds an unknown placeholder",
        ),
        (
            'speech = {engine = ["{text}", "{output}"]}',
            "speech.engine",
            "has a placeholder in the program's name",
        ),
        ('speech = {pbx_prompts = "sounds"}', "speech.pbx_prompts", "is no absolute path"),
        ('speech = {pbx_cache = "/a,b"}', "speech.pbx_cache", "is no absolute path"),
        ('speech = {prompts = "/nowhere"}', "speech.prompts", "no LANGUAGE/NAME.wav is there"),
        ('fallback_line = "gone"', "fallback_line", "names a line that does not exist"),
        ("fallback_line = 5", "fallback_line", "write text in quotes"),
    ],
)
def test_a_bad_value_outside_the_lines_is_refused_by_its_full_name(
    faults: Callable[..., list[str]], text: str, key: str, words: str
) -> None:
    lines = faults(f"{text}\n{SHOP}")
    assert len(lines) == 1
    assert lines[0].startswith(f"{key}: ")
    assert words in lines[0]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/v1", "http://[::1]/", "http://localhost/"])
def test_plain_http_is_taken_to_this_machine(load: Callable[..., Settings], url: str) -> None:
    assert load(f'hook = {{url = "{url}"}}\n{SHOP}').hook.url == url


def test_a_readable_file_of_certificates_is_taken(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").touch()
    settings = load(f'hook = {{ca_file = "{tmp_path}/ca.pem"}}\n{SHOP}')
    assert settings.hook.ca_file == tmp_path / "ca.pem"


def test_other_machines_may_connect_where_they_are_named(load: Callable[..., Settings]) -> None:
    assert load(f'agi = {{host = "localhost"}}\n{SHOP}').agi.allow == ()
    settings = load(f'agi = {{host = "0.0.0.0", allow = ["192.0.2.0/24", "::1"]}}\n{SHOP}')
    assert [str(network) for network in settings.agi.allow] == ["192.0.2.0/24", "::1/128"]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("[hok]\n", "hok: is not a setting; did you mean hook?"),
        ("[agi]\nprot = 1\n", "agi.prot: is not a setting; did you mean agi.port?"),
        ("method = 'GET'\n", "method: is not a setting; did you mean hook.method?"),
        ("zzz = 1\n", "zzz: is not a setting; take it out"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(
    faults: Callable[..., list[str]], wrong: str, meant: str
) -> None:
    assert faults(wrong + SHOP) == [meant]


def test_an_unknown_key_on_a_line_is_refused_with_the_one_that_was_meant(
    faults: Callable[..., list[str]],
) -> None:
    assert faults(shop(rings_seconds="20")) == [
        "lines.shop.rings_seconds: is not a setting; did you mean lines.shop.ring_seconds?"
    ]
    assert faults(shop(name='"x"')) == ["lines.shop.name: is not a setting; take it out"]


@pytest.mark.parametrize("name", ["Shop", "main__shop", '"main shop"', "1st"])
def test_a_lines_name_must_fit_a_variables_name(
    faults: Callable[..., list[str]], name: str
) -> None:
    lines = faults(SHOP.replace("lines.shop", f"lines.{name}"))
    assert len(lines) == 1
    assert "is not a line's name; use a-z, 0-9 and single underscores" in lines[0]


def test_a_misspelt_variable_is_a_fault(faults: Callable[..., list[str]]) -> None:
    lines = faults(AGI_BRIDGE_HOOK__TOTAL_SECOND="5", AGI_BRIDGE_STATEDIR="/x")
    assert lines == [
        "hook.total_second: is not a setting; did you mean hook.total_seconds?",
        "statedir: is not a setting; did you mean state_dir?",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AGI_BRIDGE_LINES__SHOP__DID", '["+1', "is not JSON"),
        ("AGI_BRIDGE_LINES__SHOP__DEFAULT", "{kind", "is not JSON"),
        ("AGI_BRIDGE_LINES__SHOP__HOOK_KEY", "{env", "is not JSON"),
        ("AGI_BRIDGE_SPEECH__ENGINE", "[x", "is not JSON"),
        ("AGI_BRIDGE_SPEECH__ENGINE", "flite 'x", "has an open quote"),
        ("AGI_BRIDGE_LINES", "x", "write a table"),
        ("AGI_BRIDGE_AGI", "x", "write a table"),
        ("AGI_BRIDGE_LINES__SHOP", "x", "write a table"),
    ],
)
def test_a_variable_that_cannot_be_read_is_a_fault(
    faults: Callable[..., list[str]], variable: str, value: str, words: str
) -> None:
    assert words in "\n".join(faults(**{variable: value}))


def test_all_faults_come_at_once_also_those_between_tables(
    faults: Callable[..., list[str]],
) -> None:
    text = (
        'fallback_line = "gone"\n[agi]\nport = 70000\n[hook]\nmethod = "PUT"\n'
        + shop(dial_template='"PJSIP/x"', hook_key='{env = "GONE"}')
        + SHOP.replace("shop", "second").replace("SHOP_KEY", "LOST")
        + SHOP.replace("shop", "third")
    )
    keys = [line.partition(":")[0] for line in faults(text)]
    assert keys == [
        "agi.port",
        "fallback_line",
        "hook.method",
        "lines.second.hook_key",
        "lines.shop.dial_template",
        "lines.shop.hook_key",
        "lines.third.did",
    ]


def test_a_faulty_token_is_listed_although_its_table_is_faulty_too(
    faults: Callable[..., list[str]],
) -> None:
    lines = faults(
        '[agi]\nport = -1\ntoken = {env = "GONE"}\n[speech]\nbudget_seconds = 0\n' + SHOP
    )
    assert [line.partition(":")[0] for line in lines] == [
        "agi.port",
        "agi.token",
        "speech.budget_seconds",
    ]


def test_a_configuration_without_lines_is_refused(faults: Callable[..., list[str]]) -> None:
    assert "lines: there is none" in faults('fallback_line = "shop"')[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"did = ", "is not TOML: "),
        (b"a = 1\na = 2", "is not TOML: "),
        (b"brand = '\xff'", "is not UTF-8 text"),
        (b"#" * (1 << 20) + b"\n", "is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape(words)):
        Settings.load(file, {})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load(tmp_path / "gone.toml", {})


# -- lines and languages


def test_a_language_whose_prompts_are_not_recorded_is_refused(
    faults: Callable[..., list[str]],
) -> None:
    lines = faults(shop(languages='["en", "de"]'))
    assert len(lines) == 1
    assert lines[0].startswith("lines.shop.languages: 'de' lacks prompts: accepted, ")
    assert lines[0].endswith("; record them, or choose from en, es, fr")


def test_prompts_that_a_line_names_must_be_recorded_in_each_language(
    faults: Callable[..., list[str]],
) -> None:
    lines = faults(
        shop(languages='["en", "fr"]', disclosure='"mine"', default='{kind="say", prompt="closed"}')
    )
    assert [line.partition(";")[0] for line in lines] == [
        "lines.shop.default.prompt: is not recorded in 'en'",
        "lines.shop.default.prompt: is not recorded in 'fr'",
        "lines.shop.disclosure: is not recorded in 'en'",
        "lines.shop.disclosure: is not recorded in 'fr'",
    ]


def test_two_languages_of_a_menu_may_not_ask_for_the_same_key(
    faults: Callable[..., list[str]], load: Callable[..., Settings]
) -> None:
    assert load(shop(languages='["fr", "en", "es"]')).lines["shop"].languages[0] == "fr"
    lines = faults(shop(languages='["en", "en-US"]'))
    assert "the menu prompt of 'en-US' asks for no key of its own" in lines[0]


# -- which line


TWO = shop() + SHOP.replace("shop", "paris").replace('["+14155550111"]', '["+33142685300", "200"]')


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("+14155550111", "shop"),
        ("14155550111", "shop"),
        (" 14155550111", "shop"),  # a + that a URL turned into a space
        ("4155550111", "shop"),
        ("(415) 555-0111", "shop"),
        ("+33142685300", "paris"),
        ("33142685300", "paris"),
        ("0142685300", "paris"),
        ("200", "paris"),
        ("+14155550112", None),
        ("s", None),
        ("unknown", None),
    ],
)
def test_several_forms_of_a_number_find_its_line(
    load: Callable[..., Settings], called: str, name: str | None
) -> None:
    text = TWO.replace("[lines.paris]", '[lines.paris]\nregions = ["FR"]')
    line = load(text).line_for([called])
    assert (line and line.name) == name


def test_the_first_candidate_that_is_a_lines_number_decides(
    load: Callable[..., Settings],
) -> None:
    settings = load(TWO)
    found = settings.line_for([None, "", "unknown", "200", "4155550111"])
    assert found is settings.lines["paris"]


def test_the_fallback_line_takes_calls_to_unknown_numbers(load: Callable[..., Settings]) -> None:
    settings = load('fallback_line = "shop"\n' + TWO)
    assert settings.line_for(["999", None]) is settings.lines["shop"]
    assert load(TWO).line_for(["999"]) is None


def test_a_national_number_that_two_lines_could_mean_is_neithers(
    load: Callable[..., Settings],
) -> None:
    berlin = SHOP.replace("shop", "berlin").replace('["+14155550111"]', '["+494155550111"]')
    settings = load(SHOP + berlin + 'regions = ["DE"]\n')
    assert settings.line_for(["4155550111"]) is None
    assert settings.line_for(["+494155550111"]) is settings.lines["berlin"]


@pytest.mark.parametrize("form", ["+14155550111", "4155550111", "(415) 555-0111", "14155550111"])
def test_two_lines_may_not_share_a_number_in_any_form(
    faults: Callable[..., list[str]], form: str
) -> None:
    second = SHOP.replace("shop", "second").replace('["+14155550111"]', f'["{form}"]')
    assert phone.same_number(form, "+14155550111", region="US")
    assert faults(SHOP + second) == [
        "lines.second.did: holds a number that lines.shop.did has too; give each number to one line"
    ]


def test_one_line_may_have_a_number_in_two_forms(load: Callable[..., Settings]) -> None:
    settings = load(shop(did='["+14155550111", "4155550111"]'))
    assert settings.line_for(["14155550111"]) is settings.lines["shop"]


# -- the fingerprint, the example


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


def test_the_example_loads_as_it_is() -> None:
    settings = Settings.load(EXAMPLE, {"INSTAPLY_KEY": KEY})
    assert settings.lines["shop"].secret() == KEY


def test_the_example_shows_every_setting() -> None:
    shown = set(stated(EXAMPLE.read_text(encoding="utf-8")))
    # A place and a destination are shown as inline tables, in one of their kinds.
    inline = ("agi.token.", "lines.*.hook_key.", "lines.*.default.")
    tables = {"lines.*"}
    assert {key for key in shown if not key.startswith(inline)} - tables == {
        key for key, _ in known_keys(Settings) if not key.startswith(inline)
    }


def test_the_example_states_the_real_defaults_and_leaves_unset_what_has_none() -> None:
    active = stated(re.sub("(?m)^#.*$", "", EXAMPLE.read_text(encoding="utf-8")))
    for key, field in known_keys(Settings):
        if field.is_required() or isinstance(field.default, BaseModel) or key == "lines":
            continue
        if field.default is None:
            assert key not in active or key == "lines.*.hook_key.env", key
        elif not key.startswith("lines.*.default."):
            default = field.default
            plain = list(default) if isinstance(default, tuple) else default
            assert active[key] == (str(plain) if isinstance(plain, Path) else plain), key


def test_the_example_gives_a_reason_for_every_setting() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for match in re.finditer(r"^#?([a-z_]+) = .*$", text, flags=re.MULTILINE):
        above = text[: match.start()].rstrip("\n").rpartition("\n")[2]
        assert above.startswith("# "), match[1]


def test_the_shipped_prompts_are_what_an_unset_folder_means(load: Callable[..., Settings]) -> None:
    assert load().speech.prompts is None
    assert load(f'speech = {{prompts = "{SHIPPED}"}}\n{SHOP}').speech.prompts == SHIPPED
