"""The worker's calls to its server: MessagePack over mutual TLS 1.3, on kept-alive connections.

Neither urllib3 nor the standard library's client: a held poll must be let go from another thread,
which needs the socket, and every job costs two calls, so that a lighter client shows (see
exchange.py).
"""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

import msgspec

from opsicle.domain import errors
from opsicle.domain.clocks import time_text
from opsicle.domain.errors import (
    ClockOff,
    Internal,
    NotAuthenticated,
    OpsicleError,
    TooManyRequests,
    Unreachable,
)
from opsicle.kit.backoff import Backoff
from opsicle.wire.problems import error_of
from opsicle.worker.exchange import BadAnswer
from opsicle.worker.https_connection import HttpsConnection
from opsicle.worker.identity import Identity, has_expired
from opsicle.worker.tls import is_about_time, says_expired, worker_context

Reply = TypeVar("Reply")

CALL_SECONDS = 30
"""A server that takes longer for anything but a poll is taken for dead."""

_KEPT_CONNECTIONS = 32
"""Enough to tell of every job of a large worker at once without a handshake; a few KiB each."""

_LONGEST_WAIT_SECONDS = 1.0
"""Between two tries to tell the server something while it answers polls."""

AWAY = (Unreachable, errors.Unavailable, TooManyRequests, Internal, ClockOff)
"""The server cannot answer, or this machine's clock is wrong: the call may go well later."""


class ServerConnection:
    """The way to one server, over connections that are kept. Safe to use from any thread."""

    def __init__(self, identity: Identity) -> None:
        self._lock = threading.Lock()
        self._idle: deque[HttpsConnection] = deque()
        self._polling: HttpsConnection | None = None
        self._reached = threading.Condition()
        self.times_reached = 0
        self._is_away = False
        self._do_polls_fail = False
        self._is_closed = False
        self._urls = deque(identity.urls)
        self._failed_in_a_row = 0
        self.use(identity)

    @property
    def url(self) -> str:
        """The server's address that is tried now: the last one reached, until that fails."""
        return self._urls[0]

    @property
    def has_other_urls(self) -> bool:
        """Whether the server may be elsewhere as well."""
        return len(self._urls) > 1

    def use(self, identity: Identity) -> None:
        """Go on as this identity; connections made with an older certificate are used no more."""
        context = worker_context(identity)
        with self._lock:
            self._identity, self._context = identity, context
        self._close_idle()

    def know_urls(self, urls: Iterable[str]) -> None:
        """Try these addresses in turn from now on, once the one in use fails."""
        with self._lock:
            self._urls = deque(dict.fromkeys((self._urls[0], *urls)))

    def try_next_url(self) -> bool:
        """Leave the address in use for the next one. Return False if there is no other."""
        if not self.has_other_urls:
            return False
        with self._lock:
            self._urls.rotate(-1)
        self._close_idle()
        return True

    def call(
        self,
        path: str,
        message: msgspec.Struct,
        reply: type[Reply],
        besides: Callable[[], None] = lambda: None,
    ) -> Reply:
        """Ask once.

        Raises what the server's problem says, Unreachable, or NotAuthenticated if TLS refuses a
        side. `besides` is called while the server thinks, and again if the request has to be sent
        again.
        """
        with self._borrowed(self._newest) as connection:
            return self._ask(
                connection, path, msgspec.msgpack.encode(message), reply, besides=besides
            )

    def poll(
        self, path: str, ask: Callable[[], msgspec.Struct], reply: type[Reply], hold_seconds: int
    ) -> Reply | None:
        """Ask a question that the server may leave open for `hold_seconds`.

        Returns None if `interrupt_poll` ended it. `ask` is called after the point from which on an
        interruption counts, so that none is missed. The poll takes the connection that has rested
        longest: so none grows cold, and the one on which work arrived is free to start it.
        """
        with self._borrowed(self._oldest) as connection:
            with self._lock:
                self._polling = connection

            try:
                message = msgspec.msgpack.encode(ask())
                answer = self._ask(connection, path, message, reply, hold_seconds + CALL_SECONDS)
            except OpsicleError:
                if connection.is_aborted:
                    return None
                self._do_polls_fail = True
                raise
            finally:
                with self._lock:
                    self._polling = None

            if self._do_polls_fail:
                self._note_reached(by_poll=True)
            return answer

    def report_clock(self, path: str, message: msgspec.Struct, reply: type[Reply]) -> Reply:
        """Make a call without regard to when the server's certificate is valid.

        For when by this machine's clock it is not. Nothing in the answer may be acted on save for
        what it says of the clock: a certificate that is really over might be in anybody's hands.
        Raises as `call` does.
        """
        connection = HttpsConnection(
            self.url,
            self._identity,
            worker_context(self._identity, checks_time=False),
            lambda: None,
        )
        try:
            return self._ask(connection, path, msgspec.msgpack.encode(message), reply)
        finally:
            connection.close()

    def interrupt_poll(self) -> None:
        """End the open poll, if there is one, at once."""
        with self._lock:
            if self._polling:
                self._polling.abort()

    def retry(
        self,
        path: str,
        message: msgspec.Struct,
        reply: type[Reply],
        *,
        until: Callable[[], bool],
        besides: Callable[[], None] = lambda: None,
        on_away: Callable[[], None] = lambda: None,
    ) -> Reply:
        """Ask until the server answers, or until `until()`: then the last failure is raised.

        Failures that waiting does not mend are raised at once. Only for calls that are safe to
        repeat. `besides`: see `call`. `on_away` is called whenever a try has failed.
        """
        backoff = Backoff()
        while True:
            seen = self.times_reached
            try:
                return self.call(path, message, reply, besides)
            except AWAY as failure:
                on_away()
                if until():
                    raise
                self.wait_for_return(backoff, failure, seen, until=until)

    def wait_for_return(
        self, backoff: Backoff, failure: OpsicleError, seen: int, *, until: Callable[[], bool]
    ) -> None:
        """Wait for as long as `backoff` says, but no longer than until polls are answered again.

        `backoff` is followed (up to 30 s) only while polls fail as well: their success wakes all
        who wait here, and 2,000 workers leave a server that is away in peace. While polls are
        answered, nobody would: so the server is asked again within a second. `seen` is what
        `times_reached` was before the call that failed. Where the server itself has said that it
        cannot, it was reached, and others reaching it too is no reason to hurry. Ends early, too,
        when `until()` holds.
        """
        with self._reached:
            if failure.__cause__ is None:
                seen = self.times_reached

            delay = backoff.next_delay()
            if not self._do_polls_fail:
                delay = min(delay, _LONGEST_WAIT_SECONDS)

            if self._reached.wait_for(lambda: until() or self.times_reached != seen, delay):
                backoff.reset()

    def wake(self) -> None:
        """Let those who `retry` look at their `until` now."""
        with self._reached:
            self._reached.notify_all()

    def close(self) -> None:
        """Close what is idle now, and what is under way when its call has ended."""
        self.wake()
        with self._lock:
            self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _note_reached(self, *, by_poll: bool = False) -> None:
        with self._reached:
            self._is_away = False
            if by_poll:
                self._do_polls_fail = False
            self._failed_in_a_row = 0
            self.times_reached += 1
            self._reached.notify_all()

    def _newest(self) -> HttpsConnection:
        return self._idle.pop()

    def _oldest(self) -> HttpsConnection:
        return self._idle.popleft()

    @contextmanager
    def _borrowed(self, choose: Callable[[], HttpsConnection]) -> Iterator[HttpsConnection]:
        connection = self._take(choose)
        try:
            yield connection
        except BaseException:
            if connection.is_in_use:
                connection.close()
            raise
        finally:
            self._give_back(connection)

    def _take(self, choose: Callable[[], HttpsConnection]) -> HttpsConnection:
        with self._lock:
            while self._idle:
                connection = choose()
                if connection.is_alive():
                    return connection
                connection.close()
            return HttpsConnection(self.url, self._identity, self._context, self._note_reached)

    def _give_back(self, connection: HttpsConnection) -> None:
        with self._lock:
            is_kept = (
                connection.sock is not None
                and not (connection.is_aborted or self._is_closed)
                and connection.made_with is self._context
                and connection.url == self.url
                and len(self._idle) < _KEPT_CONNECTIONS
            )
            if is_kept:
                self._idle.append(connection)

        if not is_kept:
            connection.close()

    def _ask(
        self,
        connection: HttpsConnection,
        path: str,
        body: bytes,
        reply: type[Reply],
        seconds: float = CALL_SECONDS,
        besides: Callable[[], None] = lambda: None,
    ) -> Reply:
        was_kept = connection.sock is not None
        try:
            try:
                status, content = connection.exchange(path, body, seconds, besides)
            except (ConnectionError, ssl.SSLEOFError):
                if not was_kept or connection.is_aborted:
                    raise
                # The server closed a kept connection just as it was used. Calls may be repeated.
                connection.close()
                status, content = connection.exchange(path, body, seconds, besides)
        except (BadAnswer, OSError) as error:
            if connection.is_aborted:  # by this worker itself: that tells nothing of the server
                raise Unreachable("the call was interrupted") from error
            self._is_away = True
            raise self._explained(connection.url, error) from error

        if status != HTTPStatus.OK:
            raise error_of(status, content)
        if self._is_away:
            self._note_reached()

        try:
            return msgspec.msgpack.decode(content, type=reply)
        except msgspec.DecodeError as error:
            raise Internal(
                "the server's answer cannot be read",
                hint="Server and worker may be of different versions.",
            ) from error

    def _explained(self, url: str, error: Exception) -> OpsicleError:
        """Return what went wrong at an address, and try the next one from now on."""
        with self._lock:
            if self._urls[0] == url:
                self._urls.rotate(-1)
            self._failed_in_a_row += 1
            has_tried_all = self._failed_in_a_row % len(self._urls) == 0

        if is_about_time(error):
            return ClockOff(
                f"this machine's clock says {time_text(datetime.now(UTC))}, "
                f"and then the certificate of the server at {url} is not valid",
                hint="Set the clock, if it is wrong. The worker tries again by itself.",
            )

        if isinstance(error, ssl.SSLCertVerificationError) and has_tried_all:
            return NotAuthenticated(
                f"what answers at {url} is not this worker's server: {error.verify_message}",
                hint="Its certificate does not come from the CA with which this worker enrolled. "
                "Was the server set up anew? Then enrol again in a new data folder.",
            )

        is_refusal = isinstance(error, ssl.SSLError | ConnectionResetError)
        expired = self._identity.expires_at
        if says_expired(error) or (is_refusal and has_expired(self._identity)):
            return NotAuthenticated(
                f"this worker's certificate expired on {expired:%Y-%m-%d %H:%M} UTC",
                hint="Enrol again with a new join token (`opsicle workers token`).",
            )

        return Unreachable(
            f"the server at {url} cannot be reached: {reason_of(error)}",
            hint="Trying again by itself.",
        )


def reason_of(error: Exception) -> str:
    """Return why a connection failed, in a few words."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
