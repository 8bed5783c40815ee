"""How long what could not be told waits for the server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from opsicle.domain.errors import OpsicleError, Unavailable, Unreachable
from opsicle.kit.backoff import Backoff
from opsicle.wire.worker_api import PollReply, PollRequest
from opsicle.worker.connection import ServerConnection
from tests.support import wait_until
from tests.worker.fake_listener import Refusal
from tests.worker.fake_server import FakeServer

POLL = "/api/worker/v1/poll"


@pytest.fixture
def connection(fake_server: FakeServer) -> Iterator[ServerConnection]:
    connection = ServerConnection(fake_server.identity())
    yield connection
    connection.close()


def poll(connection: ServerConnection, wait_seconds: int = 0) -> PollReply | None:
    request = PollRequest(
        boot_id="b",
        program_version="1",
        labels={},
        slots=1,
        free_slots=1,
        runtimes=(),
        wait_seconds=wait_seconds,
    )
    return connection.poll(POLL, lambda: request, PollReply, wait_seconds)


def failure(*, is_answer: bool) -> OpsicleError:
    if is_answer:
        return Unavailable("this is a copy")
    error = Unreachable("the server cannot be reached")
    error.__cause__ = ConnectionResetError()
    return error


def waiting(connection: ServerConnection, failure: OpsicleError) -> threading.Thread:
    """Somebody who would wait for hours by the backoff alone."""
    backoff, seen = Backoff(3600, 3600), connection.times_reached
    wait = threading.Thread(
        target=lambda: connection.wait_for_return(backoff, failure, seen, until=lambda: False),
        daemon=True,
    )
    wait.start()
    return wait


@pytest.mark.parametrize("is_answer", [True, False])
def test_while_polls_are_answered_nobody_waits_for_long(
    connection: ServerConnection, is_answer: bool
) -> None:
    poll(connection)

    wait = waiting(connection, failure(is_answer=is_answer))

    wait.join(60)
    assert not wait.is_alive()


@pytest.mark.parametrize("is_answer", [True, False])
def test_while_polls_fail_everybody_waits_until_one_is_answered(
    connection: ServerConnection, fake_server: FakeServer, is_answer: bool
) -> None:
    poll(connection)
    fake_server.refusals["poll"] = Refusal(503, "unavailable", "starting")
    with pytest.raises(Unavailable):
        poll(connection)

    wait = waiting(connection, failure(is_answer=is_answer))

    wait.join(1.5)
    assert wait.is_alive()
    del fake_server.refusals["poll"]
    poll(connection)
    wait.join(60)
    assert not wait.is_alive()


def test_a_poll_that_the_worker_itself_interrupts_does_not_speak_against_the_server(
    fake_server: FakeServer,
) -> None:
    identity = msgspec.structs.replace(fake_server.identity(), more_urls=("https://127.0.0.1:1",))
    connection = ServerConnection(identity)

    with ThreadPoolExecutor() as threads:
        open_poll = threads.submit(poll, connection, 30)
        wait_until(lambda: fake_server.polls)
        connection.interrupt_poll()
        assert open_poll.result() is None

    assert connection.url == identity.worker_url
    connection.close()


def test_a_new_identity_is_used_for_the_next_call(
    connection: ServerConnection, fake_server: FakeServer
) -> None:
    poll(connection)

    connection.use(fake_server.identity())
    poll(connection)

    assert len(set(fake_server.serials)) == 2
