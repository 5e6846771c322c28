import pytest

from agi_bridge.agi import Channel, Router
from agi_bridge.agi.testing import FakeAsterisk


def routed() -> tuple[Router, list[object]]:
    seen: list[object] = []
    router = Router()

    @router.route("menu")
    async def menu(_channel: Channel) -> None:
        seen.append("menu")

    @router.route("orders/{number}/status")
    async def status(_channel: Channel, number: str) -> None:
        seen.append(("status", number))

    @router.route("{shop}/{page}")
    async def page(_channel: Channel, shop: str, page: str) -> None:
        seen.append((shop, page))

    @router.route("orders/all")
    async def orders(_channel: Channel) -> None:
        seen.append("all")

    return router, seen


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("menu", "menu"),
        ("/menu/", "menu"),
        ("menu?lang=en/us", "menu"),
        ("orders/42/status", ("status", "42")),
        ("orders/a%2Fb/status?x=1", ("status", "a/b")),
        ("orders/all", "all"),
        ("orders/new", ("orders", "new")),
    ],
)
async def test_the_path_decides_which_handler_takes_the_call(path: str, taken: object) -> None:
    router, seen = routed()
    call = await FakeAsterisk().run(router, path)
    assert seen == [taken]
    assert call.status == "SUCCESS"


@pytest.mark.parametrize("path", ["", "nothing", "orders//status", "orders/1/status/more", "Menu"])
async def test_a_path_without_a_handler_fails_so_that_the_dialplan_can_go_elsewhere(
    path: str,
) -> None:
    router, seen = routed()
    call = await FakeAsterisk().run(router, path)
    assert (call.status, seen) == ("FAILURE", [])


async def test_the_default_takes_what_no_pattern_does() -> None:
    seen: list[str | None] = []

    async def default(channel: Channel) -> None:
        seen.append(channel.environment.script)

    await FakeAsterisk().run(Router(default), "anything?x=1")
    await FakeAsterisk().run(Router(default))
    assert seen == ["anything?x=1", None]


async def test_the_url_without_a_path_has_a_handler_of_its_own() -> None:
    seen: list[bool] = []
    router = Router()

    @router.route("")
    async def root(_channel: Channel) -> None:
        seen.append(True)

    await FakeAsterisk().run(router)
    assert seen == [True]


@pytest.mark.parametrize("pattern", ["a{b}", "{a}/{a}", "{}", "{1}", "menu", "/menu/", "a}"])
def test_a_pattern_that_could_not_mean_anything_is_refused(pattern: str) -> None:
    router, _ = routed()

    async def handler(_channel: Channel) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match=r"placeholder|routed"):
        router.add(pattern, handler)


def test_a_handler_that_does_not_take_its_placeholders_is_refused_at_once() -> None:
    async def handler(_channel: Channel) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="does not take the call"):
        Router().add("orders/{number}", handler)
