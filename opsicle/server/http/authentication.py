"""Who asks: a bearer token, a browser's cookie, or a worker's certificate.

A cookie is sent by a browser whoever made it send, so it proves less than a token does. Every change that comes with
one must also show that our own page asked for it: an `Origin` that is ours, and in `Opsicle-CSRF` a value that only
our page can have read. The cookie itself is HttpOnly, SameSite=Strict and bound to this host and to HTTPS by its
`__Host-` prefix; so another name that resolves to our address (DNS rebinding) never gets it, and needs no list of
allowed hosts.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import partial

from opsicle.domain.errors import NotAllowed, NotAuthenticated
from opsicle.server.http.request import Caller, Request
from opsicle.server.identity.sessions import Sessions
from opsicle.server.workers.service import Workers

SECURE_COOKIE = "__Host-opsicle"
PLAIN_COOKIE = "opsicle"
"""Over plain HTTP on loopback, as the demo serves it: not every browser keeps a `Secure` cookie there."""

CSRF_HEADER = "Opsicle-CSRF"
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_BEARER = "Bearer "


class PersonAuthentication:
    """Finds the person behind a request on the users' listener."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def __call__(self, request: Request) -> Caller:
        """Whose token or cookie came with the request. Raises NotAuthenticated or NotAllowed."""
        header = request.header("Authorization")
        if header:
            token = _bearer_token(header)
            actor = self._sessions.authenticate(token, request.address, "token")
            return Caller(actor, is_still_good=partial(self._sessions.is_good, token, actor.rights))
        token = _cookie_token(request)
        actor = self._sessions.authenticate(token, request.address, "browser")
        caller = Caller(actor, csrf_token(token), partial(self._sessions.is_good, token, actor.rights))
        if request.method not in _SAFE_METHODS:
            _check_own_page_asks(request, caller.csrf_token)
        return caller


class WorkerAuthentication:
    """Finds the worker behind a request on the workers' listener, in the database, on every request anew."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def __call__(self, request: Request) -> Caller:
        """Which worker's certificate the connection showed. Raises NotAuthenticated."""
        return Caller(self._workers.authenticate(request.worker_identity, request.address))


def check_origin(request: Request) -> None:
    """Raise NotAllowed for a change that another site's page asks for, whatever it is and whoever is logged in."""
    origin = request.header("Origin")
    if origin and request.method not in _SAFE_METHODS and origin.lower() != request.origin:
        raise NotAllowed(
            "another site's page asked for this",
            hint="If this is your own address: the proxy before the server must pass on Host and X-Forwarded-Proto.",
        )


def csrf_token(session_token: str) -> str:
    """What a browser's script sends back: derived from the session's token, which the script itself cannot read."""
    return hmac.new(session_token.encode(), b"opsicle csrf", hashlib.sha256).hexdigest()


def session_cookie(request: Request, token: str, max_age: int) -> tuple[str, str]:
    """The header that logs a browser in for `max_age` seconds; 0 logs it out."""
    name, secure = (SECURE_COOKIE, "; Secure") if request.is_secure else (PLAIN_COOKIE, "")
    return ("Set-Cookie", f"{name}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}")


def _bearer_token(header: str) -> str:
    if not header.startswith(_BEARER):
        raise NotAuthenticated("the Authorization header is of a kind that we do not take", hint="Use a bearer token.")
    return header[len(_BEARER) :].strip()


def _cookie_token(request: Request) -> str:
    wanted = SECURE_COOKIE if request.is_secure else PLAIN_COOKIE
    for pair in request.header("Cookie").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value
    raise NotAuthenticated("you are not logged in", hint="Log in first.")


def _check_own_page_asks(request: Request, expected: str) -> None:
    if request.header("Origin").lower() != request.origin:
        raise NotAllowed("a browser must say that our own page asks (Origin)", hint="Reload the page.")
    if not hmac.compare_digest(request.header(CSRF_HEADER).encode(), expected.encode()):
        raise NotAllowed(f"a browser must send {CSRF_HEADER} with every change", hint="Reload the page.")
