"""Values that are refused, each with the code of its fault."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.hook_servers import CERTIFICATE
from tests.support.settings_texts import SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.settings import (
        Settings,
    )


REFUSED_ON_A_LINE = {
    "did": [
        ("[]", "did.empty"),
        ('["+1415555"]', "did.invalid"),
        ('["PJSIP/1"]', "did.invalid"),
        ('["banana"]', "did.invalid"),
        ('["1415555O111"]', "did.invalid"),
        ('["+1415555O111"]', "did.invalid"),
        ('["100", "100"]', "did.duplicate"),
        ("100", "did.type"),
    ],
    "business_number": [
        ('"4155550111"', "business_number.invalid"),
        ('"+0123456789"', "business_number.invalid"),
        ('"+4930123456789012"', "business_number.invalid"),
    ],
    "brand": [
        ('"*"', "brand.reserved"),
        ('""', "brand.empty"),
        ('"a\\u0007b"', "brand.characters"),
        (f'"{"x" * 81}"', "brand.too_long"),
        ("5", "brand.type"),
    ],
    "languages": [("[]", "languages.empty"), ('["English"]', "languages.invalid")],
    "disclosure": [('"../x"', "disclosure.invalid")],
    "regions": [
        ('["UK"]', "regions.invalid"),
        ('["US", "US"]', "regions.duplicate"),
        ('["GB", "TA"]', "regions.no_mobiles"),
    ],
    "dial": [('"ring"', "dial.choice")],
    "dial_template": [
        ('"PJSIP/trunk"', "dial_template.placeholder"),
        ('"PJSIP/{number}/{number}"', "dial_template.placeholder"),
        ('"PJSIP/{number}@trunk,30,T"', "dial_template.characters"),
        ('"PJSIP/{number}&PJSIP/1"', "dial_template.characters"),
        ('"PJSIP/{number}@${TRUNK}"', "dial_template.characters"),
        ('"PJSIP/{number}@{trunk}"', "dial_template.characters"),
        ('"{number}@trunk"', "dial_template.characters"),
    ],
    "ring_seconds": [
        ("4", "ring_seconds.too_small"),
        ("301", "ring_seconds.too_large"),
        ("30.5", "ring_seconds.type"),
        ("true", "ring_seconds.type"),
    ],
    "say_skip_keys": [
        ('"A"', "say_skip_keys.invalid"),
        ('"##"', "say_skip_keys.invalid"),
    ],
    "retention_days": [("0", "retention_days.too_small"), ('"long"', "retention_days.type")],
    "digits": [('"auto"', "digits.choice")],
    "allow_caller_id": [('"perhaps"', "allow_caller_id.type")],
    "default": [
        ('{kind = "dial", destination = "PJSIP/100,30,t"}', "default.destination.options"),
        ('{kind = "dial", destination = "100"}', "default.destination.invalid"),
        ('{kind = "dial"}', "default.destination.missing"),
        ('{kind = "dialplan", context = "a,b"}', "default.context.invalid"),
        ('{kind = "queue"}', "default.choice"),
        ('{destination = "PJSIP/100"}', "default.choice"),
    ],
    "consent": [
        ("{entry_seconds = 3}", "consent.entry_seconds.too_small"),
        ("{entry_seconds = inf}", "consent.entry_seconds.type"),
        ("{language_seconds = 0}", "consent.language_seconds.too_small"),
        ("3", "consent.type"),
        ('{returning = "never"}', "consent.returning.choice"),
        ('{returning = "skip"}', "consent.opt_out_key.missing"),
        ('{quiet_hours = "off"}', "consent.quiet_hours.choice"),
        ('{opt_out_key = "*"}', "consent.opt_out_key.reserved"),
        ('{opt_out_key = "#"}', "consent.opt_out_key.invalid"),
        ('{opt_out_key = "12"}', "consent.opt_out_key.invalid"),
        ("{opt_out_key = 9}", "consent.opt_out_key.type"),
    ],
    "purpose": [('"both"', "purpose.choice")],
    "timezone": [
        ('"Paris"', "timezone.invalid"),
        ('"America"', "timezone.invalid"),
        ('"../etc/passwd"', "timezone.invalid"),
        ('""', "timezone.invalid"),
    ],
    "limits": [
        ("{number_per_day = -1}", "limits.number_per_day.too_small"),
        ("{line_per_hour = 0.5}", "limits.line_per_hour.type"),
        ("{unidentified_per_day = -1}", "limits.unidentified_per_day.too_small"),
        ("{unidentified_share = 0}", "limits.unidentified_share.too_small"),
        ("{own_number_share = 101}", "limits.own_number_share.too_large"),
        (
            "{unidentified_share = 51}",
            "limits.other_number_share.too_small",
        ),
        (
            "{own_number_share = 49}",
            "limits.own_number_share.too_small",
        ),
    ],
    "hours": [
        ('{opens = "8:00"}', "hours.opens.invalid"),
        ('{closes = "24:00"}', "hours.closes.invalid"),
        ("{closes = 20:00:01}", "hours.closes.invalid"),
        ("{closes = 20}", "hours.closes.invalid"),
        ('{closes = "07:59"}', "hours.closes.too_small"),
        ('{opens = "20:01"}', "hours.closes.too_small"),
        ('{days = {sunday = "shut"}}', "hours.days.sunday.invalid"),
        ('{days = {sunday = "09:00-"}}', "hours.days.sunday.invalid"),
        ('{days = {sunday = "9:00-12:00"}}', "hours.days.sunday.invalid"),
        ('{days = {sunday = "12:00-09:00"}}', "hours.days.sunday.invalid"),
        ('{days = {sabbath = "closed"}}', "hours.days.sabbath.choice"),
        ("{days = {sunday = 12}}", "hours.days.sunday.type"),
    ],
    "workflow": [
        (
            '{sample = "{name}: hello"}',
            "workflow.sample.placeholder",
        ),
        ('{stop = ""}', "workflow.stop.empty"),
        (f'{{help = "{"x" * 501}"}}', "workflow.help.too_long"),
    ],
}


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [(key, value, code) for key, cases in REFUSED_ON_A_LINE.items() for value, code in cases],
)
def test_an_invalid_value_on_a_line_is_refused(
    codes: Callable[..., list[str]], key: str, value: str, code: str
) -> None:
    assert codes(shop(**{key: value})) == [f"line.{code}"]


def test_a_fault_has_the_full_name_of_its_setting_and_does_not_repeat_the_value(
    faults: Callable[..., list[str]],
) -> None:
    (line,) = faults(shop(brand='"secret\\u0007"'))
    assert line.startswith("lines.shop.brand: ")
    assert "; " in line
    assert "secret" not in line


@pytest.mark.parametrize(
    "key", ["did", "business_number", "hook_key", "brand", "dial_template", "default"]
)
def test_a_line_without_what_it_needs_is_refused(codes: Callable[..., list[str]], key: str) -> None:
    without = re.sub(rf"^{key} = .*$", "", SHOP, flags=re.MULTILINE)
    assert codes(without) == [f"line.{key}.missing"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('state_dir = "here"', "state_dir.invalid"),
        ("state_dir = 5", "state_dir.type"),
        ("log = 5", "log.type"),
        ("log = {level = 5}", "log.level.choice"),
        ('agi = {host = "0.0.0.0"}', "agi.allow.empty"),
        ('agi = {host = "pbx.example"}', "agi.host.invalid"),
        ('agi = {allow = ["10.0.0.5/24"]}', "agi.allow.invalid"),
        ("agi = {allow = [5]}", "agi.allow.invalid"),
        ("agi = {port = 65536}", "agi.port.too_large"),
        ('agi = {cdr_field = "consent)"}', "agi.cdr_field.invalid"),
        ('agi = {cdr_field = "DISPOSITION"}', "agi.cdr_field.reserved"),
        ("agi = {max_call_seconds = 7000}", "agi.max_call_seconds.too_small"),
        ('hook = {url = "http://hooks.example/v1"}', "hook.url.unencrypted"),
        ('hook = {url = "ftp://hooks.example/v1"}', "hook.url.invalid"),
        ('hook = {url = "https:///v1"}', "hook.url.invalid"),
        ('hook = {url = "https://h:port/v1"}', "hook.url.invalid"),
        ('hook = {url = "https://u:p@h/v1"}', "hook.url.extra_parts"),
        ('hook = {url = "https://h/v1?key=1"}', "hook.url.extra_parts"),
        ("hook = {total_seconds = 2}", "hook.total_seconds.too_small"),
        (
            'ledger.checkpoints = {timestamp_url = "ftp://time.example/"}',
            "ledger.checkpoints.timestamp_url.invalid",
        ),
        (
            'ledger.checkpoints = {timestamp_url = "http://user:word@time.example/"}',
            "ledger.checkpoints.timestamp_url.extra_parts",
        ),
        (
            'ledger.checkpoints = {timestamp_ca = "/gone"}',
            "ledger.checkpoints.timestamp_ca.unreadable",
        ),
        ('hook = {ca_file = "/gone"}', "hook.ca_file.unreadable"),
        ('hook = {ca_file = "/dev/null"}', "hook.ca_file.unusable"),
        ('hook = {url = "https://exa mple.com/x"}', "hook.url.host"),
        ('hook = {url = "https://.example.com/x"}', "hook.url.host"),
        ('hook = {url = "https://-/x"}', "hook.url.host"),
        ('hook = {url = "https://exam_ple..com/x"}', "hook.url.host"),
        ('hook = {url = "https://example.com:0/x"}', "hook.url.host"),
        ('speech = {pbx_prompts = "sounds"}', "speech.pbx_prompts.invalid"),
        ('speech = {pbx_cache = "/a,b"}', "speech.pbx_cache.invalid"),
        ('speech = {prompts = "/nowhere"}', "speech.prompts.unusable"),
        ("hook = {breaker_failures = -1}", "hook.breaker_failures.too_small"),
        ("hook = {breaker_seconds = 0}", "hook.breaker_seconds.too_small"),
        ('ledger = {url = "mysql://u@h/d"}', "ledger.url.invalid"),
        ('ledger = {url = "postgresql+asyncpg://u@h/d"}', "ledger.url.invalid"),
        ('ledger = {url = "postgresql://u@h:port/d"}', "ledger.url.invalid"),
        ('ledger = {url = "postgresql://u@h"}', "ledger.url.missing"),
        ('ledger = {url = "postgresql://u:open-sesame@h/d"}', "ledger.url.plain_secret"),
        ('ledger = {url = "postgresql://u:@h/d"}', "ledger.url.plain_secret"),
        (
            'ledger = {url = "postgresql://u@h/d?password=open-sesame"}',
            "ledger.url.plain_secret",
        ),
        ('ledger = {password = {env = "SHOP_KEY"}}', "ledger.password.unused"),
        ('ledger = {vault_key = {env = "GONE"}}', "ledger.vault_key.unavailable"),
        ('ledger = {signing_key = "abc"}', "ledger.signing_key.plain_secret"),
        ("ledger = {retention_days = 0}", "ledger.retention_days.too_small"),
        ("ledger = {retention_days = 30}", "ledger.details_days.too_large"),
        ("ledger = {checkpoints = 5}", "ledger.checkpoints.type"),
        (
            'ledger = {checkpoints = {command = [""]}}',
            "ledger.checkpoints.command.empty",
        ),
        (
            "ledger = {checkpoints = {every_events = 0}}",
            "ledger.checkpoints.every_events.too_small",
        ),
        ('ledger = {checkpoints = {file = "x"}}', "ledger.checkpoints.file.invalid"),
        ('web = {host = "example.com"}', "web.host.invalid"),
        ('web = {token = "word"}', "web.token.plain_secret"),
        ('web = {instaply_token = {env = "GONE"}}', "web.instaply_token.unavailable"),
        ('web = {customers = "customers.csv"}', "web.customers.invalid"),
        ('web = {port = 4573, token = {env = "SHOP_KEY"}}', "web.port.taken"),
        ('fallback_line = "gone"', "fallback_line.unknown_line"),
        ("fallback_line = 5", "fallback_line.type"),
    ],
)
def test_an_invalid_value_outside_the_lines_is_refused(
    codes: Callable[..., list[str]], text: str, code: str
) -> None:
    assert codes(f"{text}\n{SHOP}") == [code]


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
