"""Routes calls to handlers by the script path of the AGI URL.

    router = Router()

    @router.route("orders/{number}")
    async def order(channel: Channel, number: str) -> None: ...

    async with Server(router) as server: ...

``AGI(agi://host/orders/42?lang=en)`` then calls `order` with ``number="42"``.
"""

import inspect
import re
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Final, TypeVar
from urllib.parse import unquote

import structlog
from structlog.typing import FilteringBoundLogger

from agi_bridge.agi.channel import Channel
from agi_bridge.agi.session import Handler

RoutedHandler = Callable[Concatenate[Channel, ...], Coroutine[Any, Any, None]]
"""A handler that takes the placeholders of its pattern by name, as text."""

_Pattern = tuple[str | None, ...]
_Routed = TypeVar("_Routed", bound=RoutedHandler)
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

log: FilteringBoundLogger = structlog.get_logger("agi_bridge.agi")


class Router:
    """A handler that passes each call on by the path of its script, without the query.

    A pattern is made of parts between slashes. A part is text, which must be equal, or
    ``{name}``, which takes any text but an empty one. Parts of the URL are percent-decoded first.
    A path without placeholders is found before patterns; of patterns the first that was added
    wins. A call that nothing matches goes to `default`; without one it is refused, so that the
    dialplan sees AGISTATUS=FAILURE and can use its fallback.
    """

    def __init__(self, default: Handler | None = None) -> None:
        self._default = default
        self._routes: dict[_Pattern, tuple[tuple[str, ...], RoutedHandler]] = {}

    def add(self, pattern: str, handler: RoutedHandler) -> None:
        """Let `handler` take the calls whose path matches.

        Raises:
            ValueError: the pattern exists, repeats a name, or mixes text and placeholder in a part;
                or the handler does not take its placeholders.
        """
        parts: list[str | None] = []
        names: list[str] = []
        for part in _split(pattern):
            found = _PLACEHOLDER.fullmatch(part)
            if found is None and ("{" in part or "}" in part):
                raise ValueError(f"{pattern!r}: a placeholder must be a whole part, like {{name}}")
            parts.append(None if found else part)
            if found:
                names.append(found[1])
        if len(names) != len(set(names)):
            raise ValueError(f"{pattern!r} names a placeholder twice")
        if tuple(parts) in self._routes:
            raise ValueError(f"{pattern!r} is routed already")
        try:
            inspect.signature(handler).bind(None, **dict.fromkeys(names, ""))
        except TypeError as error:
            raise ValueError(f"{pattern!r}: its handler does not take the call: {error}") from None
        self._routes[tuple(parts)] = tuple(names), handler

    def route(self, pattern: str) -> Callable[[_Routed], _Routed]:
        """Add the decorated handler: `add` as a decorator."""

        def added(handler: _Routed) -> _Routed:
            self.add(pattern, handler)
            return handler

        return added

    async def __call__(self, channel: Channel) -> None:
        """Run the handler that matches the call's script, `default`, or refuse the call."""
        parts = tuple(
            unquote(part) for part in _split((channel.environment.script or "").partition("?")[0])
        )
        exact = self._routes.get(parts)
        if exact is not None:
            await exact[1](channel)
            return
        for pattern, (names, handler) in self._routes.items():
            values = _values(pattern, parts)
            if values is not None:
                await handler(channel, **dict(zip(names, values, strict=True)))
                return
        if self._default is not None:
            await self._default(channel)
            return
        # Without the path: it may hold a caller's number.
        log.warning("agi.script_unknown", call=channel.environment.unique_id)
        await channel.refuse("no such script")


def _split(path: str) -> list[str]:
    path = path.strip("/")
    return path.split("/") if path else []


def _values(pattern: _Pattern, parts: tuple[str, ...]) -> list[str] | None:
    """Give the placeholders' values if the path matches the pattern."""
    if len(pattern) != len(parts):
        return None
    values: list[str] = []
    for expected, part in zip(pattern, parts, strict=True):
        if expected is None and part:
            values.append(part)
        elif expected != part:
            return None
    return values
