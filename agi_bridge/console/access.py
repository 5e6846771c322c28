"""Who may send a request: the name it is sent to, where it comes from, and whose it is.

A page of another site can make a browser send requests here. Three rules keep such requests out,
whether people sign in or not:

* The `Host` header must be a name of this console: a name of somebody else's that was made to lead
  here (DNS rebinding) is refused.
* A POST must come from a page of this console, by `Origin` (RFC 6454) and `Sec-Fetch-Site`
  (W3C Fetch Metadata), of which browsers send at least one.
* The session's cookie is `SameSite=Strict` (RFC 6265bis): no other site's request carries it. A
  link from another site is opened once more from here, so nobody signs in twice for it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse

from agi_bridge.console.pages import refusal_page
from agi_bridge.console.refusal import Refusal
from agi_bridge.console.sessions import Visitor, cookie_name
from agi_bridge.net import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from agi_bridge.console.sessions import Sessions
    from agi_bridge.settings import ConsoleSettings

SIGN_IN: Final = "/sign-in"
STATIC: Final = "/static/"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    # Not `no-referrer`: with it a browser sends `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SAFE: Final = frozenset({"GET", "HEAD"})
_FAULT: Final = Refusal(500, "A fault", "The service's log says which. Calls are not affected.")
_NOBODY: Final = "somebody on this machine"
"""The name of a visitor where nobody signs in."""


class Access:
    """Lets the right requests through, each with its `Visitor`; an ASGI application around another.

    Args:
        app: answers what is let through.
        settings: gives `[console]` as it is in force.
        sessions: of those who signed in by password.
    """

    def __init__(
        self, app: ASGIApp, settings: Callable[[], ConsoleSettings], sessions: Sessions
    ) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)

        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        console = self._settings()
        answer = self._app
        try:
            check_host(request.headers.get("host", ""), console)
            if request.method not in _SAFE:
                check_origin(request)
            visitor = self._visitor(request, console)
            state = scope.setdefault("state", {})
            state |= {"visitor": visitor, "by_password": console.by_password}
            state["still"] = lambda: self._is_still(request, visitor, console)
            # Not `request.url`, which older starlettes make of what the `Host` header says.
            path = scope["path"]
            if visitor is None and path != SIGN_IN and not path.startswith(STATIC):
                answer = _to_sign_in(request, console)
        except Refusal as refusal:
            answer = refusal_page(refusal)
        try:
            await answer(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001 - the listener's application must not raise
            structlog.get_logger().error(
                "console.request_failed", path=request.url.path, exc_info=error
            )
            if not begun:
                await refusal_page(_FAULT)(scope, receive, send_with_headers)

    def _is_still(self, request: Request, visitor: Visitor | None, before: ConsoleSettings) -> bool:
        """Whether a request that goes on is still this visitor's, who was let in by `before`."""
        console = self._settings()
        if console is before and not console.by_password:
            return True  # its address and its headers are as they were; a session may have ended
        try:
            return self._visitor(request, console) == visitor
        except Refusal:
            return False

    def _visitor(self, request: Request, console: ConsoleSettings) -> Visitor | None:
        """Whose request it is; None: nobody has signed in."""
        if console.sign_in == "none":
            _check_this_machine(request)
            return Visitor(_NOBODY, console.role)
        if console.sign_in == "password":
            token = request.cookies.get(cookie_name(console))
            return None if token is None else self._sessions.visitor(token, console)
        return _proxied(request, console)


def check_host(given: str, console: ConsoleSettings) -> None:
    """Check the name that a request was sent to.

    Raises:
        Refusal: it is not a name of this console.
    """
    try:
        name = urlsplit(f"//{given}").hostname
    except ValueError:
        name = None
    if name is None or not (
        is_loopback(name) or name in console.hosts or name == console.host.lower()
    ):
        raise Refusal(
            421,
            "Not a name of this console",
            "Use the address that the service listens on, or add the name to console.hosts.",
        )


def check_origin(request: Request) -> None:
    """Check that a page of this console sends a request that changes something.

    Raises:
        Refusal: another site sends it, or nothing says who does.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if origin is not None:
        same = urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    else:
        same = site is not None
    if not same or site not in {None, "same-origin"}:
        raise Refusal(
            403,
            "Not from a page of this console",
            "Open the page again, and use its own buttons.",
        )


def _check_this_machine(request: Request) -> None:
    """Check that a request comes from this machine.

    `host` holds until a restart and `sign_in` does not, so the listener may be on another address.

    Raises:
        Refusal: it comes from elsewhere.
    """
    if request.client is None or not is_loopback(
        request.client.host.removeprefix("::ffff:")  # IPv4 at a socket for both
    ):
        raise Refusal(
            403, "Not from this machine", "Nobody signs in here, so only this machine may enter."
        )


def _proxied(request: Request, console: ConsoleSettings) -> Visitor:
    """The person whom the reverse proxy names.

    Raises:
        Refusal: the request does not come from the proxy, or names nobody who may enter.
    """
    if not _is_from_proxy(request, console):
        raise Refusal(403, "Not through the proxy", "Open the console through its reverse proxy.")
    names = request.headers.getlist(console.proxy_header)
    user = console.user(names[0].strip()) if len(names) == 1 else None
    if user is None:
        raise Refusal(
            403,
            "Not one of the console's people",
            "Ask the administrator to add you to console.users.",
        )
    return Visitor(user.name, user.role)


def client_address(request: Request, console: ConsoleSettings) -> str:
    """The address that a request comes from, as far as it can be believed; "": it is not known.

    Of a request from `console.proxies` it is the last one in `X-Forwarded-For`: the proxy itself
    adds that, and a client may have sent those before it.
    """
    if _is_from_proxy(request, console):
        last = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
        if (given := _address(last)) is not None:
            return str(given)
    return request.client.host if request.client else ""


def _is_from_proxy(request: Request, console: ConsoleSettings) -> bool:
    peer = _address(request.client.host) if request.client else None
    return peer is not None and any(
        peer.version == network.version and peer in network for network in console.proxies
    )


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, IPv4 also if it is written as IPv6; None: it is none."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found


def _to_sign_in(request: Request, console: ConsoleSettings) -> ASGIApp:
    if request.method not in _SAFE or not console.by_password:
        link = (_sign_in_for(_page_before(request)), "Sign in") if console.by_password else None
        return refusal_page(
            Refusal(
                403,
                "Not signed in",
                "Sign in, and open the page again; nothing was changed.",
                link,
            )
        )
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    address = _sign_in_for(path)
    if request.headers.get("sec-fetch-site") != "cross-site":
        return RedirectResponse(address, 303)
    # The cookie stayed behind, and would after a redirect too. The browser asks again from this
    # page, with the cookie, for the page of the sign-in, which leads on who is signed in.
    answer = refusal_page(
        Refusal(200, "From another site", "The page opens by itself.", (address, "Open it"))
    )
    answer.headers["Refresh"] = f"0; url={address}"
    return answer


def _sign_in_for(path: str) -> str:
    """The address of the sign-in that leads on to a path."""
    return f"{SIGN_IN}?next={quote(path, safe='')}" if path else SIGN_IN


def _page_before(request: Request) -> str:
    """The path of the page of this console that sent a form; "": it is not known."""
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return ""
    if page.netloc.lower() != request.headers.get("host", "").lower():
        return ""
    return page.path + (f"?{page.query}" if page.query else "")
