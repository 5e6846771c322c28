"""What a reload would put together: the new configuration with what holds until a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.settings import SettingsError, keep_fixed
from tests.support.settings_texts import SHOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.settings import Settings

HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$" + "A" * 43
USER = f'[[console.users]]\nname = "ann"\nrole = "act"\npassword_hash = "{HASH}"\n'


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        # A sign-in for loopback alone, on a console that still listens on the network.
        (
            '[console]\nenabled = true\nhost = "192.0.2.1"\nhosts = ["a.example"]\n' + USER,
            '[console]\nenabled = true\nhost = "127.0.0.1"\nsign_in = "none"\n',
            "console.sign_in",
        ),
        ("[console]\nenabled = true\n" + USER, "", "console.users"),
    ],
)
def test_what_does_not_fit_what_holds_until_a_restart_is_refused(
    load: Callable[..., Settings], before: str, after: str, named: str
) -> None:
    running = load(before + SHOP)
    with pytest.raises(SettingsError) as caught:
        keep_fixed(load(after + SHOP), running)
    assert named in [fault.key for fault in caught.value.faults]


def test_what_fits_is_taken_with_its_secrets(load: Callable[..., Settings]) -> None:
    token = '[agi]\nport = {}\ntoken = {{env = "SHOP_KEY"}}\n[web]\ntoken = {{env = "SHOP_KEY"}}\n'
    running = load(token.format(4573) + SHOP)
    kept, waiting = keep_fixed(load(token.format(4574) + SHOP), running)
    assert waiting == ("agi.port",)
    assert kept.agi.secret() == running.agi.secret()
