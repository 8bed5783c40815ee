"""The WSGI application.

Finds the route, asks whether the caller may, calls the handler, encodes what it says.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.errors import Internal, InvalidInput, NotFound, OpsicleError
from opsicle.server.access.actor import Actor
from opsicle.server.http import origin, problems
from opsicle.server.http.event_stream import CONTENT_TYPE as EVENT_STREAM
from opsicle.server.http.open_streams import EventStreams
from opsicle.server.http.request import IN_ORG, JSON, MESSAGEPACK, Caller
from opsicle.server.http.route_matcher import Match, RouteMatcher, WrongMethod
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.shares import Shares, Whose
from opsicle.wire.endpoint import MAX_BODY_BYTES

log = logging.getLogger(__name__)

StartResponse = Callable[[str, list[tuple[str, str]]], object]

SECURITY_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; frame-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
HSTS = ("Strict-Transport-Security", "max-age=31536000")

MAX_REQUESTS_PER_USER = 100
MAX_REQUESTS_PER_ORG = 400
MAX_REQUESTS = 2000
"""Requests of people under way at once, until their answers are taken: a large one holds a megabyte
of memory while its reader takes its time. Event streams have shares of their own."""

_WHOSE = "opsicle.whose"
"""Where the environment says for whom a request counts."""

_NO_STORE = ("Cache-Control", "no-store")
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_BODILESS = frozenset({204, 304})
_OF_AN_ORG = re.compile(r"/orgs/([^/]+)(/api/.*)", re.DOTALL)
"""The API as an org's pages ask it. What they ask is answered in that org, or not at all."""


class Observer(Protocol):
    """Told of every request once it is answered, for the metrics."""

    def __call__(self, route: str, method: str, status: int, seconds: float) -> None:
        """Log one request. `seconds` is until the answer was ready; a stream goes on after it."""


class Application:
    """One listener's routes as a WSGI application.

    Bodies are JSON, or MessagePack where `is_binary`.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        authenticate: Callable[[Request], Caller],
        *,
        fallback: Callable[[Request], Reply],
        streams: EventStreams,
        observe: Observer,
        is_binary: bool = False,
    ) -> None:
        """Build the application. `fallback` answers paths that no route has."""
        self.routes = tuple(routes)
        self._authenticate = authenticate
        self._fallback = fallback
        self._streams = streams
        self._observe = observe
        self._encode = (
            msgspec.msgpack.Encoder().encode if is_binary else msgspec.json.Encoder().encode
        )
        self._media_type = MESSAGEPACK if is_binary else JSON
        self._common_headers = () if is_binary else (*SECURITY_HEADERS, _NO_STORE)
        self._routes = RouteMatcher(routes)
        self._under_way = Shares(MAX_REQUESTS_PER_USER, MAX_REQUESTS_PER_ORG, MAX_REQUESTS)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; never raises."""
        began = time.monotonic()
        name, reply = self._answer(environ)
        headers, body = self._sendable(reply, is_host_ours=_is_host_ours(environ))
        if whose := environ.get(_WHOSE):
            body = _counted(self._under_way, whose, body)
            next(body)  # so that its end is noted, whatever becomes of it
        seconds = time.monotonic() - began
        self._observe(name, environ["REQUEST_METHOD"], reply.status, seconds)
        self._log_access(environ, reply.status, seconds)
        start_response(_STATUS_LINES[reply.status], headers)
        return (b"",) if environ["REQUEST_METHOD"] == "HEAD" else body

    def _answer(self, environ: dict[str, Any]) -> tuple[str, Reply]:
        """Return the route's name and the answer, whatever happens."""
        name = "unknown"
        try:
            route, arguments = self._match(environ)
            if isinstance(route, Reply):
                return name, route
            name = route.name
            return name, self._call(route, environ, arguments)
        except OpsicleError as error:
            return name, problems.reply_to(error)
        except Exception:
            incident = secrets.token_hex(6)
            log.exception("request failed", extra={"incident": incident, "route": name})
            return name, problems.reply_to(
                Internal(
                    "the server made a mistake", hint=f"Its log has the details under {incident}."
                )
            )

    def _match(self, environ: dict[str, Any]) -> tuple[Route | Reply, Mapping[str, str]]:
        path = _decoded_path(environ["PATH_INFO"])
        if in_org := _OF_AN_ORG.fullmatch(path):
            environ[IN_ORG], path = in_org.groups()
        environ["PATH_INFO"] = path
        found = self._routes.find(environ["REQUEST_METHOD"], path)
        if isinstance(found, Match):
            return found
        if isinstance(found, WrongMethod):
            return problems.method_not_allowed(found.allowed), {}
        return self._fallback(self._request(environ, MAX_BODY_BYTES)), {}

    def _call(self, route: Route, environ: dict[str, Any], arguments: Mapping[str, str]) -> Reply:
        request = self._request(environ, route.endpoint.max_body)
        origin.check_origin(request)
        _admit(request, route)
        if isinstance(route.may, Action):
            self._count(environ, request.actor)
        try:
            request.check_query(route.endpoint.query)
            reply = route.handler(request, **arguments)
        except BaseException:
            self._uncount(environ)
            raise
        if reply.content_type == EVENT_STREAM:  # these have shares of their own
            self._uncount(environ)
        if reply.body is None:
            return reply
        return reply._replace(
            body=None, raw=self._encode(reply.body), content_type=self._media_type
        )

    def _count(self, environ: dict[str, Any], actor: Actor) -> None:
        """Count a request until its answer is sent. Raises TooManyRequests if there are enough."""
        whose = Whose(actor.user_id, actor.org_id)
        self._under_way.check(
            whose, "requests under way", retry_after=1, hint="Send one after the other."
        )
        self._under_way.add(whose)
        environ[_WHOSE] = whose

    def _uncount(self, environ: dict[str, Any]) -> None:
        if whose := environ.pop(_WHOSE, None):
            self._under_way.remove(whose)

    def _request(self, environ: dict[str, Any], max_body: int) -> Request:
        return Request(environ, self._authenticate, self._streams, max_body)

    def _sendable(
        self, reply: Reply, *, is_host_ours: bool
    ) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
        headers = list(self._common_headers)
        if reply.headers:
            own = {name for name, _ in reply.headers}
            headers = [header for header in headers if header[0] not in own]
            headers += reply.headers
        if is_host_ours:
            headers.append(HSTS)
        if reply.status in _BODILESS:
            return headers, (b"",)
        if reply.stream is not None:
            headers.append(("Content-Type", reply.content_type))
            return headers, reply.stream

        content = reply.raw or b""
        headers += [("Content-Type", reply.content_type), ("Content-Length", str(len(content)))]
        return headers, (content,)

    def _log_access(self, environ: Mapping[str, Any], status: int, seconds: float) -> None:
        """Log one line a request, always if it failed.

        Without query and headers, for both may hold what is secret.
        """
        level = logging.INFO if status >= HTTPStatus.BAD_REQUEST else logging.DEBUG
        if log.isEnabledFor(level):
            extra = {
                "method": environ["REQUEST_METHOD"],
                "path": environ["PATH_INFO"],
                "status": status,
                "ms": round(seconds * 1000, 1),
                "address": environ["REMOTE_ADDR"],
            }
            log.log(level, "request", extra=extra)


def _counted(shares: Shares, whose: Whose, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Return an answer that counts until it is closed; the first piece is empty."""
    try:
        yield b""
        yield from parts
    finally:
        shares.remove(whose)
        close = getattr(parts, "close", None)
        if close:
            close()


def route_not_found(_request: Request) -> Reply:
    """Return the fallback of a listener that has routes and nothing more."""
    raise NotFound(
        "there is nothing at this address", hint="See /api/openapi.json for what there is."
    )


def _admit(request: Request, route: Route) -> None:
    """Raise NotAuthenticated or NotAllowed unless the caller may use this route.

    The service asks once more.
    """
    if isinstance(route.may, Action):
        request.actor.require(route.may)
    elif route.may is Access.WORKER:
        _ = request.worker


def _is_host_ours(environ: Mapping[str, Any]) -> bool:
    """Return whether HTTPS may be demanded of a whole host.

    Not if we have one port of it, and others have theirs.
    """
    host = environ.get("HTTP_HOST", "localhost")
    return environ["wsgi.url_scheme"] == "https" and ":" not in host and host != "localhost"


def _decoded_path(path: str) -> str:
    """WSGI hands over the path's bytes as Latin-1 (PEP 3333)."""
    try:
        decoded = path.encode("latin-1").decode()
    except UnicodeError as error:
        raise InvalidInput("the path is not UTF-8") from error
    if "\0" in decoded:
        raise InvalidInput("the path has a NUL in it")
    return decoded
