"""One HTTP request, as the handlers see it: who asks, and what was sent, decoded and checked."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import parse_qs

import msgspec

from opsicle.domain.errors import InvalidInput, NotAuthenticated, Problem, TooLarge
from opsicle.security.certificates import WorkerIdentity
from opsicle.server.access.actor import Actor, WorkerActor
from opsicle.server.http.open_streams import EventStreams

T = TypeVar("T")

MAX_QUERY_PARAMETERS = 50
MAX_PARAMETER_CHARACTERS = 512
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,128}")
_PLACE = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_MAXIMUM = re.compile(r"Expected `(\w+)` of length <= ([0-9]+)")
_COUNTED = {"str": "characters", "bytes": "bytes", "array": "items", "object": "entries"}

_BOOLEANS = {"": False, "true": True, "1": True, "false": False, "0": False}

JSON = "application/json"
MESSAGEPACK = "application/msgpack"
BYTES = "application/octet-stream"


WORKER_IDENTITY = "opsicle.worker_identity"
"""Where the workers' listener leaves in the WSGI environment what the client certificate says."""

IN_ORG = "opsicle.in_org"
"""Where the application leaves the code of the org that stands in the address."""

ON_DISCONNECT = "opsicle.on_disconnect"
"""Where a listener leaves how to be called when the peer closes the connection before it is
answered."""


class Caller(NamedTuple):
    """Who asks, once that is proven. `csrf_token` is for browsers' sessions, "" for everyone else.

    `is_still_good` says whether the proof would be taken again, for answers that go on and on.
    """

    actor: Actor | WorkerActor
    csrf_token: str = ""
    is_still_good: Callable[[], bool] = lambda: True


class Request:
    """Made anew for every call from the WSGI environment; `actor` and `worker` say whose it is."""

    def __init__(
        self,
        environ: Mapping[str, Any],
        authenticate: Callable[[Request], Caller],
        streams: EventStreams,
        max_body: int,
    ) -> None:
        """Wrap the environment.

        `authenticate` is asked who it is when that is first needed, and raises NotAuthenticated if
        it is nobody.
        """
        self.streams = streams
        self._environ = environ
        self._authenticate = authenticate
        self._max_body = max_body
        self._known_caller: Caller | None = None

    @property
    def _caller(self) -> Caller:
        if self._known_caller is None:  # functools.cached_property takes a lock each time
            self._known_caller = self._authenticate(self)
        return self._known_caller

    @property
    def actor(self) -> Actor:
        """The person who asks. Raises NotAuthenticated if nobody is logged in."""
        actor = self._caller.actor
        if not isinstance(actor, Actor):
            raise NotAuthenticated(
                "this call is for people", hint="Use the users' address of the server."
            )
        return actor

    @property
    def is_caller_still_good(self) -> bool:
        """Whether the caller's proof still holds: False after logout, disabling or expiry."""
        return self._caller.is_still_good()

    @property
    def worker(self) -> WorkerActor:
        """The worker that asks. Raises NotAuthenticated on the users' listener."""
        actor = self._caller.actor
        if not isinstance(actor, WorkerActor):
            raise NotAuthenticated("this call is for workers", hint="Enrol with a join token.")
        return actor

    @property
    def worker_identity(self) -> WorkerIdentity:
        """Who the client certificate of this connection names.

        Raises NotAuthenticated if it showed none.
        """
        identity = self._environ.get(WORKER_IDENTITY)
        if identity is None:
            raise NotAuthenticated(
                "this call needs a worker's certificate", hint="Enrol with a join token."
            )
        return cast("WorkerIdentity", identity)

    def on_disconnect(self, call: Callable[[], None]) -> AbstractContextManager[None]:
        """Call, from the event loop, if the peer closes the connection while the context lasts.

        `call` must not wait for anything.
        """
        watch = self._environ.get(ON_DISCONNECT)
        return cast("AbstractContextManager[None]", watch(call)) if watch else nullcontext()

    @property
    def csrf_token(self) -> str:
        """What a browser's script must send back in `Opsicle-CSRF` with every change.

        "" without a cookie session.
        """
        return self._caller.csrf_token

    @property
    def path(self) -> str:
        """The path, decoded, without the query."""
        return cast("str", self._environ["PATH_INFO"])

    @property
    def org(self) -> str:
        """The code of the org that the address names, "" if it names none."""
        return cast("str", self._environ.get(IN_ORG, ""))

    @property
    def method(self) -> str:
        """`GET`, `POST` and so on."""
        return cast("str", self._environ["REQUEST_METHOD"])

    @property
    def address(self) -> str:
        """The peer's IP address; behind a trusted proxy the one that the proxy names."""
        return cast("str", self._environ["REMOTE_ADDR"])

    @property
    def is_secure(self) -> bool:
        """Whether the browser speaks HTTPS, to us or to the trusted proxy before us."""
        return cast("str", self._environ["wsgi.url_scheme"]) == "https"

    @property
    def origin(self) -> str:
        """Where the browser thinks that we are, as `https://ops.example.com`."""
        return f"{self._environ['wsgi.url_scheme']}://{self.header('Host').lower()}"

    @property
    def idempotency_key(self) -> str:
        """`Idempotency-Key`, "" if there is none.

        Raises InvalidInput for one that is too long or not plain ASCII.
        """
        key = self.header("Idempotency-Key")
        if key and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise InvalidInput("Idempotency-Key must be 1 to 128 ASCII characters without spaces")
        return key

    def header(self, name: str, default: str = "") -> str:
        """Return a request header's value, `default` if it was not sent."""
        key = name.upper().replace("-", "_")
        return cast(
            "str", self._environ.get(key if key.startswith("CONTENT_") else f"HTTP_{key}", default)
        )

    def query(self, name: str, default: str = "") -> str:
        """Return a query parameter's value. Raises InvalidInput if it stands there twice."""
        values = self._query.get(name, [default])
        if len(values) > 1:
            raise _bad_parameter(name, "stands there more than once")
        if len(values[0]) > MAX_PARAMETER_CHARACTERS:
            raise _bad_parameter(name, f"may have at most {MAX_PARAMETER_CHARACTERS} characters")
        return values[0]

    def query_int(self, name: str, default: int, *, low: int = 0, high: int = 2**53) -> int:
        """Return a query parameter that is a whole number from `low` to `high`.

        Raises InvalidInput for anything else.
        """
        text = self.query(name)
        if not text:
            return default
        if not re.fullmatch(r"-?[0-9]{1,16}", text) or not low <= int(text) <= high:
            raise _bad_parameter(name, f"must be a whole number from {low} to {high}")
        return int(text)

    def query_bool(self, name: str) -> bool:
        """Return a query parameter that is `true` or `false`, or 1 or 0; False without it.

        Raises InvalidInput.
        """
        text = self.query(name)
        if text not in _BOOLEANS:
            raise _bad_parameter(name, "must be true or false")
        return _BOOLEANS[text]

    def query_time(self, name: str) -> datetime | None:
        """Return a query parameter that is a time (RFC 3339) or a date in UTC; None without it.

        Raises InvalidInput.
        """
        text = self.query(name)
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # the latter at either end of the calendar
            raise _bad_parameter(
                name, "is no time, such as 2026-03-01 or 2026-03-01T12:00:00Z"
            ) from None

    def check_query(self, known: Mapping[str, type]) -> None:
        """Raise InvalidInput for a parameter that the route does not have.

        A typo must not show too much or little.
        """
        if not self._environ.get("QUERY_STRING"):
            return
        for name in self._query:
            if name not in known:
                raise _bad_parameter(name, "is not known here")

    @functools.cached_property
    def _query(self) -> dict[str, list[str]]:
        text = self._environ.get("QUERY_STRING", "")
        if not text:
            return {}
        try:
            return parse_qs(
                text, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_PARAMETERS
            )
        except ValueError as error:  # UnicodeDecodeError is one
            raise InvalidInput("the query string cannot be read") from error

    def raw_body(self) -> bytes:
        """Return the body as it came.

        Raises TooLarge beyond the route's limit; the rest stays unread.
        """
        declared = self._environ.get("CONTENT_LENGTH") or "0"
        if int(declared) > self._max_body:
            raise self._too_large()
        body = cast("bytes", self._environ["wsgi.input"].read(self._max_body + 1))
        if len(body) > self._max_body:  # chunked: nobody said how much it would be
            raise self._too_large()
        return body

    @property
    def declared_length(self) -> int:
        """How long the body is, as far as the head says; 0 where it comes in chunks."""
        return int(self._environ.get("CONTENT_LENGTH") or "0")

    def stream(self) -> Callable[[int], bytes]:
        """Return what reads the next bytes of a body that is no message, to be called by turns.

        It returns less than asked for only at the body's end, and raises InvalidInput where that
        breaks off. Raises InvalidInput unless the body is announced as bytes.
        """
        if self._media_type != BYTES:
            raise InvalidInput("the body is no file", hint=f"Send it as {BYTES}.")
        return cast("Callable[[int], bytes]", self._environ["wsgi.input"].read)

    def body(self, kind: type[T]) -> T:
        """Return the body as the message `kind`.

        Raises InvalidInput where it does not fit, naming the place.
        """
        media_type = self._media_type
        if media_type not in (JSON, MESSAGEPACK):
            raise InvalidInput(
                "the body is of a kind that we do not take", hint=f"Send it as {JSON}."
            )

        content = self.raw_body()
        try:
            return cast("T", _decoder(cast("Any", kind), media_type).decode(content))
        except msgspec.ValidationError as error:
            raise does_not_fit(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(
                "the body cannot be read", hint=f"It must be {media_type}."
            ) from error

    @property
    def _media_type(self) -> str:
        return self.header("Content-Type").partition(";")[0].strip().lower()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is longer than {self._max_body} bytes")


@functools.cache
def _decoder(
    kind: Any, media_type: str
) -> msgspec.json.Decoder[Any] | msgspec.msgpack.Decoder[Any]:
    return msgspec.json.Decoder(kind) if media_type == JSON else msgspec.msgpack.Decoder(kind)


def does_not_fit(message: str, inside: str = "") -> InvalidInput:
    """Turn msgspec's "Expected `int`, got `str` - at `$.values[0]`" into place and message.

    `inside` is the place of the whole, if it is a part of the body.
    """
    place = _PLACE.search(message)
    what = message[: place.start()] if place else message
    maximum = _MAXIMUM.fullmatch(what)
    if maximum:
        what = f"may have at most {int(maximum[2]):,} {_COUNTED[maximum[1]]}"
    what = what[0].lower() + what[1:]
    path = ".".join(part for part in (inside, place[1] if place else "") if part)
    return InvalidInput(f"{path}: {what}" if path else what, problems=(Problem(path, what),))


def _bad_parameter(name: str, what: str) -> InvalidInput:
    message = f"the query parameter {name[:60]!r} {what}"
    return InvalidInput(message, problems=(Problem(f"query.{name[:60]}", message),))
