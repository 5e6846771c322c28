"""URLs, limits and certificate files that a client refuses before it is used."""

import pytest

from agi_bridge.hook import HookClient, HookClosedError, HookConfigError
from tests.support.hook_servers import submit


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://hooks.example.com/v1/ivr", "https unless"),
        ("http://127.0.0.1.example.com/", "https unless"),
        ("http://192.0.2.1/", "https unless"),
        ("ftp://127.0.0.1/", "begins with https"),
        ("https:///v1/ivr", "begins with https"),
        ("hooks.example.com", "begins with https"),
        ("https://user:secret@hooks.example.com/", "no user"),
        ("https://hooks.example.com/#secret", "no user"),
        ("https://hooks.example.com:port/", "cannot be read"),
        ("https://hooks.example.com/\n", "cannot be read"),
    ],
)
def test_a_url_that_would_give_the_key_away_is_refused_at_once(url: str, fault: str) -> None:
    with pytest.raises(HookConfigError, match=fault) as caught:
        HookClient(url)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "url", ["https://hooks.instaply.com/v1/ivr", "http://localhost:1/", "http://[::1]:1/"]
)
def test_https_or_this_machine_is_accepted(url: str) -> None:
    HookClient(url)


@pytest.mark.parametrize("name", ["connect_seconds", "total_seconds", "max_bytes"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(HookConfigError, match="more than 0"):
        HookClient("http://localhost/", **{name: 0})  # type: ignore[arg-type]  # any of three


def test_another_method_is_refused() -> None:
    with pytest.raises(HookConfigError, match="GET or POST"):
        HookClient("http://localhost/", method="PUT")  # type: ignore[arg-type]  # the point


@pytest.mark.parametrize("ca_file", ["/nowhere/ca.pem", __file__])
def test_a_file_without_certificates_is_refused(ca_file: str) -> None:
    with pytest.raises(HookConfigError, match="ca_file"):
        HookClient("https://localhost/", ca_file=ca_file)


async def test_a_client_that_is_not_open_says_so() -> None:
    client = HookClient("http://localhost/")
    with pytest.raises(HookClosedError):
        await submit(client)
    async with client:
        pass
    with pytest.raises(HookClosedError):
        await submit(client)
    await client.__aexit__(None, None, None)
