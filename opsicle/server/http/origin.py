"""Whether a browser's request comes from our own page, and the cookie of its session.

A cookie is sent by a browser whoever made it send, so it proves less than a token does. Every
change that comes with one must also show that our own page asked for it: an `Origin` that is ours,
and in `Opsicle-CSRF` a value that only our page can have read. The cookie itself is HttpOnly,
SameSite=Strict and bound to this host and to HTTPS by its `__Host-` prefix; so another name that
resolves to our address (DNS rebinding) never gets it, and needs no list of allowed hosts.

A session is of one org, and a browser may have one of each org side by side: their cookies end in
the org's code. Beside them is one for addresses that name no org, with the session begun last.
"""

from __future__ import annotations

import hashlib
import hmac

from opsicle.domain.errors import NotAllowed, NotAuthenticated
from opsicle.server.http.request import Request

SECURE_COOKIE = "__Host-opsicle"
PLAIN_COOKIE = "opsicle"
"""Over plain HTTP on loopback, as the demo serves it: not every browser keeps a `Secure` cookie
there."""

CSRF_HEADER = "Opsicle-CSRF"
_SAFE_METHODS = frozenset({"GET", "HEAD"})


def check_origin(request: Request) -> None:
    """Raise NotAllowed for a change that another site's page asks for."""
    origin = request.header("Origin")
    if origin and request.method not in _SAFE_METHODS and origin.lower() != request.origin:
        raise NotAllowed(
            "another site's page asked for this",
            hint="If this is your own address: "
            "the proxy before the server must pass on Host and X-Forwarded-Proto.",
        )


def csrf_token(session_token: str) -> str:
    """Return what a browser's script sends back.

    Derived from the session's token, which the script itself cannot read.
    """
    return hmac.new(session_token.encode(), b"opsicle csrf", hashlib.sha256).hexdigest()


def session_cookies(
    request: Request, org: str, token: str, max_age: int
) -> tuple[tuple[str, str], ...]:
    """Return the headers that log a browser in to an org for `max_age` seconds."""
    name = _cookie_name(request)
    return tuple(_cookie(request, each, token, max_age) for each in (name, f"{name}-{org}"))


def ended_cookies(request: Request, *, but: str = "") -> tuple[tuple[str, str], ...]:
    """Return the headers that log a browser out: of all orgs, or of all `but` one."""
    name = _cookie_name(request)
    kept = (name, f"{name}-{but}") if but else ()
    return tuple(
        _cookie(request, each, "", 0) for each, _ in _sessions(request) if each not in kept
    )


def session_token(request: Request) -> str:
    """Return the token of a browser's session: the one of the org that the address names.

    Raises NotAuthenticated without one.
    """
    found = dict(_sessions(request))
    name = _cookie_name(request)
    token = found.get(f"{name}-{request.org}") or found.get(name)
    if not token:
        raise NotAuthenticated("you are not logged in", hint="Log in first.")
    return token


def session_tokens(request: Request) -> frozenset[str]:
    """Return the tokens of all of a browser's sessions."""
    return frozenset(token for _, token in _sessions(request))


def _cookie(request: Request, name: str, token: str, max_age: int) -> tuple[str, str]:
    secure = "; Secure" if request.is_secure else ""
    return (
        "Set-Cookie",
        f"{name}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}",
    )


def _cookie_name(request: Request) -> str:
    return SECURE_COOKIE if request.is_secure else PLAIN_COOKIE


def _sessions(request: Request) -> list[tuple[str, str]]:
    """Return the names and tokens of the sessions' cookies."""
    wanted = _cookie_name(request)
    pairs = (pair.strip().partition("=") for pair in request.header("Cookie").split(";"))
    return [
        (name, token) for name, _, token in pairs if name == wanted or name.startswith(f"{wanted}-")
    ]


def check_own_page_asks(request: Request, csrf_token: str) -> None:
    """Raise NotAllowed unless a change that came with a cookie was asked for by our own page."""
    if request.method in _SAFE_METHODS:
        return
    if request.header("Origin").lower() != request.origin:
        raise NotAllowed(
            "a browser must say that our own page asks (Origin)", hint="Reload the page."
        )
    if not hmac.compare_digest(request.header(CSRF_HEADER).encode(), csrf_token.encode()):
        raise NotAllowed(
            f"a browser must send {CSRF_HEADER} with every change", hint="Reload the page."
        )
