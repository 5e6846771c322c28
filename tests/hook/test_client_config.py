"""URLs, limits and certificate files that a client refuses before it is used."""

import pytest

from agi_bridge.hook import HookClient, HookClosedError, HookConfigError
from tests.support.hook_servers import submit


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.example.com/v1/ivr", "url_unencrypted"),
        ("http://127.0.0.1.example.com/", "url_unencrypted"),
        ("http://192.0.2.1/", "url_unencrypted"),
        ("ftp://127.0.0.1/", "url_scheme"),
        ("https:///v1/ivr", "url_scheme"),
        ("hooks.example.com", "url_scheme"),
        ("https://user:secret@hooks.example.com/", "url_parts"),
        ("https://hooks.example.com/#secret", "url_parts"),
        ("https://hooks.example.com:port/", "url_invalid"),
        ("https://hooks.example.com/\n", "url_invalid"),
    ],
)
def test_a_url_that_would_give_the_key_away_is_refused_at_once(url: str, code: str) -> None:
    with pytest.raises(HookConfigError) as caught:
        HookClient(url)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "url", ["https://hooks.instaply.com/v1/ivr", "http://localhost:1/", "http://[::1]:1/"]
)
def test_https_or_this_machine_is_accepted(url: str) -> None:
    HookClient(url)


@pytest.mark.parametrize("name", ["connect_seconds", "total_seconds", "max_bytes"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(HookConfigError) as refused:
        HookClient("http://localhost/", **{name: 0})  # type: ignore[arg-type]  # any of three
    assert refused.value.code == "limits"


def test_another_method_is_refused() -> None:
    with pytest.raises(HookConfigError) as refused:
        HookClient("http://localhost/", method="PUT")  # type: ignore[arg-type]  # the point
    assert refused.value.code == "method"


@pytest.mark.parametrize("ca_file", ["/nowhere/ca.pem", __file__])
def test_a_file_without_certificates_is_refused(ca_file: str) -> None:
    with pytest.raises(HookConfigError) as refused:
        HookClient("https://localhost/", ca_file=ca_file)
    assert refused.value.code == "ca_file"


async def test_a_client_that_is_not_open_says_so() -> None:
    client = HookClient("http://localhost/")
    with pytest.raises(HookClosedError):
        await submit(client)
    async with client:
        pass
    with pytest.raises(HookClosedError):
        await submit(client)
    await client.__aexit__(None, None, None)
