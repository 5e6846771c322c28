"""What is refused, and in which words."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.settings import (
    Settings,
    SettingsError,
    sources,
)
from agi_bridge.settings.sources import find_file
from tests.support.hook_servers import CERTIFICATE
from tests.support.settings_texts import KEY, SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable


REFUSED_ON_A_LINE = {
    "did": [
        ("[]", "is empty; name at least 1"),
        ('["+1415555"]', "is not a phone number in E.164 form"),
        ('["PJSIP/1"]', "neither a phone number nor an extension"),
        ('["banana"]', "neither a phone number nor an extension"),
        ('["1415555O111"]', "neither a phone number nor an extension"),
        ('["+1415555O111"]', "is not a phone number in E.164 form"),
        ('["100", "100"]', "names the same one twice"),
        ("100", 'write a list, like ["…", "…"]'),
    ],
    "business_number": [
        ('"4155550111"', "is not a phone number in E.164 form"),
        ('"+0123456789"', "is not a phone number in E.164 form"),
        ('"+4930123456789012"', "is not a phone number in E.164 form"),
    ],
    "brand": [
        ('"*"', "would stand for every brand; write the name that callers know"),
        ('""', "is empty"),
        ('"a\\u0007b"', "holds a control character"),
        (f'"{"x" * 81}"', "is too long; use at most 80 characters"),
        ("5", "is of the wrong type; write text in quotes"),
    ],
    "languages": [("[]", "is empty"), ('["English"]', "holds an unknown language tag")],
    "disclosure": [('"../x"', "is not a prompt's name")],
    "regions": [
        ('["UK"]', "holds an unknown region"),
        ('["US", "US"]', "the same one twice"),
        ('["GB", "TA"]', "has no mobile numbers; leave it out"),
    ],
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
    "say_skip_keys": [
        ('"A"', "holds what is no key, or one twice; write keys like"),
        ('"##"', "holds what is no key, or one twice"),
    ],
    "retention_days": [("0", "is too small; make it at least 1"), ('"long"', "write a whole")],
    "digits": [('"auto"', "is none of the choices; write 'pbx' or 'own'")],
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
        ('{returning = "never"}', "is none of the choices; write 'ask' or 'skip'"),
        ('{quiet_hours = "off"}', "is none of the choices; write 'retry' or 'strict'"),
        ('{opt_out_key = "*"}', "is the key that goes on without a text; write one digit"),
        ('{opt_out_key = "#"}', 'is not a digit; write one digit, like "9", or "" for none'),
        ('{opt_out_key = "12"}', "is not a digit"),
        ("{opt_out_key = 9}", "write text in quotes"),
    ],
    "purpose": [('"both"', "is none of the choices; write 'info' or 'marketing'")],
    "timezone": [
        ('"Paris"', "is not a time zone; write its name in the IANA database"),
        ('"America"', "is not a time zone"),
        ('"../etc/passwd"', "is not a time zone"),
        ('""', "is not a time zone"),
    ],
    "limits": [
        ("{number_per_day = -1}", "is too small; make it at least 0"),
        ("{line_per_hour = 0.5}", "write a whole number"),
        ("{unidentified_per_day = -1}", "is too small; make it at least 0"),
        ("{unidentified_share = 0}", "is too small; make it at least 1"),
        ("{own_number_share = 101}", "is too large; make it at most 100"),
        (
            "{unidentified_share = 51}",
            "lines.shop.limits.other_number_share: is less than limits.unidentified_share",
        ),
        (
            "{own_number_share = 49}",
            "leaves a part of limits.line_per_hour to nobody; make it at least 100 less",
        ),
    ],
    "hours": [
        ('{opens = "8:00"}', 'is not a time of day; write it like "08:00", at most "23:59"'),
        ('{closes = "24:00"}', "is not a time of day"),
        ("{closes = 20:00:01}", "is not a time of day"),
        ("{closes = 20}", "is not a time of day"),
        ('{closes = "07:59"}', "comes before hours.opens"),
    ],
    "workflow": [
        (
            '{sample = "{name}: hello"}',
            "holds an unknown placeholder; use {brand}",
        ),
        ('{stop = ""}', "is empty"),
        (f'{{help = "{"x" * 501}"}}', "is too long; use at most 500 characters"),
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
        ('hook = {ca_file = "/dev/null"}', "hook.ca_file", "holds no certificates"),
        ('hook = {url = "https://exa mple.com/x"}', "hook.url", "no valid host and port"),
        ('hook = {url = "https://.example.com/x"}', "hook.url", "no valid host and port"),
        ('hook = {url = "https://-/x"}', "hook.url", "no valid host and port"),
        ('hook = {url = "https://exam_ple..com/x"}', "hook.url", "no valid host and port"),
        ('hook = {url = "https://example.com:0/x"}', "hook.url", "no valid host and port"),
        ('speech = {pbx_prompts = "sounds"}', "speech.pbx_prompts", "is no absolute path"),
        ('speech = {pbx_cache = "/a,b"}', "speech.pbx_cache", "is no absolute path"),
        ('speech = {prompts = "/nowhere"}', "speech.prompts", "there is no LANGUAGE/NAME.wav"),
        ("hook = {breaker_failures = -1}", "hook.breaker_failures", "make it at least 0"),
        ("hook = {breaker_seconds = 0}", "hook.breaker_seconds", "make it more than 0"),
        ('ledger = {url = "mysql://u@h/d"}', "ledger.url", "is not a postgresql:// URL"),
        ('ledger = {url = "postgresql+asyncpg://u@h/d"}', "ledger.url", "not a postgresql:// URL"),
        ('ledger = {url = "postgresql://u@h:port/d"}', "ledger.url", "is not a URL"),
        ('ledger = {url = "postgresql://u@h"}', "ledger.url", "names no database"),
        ('ledger = {url = "postgresql://u:open-sesame@h/d"}', "ledger.url", "holds a password"),
        ('ledger = {url = "postgresql://u:@h/d"}', "ledger.url", "holds a password"),
        (
            'ledger = {url = "postgresql://u@h/d?password=open-sesame"}',
            "ledger.url",
            "holds a password",
        ),
        ('ledger = {password = {env = "SHOP_KEY"}}', "ledger.password", "ledger.url names no user"),
        ('ledger = {vault_key = {env = "GONE"}}', "ledger.vault_key", "GONE is not set"),
        ('ledger = {signing_key = "abc"}', "ledger.signing_key", "must not stand in"),
        ("ledger = {retention_days = 0}", "ledger.retention_days", "make it at least 1"),
        ("ledger = {retention_days = 30}", "ledger.details_days", "is longer than"),
        ("ledger = {checkpoints = 5}", "ledger.checkpoints", "write a table"),
        (
            'ledger = {checkpoints = {command = [""]}}',
            "ledger.checkpoints.command",
            "is empty",
        ),
        (
            "ledger = {checkpoints = {every_events = 0}}",
            "ledger.checkpoints.every_events",
            "make it at least 1",
        ),
        ('ledger = {checkpoints = {file = "x"}}', "ledger.checkpoints.file", "not an absolute"),
        ('web = {host = "example.com"}', "web.host", "is not an IP address"),
        ('web = {token = "word"}', "web.token", "must not stand in the configuration itself"),
        ('web = {instaply_token = {env = "GONE"}}', "web.instaply_token", "GONE is not set"),
        ('web = {customers = "customers.csv"}', "web.customers", "is not an absolute path"),
        ('web = {port = 4573, token = {env = "SHOP_KEY"}}', "web.port", "is agi.port too"),
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
    (tmp_path / "ca.pem").write_bytes(CERTIFICATE.read_bytes())
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
        ("AGI_BRIDGE_SPEECH__ENGINES", "[x", "is not JSON"),
        ("AGI_BRIDGE_LEDGER__CHECKPOINTS__COMMAND", "log 'x", "has an open quote"),
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
        '[agi]\nport = -1\ntoken = {env = "GONE"}\n[speech]\nbudget_seconds = 0\n'
        '[ledger]\nvault_key = {file = "/gone"}\npassword = {}\n' + SHOP
    )
    assert [line.partition(":")[0] for line in lines] == [
        "agi.port",
        "agi.token",
        "ledger.password",
        "ledger.vault_key",
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
        (b"brand = 'a\0b'", "is not TOML: "),
        (b"a = " + b"9" * 5000, "holds an endless number"),
        (b"a = " + b"[" * 900, "is nested too deeply"),
        (b"a = " + b"[" * 30 + b"]" * 30, "is nested too deeply"),
        (b"a = " + b"{a=" * 900, "is nested too deeply"),
        (b".".join([b"lines"] * 900) + b" = 1", "is nested too deeply"),
        (b"[lines." + b".".join([b"a"] * 900) + b"]\nhook_key = 1", "is nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape(f"{file}: {words}")) as raised:
        Settings.load(file, {})
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "cannot be read (Is a directory)"),
        ("/dev/zero", "is not a file; name the right file"),
        ("/dev/full", "is not a file; name the right file"),
        ("/dev/null/x", "cannot be read (Not a directory)"),
    ],
)
def test_what_is_no_file_is_refused(path: str, words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"{path}: {words}")):
        Settings.load(Path(path), {})


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=("statedir = 1",))
    writing.start()
    with pytest.raises(SettingsError, match="statedir: is not a setting"):
        Settings.load(pipe, {})
    writing.join()


def test_a_variable_of_endless_parts_is_refused() -> None:
    name = "AGI_BRIDGE_" + "__".join(["A"] * 900)
    with pytest.raises(SettingsError, match="A: is nested too deeply"):
        Settings.load(None, {name: "1"})


def test_json_of_endless_brackets_is_refused(faults: Callable[..., list[str]]) -> None:
    (line,) = faults(AGI_BRIDGE_AGI__ALLOW="[" * 100_000)
    assert line == "agi.allow: is not JSON; check its quotes, commas and brackets"


def test_without_any_configuration_the_path_is_named_that_was_looked_for() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, {})
    first, *_ = str(raised.value).splitlines()
    assert first == (
        "/etc/agi-bridge/agi-bridge.toml: is not there, and neither --config nor AGI_BRIDGE_CONFIG"
        " names another file; copy agi-bridge.example.toml there, or name your file"
    )


def test_an_environment_that_has_lines_needs_no_file() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(None, {"AGI_BRIDGE_LINES__SHOP__BRAND": "Example Store"})
    assert "is not there" not in str(raised.value)


def test_a_default_file_that_may_not_be_looked_at_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", forbidden)
    assert find_file(None, {}, Path("/etc/agi-bridge/agi-bridge.toml")) is not None


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load(tmp_path / "gone.toml", {})


def test_a_pipe_that_nobody_writes_to_is_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_FIFO_SECONDS", 0.0)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError) as refused:
        Settings.load(tmp_path / "pipe", {})
    assert [fault.reason for fault in refused.value.faults] == ["unreadable"]


def test_a_pipe_with_a_writer_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(SHOP, "utf-8-sig"))
    writer.start()
    assert list(Settings.load(pipe, {"SHOP_KEY": KEY}).lines) == ["shop"]
    writer.join()
