"""The poll loop: what a worker says of itself, and what it makes of the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from opsicle.domain.errors import NotAuthenticated, OpsicleError
from opsicle.security.authority import Authority
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import POLL_SECONDS, RunningJob
from opsicle.worker.connection import ServerConnection
from opsicle.worker.poller import AFTER_WORK_SECONDS, Poller, WorkerDescription
from tests.support import wait_until
from tests.worker import fake_server as fake_server_module
from tests.worker.fake_listener import Refusal
from tests.worker.fake_server import J1, J2, FakeServer, work
from tests.worker.running_worker import let_pass


class Table:
    """The jobs, as far as a poll concerns them: this one only remembers."""

    takes_more = True

    def __init__(self) -> None:
        self.jobs: list[RunningJob] = []
        self.cancelled: list[str] = []
        self.dropped: list[str] = []
        self.taken_at = self.listed_at = 0.0
        self.are_over = threading.Event()

    can_begin = True

    def held(self) -> tuple[RunningJob, ...]:
        self.listed_at = time.monotonic()
        return tuple(self.jobs)

    def paused(self) -> tuple[RunningJob, ...]:
        return ()

    def take(self, work: Work) -> None:
        self.taken_at = time.monotonic()
        self.jobs.append(RunningJob(work.job_id, work.fence))

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def drop(self, job_id: str) -> None:
        self.dropped.append(job_id)

    def wait_until_idle(self, seconds: float) -> bool:
        return self.are_over.wait(seconds)


class Polling:
    """A poller beside the stand-in for its server, with everything that it says."""

    def __init__(self, fake_server: FakeServer, connection: ServerConnection) -> None:
        self.fake_server = fake_server
        self.connection = connection
        self.jobs = Table()
        self.answers: list[float] = []
        self.rejections: list[OpsicleError] = []
        self.poller = Poller(
            WorkerDescription("boot-1", {"zone": "north"}, 2, ("subprocess",)),
            connection,
            self.jobs,
            self.answers.append,
            self.rejections.append,
            lambda: None,
        )


@pytest.fixture
def polling(fake_server: FakeServer) -> Iterator[Polling]:
    connection = ServerConnection(fake_server.identity())
    polling = Polling(fake_server, connection)
    polling.poller.start()
    yield polling
    polling.poller.stop(5)
    connection.close()


def test_the_first_poll_is_answered_at_once_and_later_ones_are_held(
    polling: Polling, fake_server: FakeServer
) -> None:
    wait_until(lambda: len(fake_server.polls) == 2)

    assert [poll.wait_seconds for poll in fake_server.polls] == [0, 30]
    assert len(polling.answers) == 1
    first = fake_server.polls[0]
    assert (first.boot_id, first.labels, first.slots, first.free_slots) == (
        "boot-1",
        {"zone": "north"},
        2,
        2,
    )


def test_work_is_held_from_the_very_next_poll_on(polling: Polling, fake_server: FakeServer) -> None:
    wait_until(lambda: len(fake_server.polls) == 2)

    fake_server.give(work(J1, "true", fence=3))
    wait_until(lambda: len(fake_server.polls) == 3)

    assert fake_server.polls[2].jobs == (RunningJob(J1, 3),)
    assert fake_server.polls[2].free_slots == 1


def test_the_poll_behind_work_lets_that_begin_first(
    polling: Polling, fake_server: FakeServer
) -> None:
    wait_until(lambda: len(fake_server.polls) == 2)

    fake_server.give(work(J1, "true"))
    wait_until(lambda: len(fake_server.polls) == 3)

    assert polling.jobs.listed_at - polling.jobs.taken_at >= AFTER_WORK_SECONDS


def test_a_full_worker_goes_on_polling_and_hears_of_cancels_and_drops(
    polling: Polling, fake_server: FakeServer
) -> None:
    fake_server.give(work(J1, "true"), work(J2, "true"))
    wait_until(lambda: fake_server.polls and len(fake_server.polls[-1].jobs) == 2)

    assert fake_server.polls[-1].free_slots == 0

    fake_server.cancel(J1)
    fake_server.drop(J2)
    wait_until(lambda: polling.jobs.cancelled == [J1] and polling.jobs.dropped == [J2])


def test_draining_is_said_at_once_although_a_poll_is_open(
    polling: Polling, fake_server: FakeServer
) -> None:
    wait_until(lambda: len(fake_server.polls) == 2)

    polling.poller.drain()
    wait_until(lambda: fake_server.polls[-1].is_draining)

    assert fake_server.polls[-1].free_slots == 0


def test_stopping_does_not_wait_for_an_open_poll_and_says_farewell(
    polling: Polling, fake_server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_server_module, "HOLD_SECONDS", POLL_SECONDS)
    wait_until(lambda: len(fake_server.polls) == 2)
    fake_server.drop("nothing")  # the poll that follows is held for so long
    wait_until(lambda: len(fake_server.polls) == 3)
    began_at = time.monotonic()

    polling.poller.stop(60)

    assert time.monotonic() - began_at < POLL_SECONDS / 2
    assert (fake_server.polls[-1].is_draining, fake_server.polls[-1].wait_seconds) == (True, 0)


def test_a_broken_connection_is_no_reason_to_give_up(
    polling: Polling, fake_server: FakeServer
) -> None:
    fake_server.faults["poll"] += ["before", "after", "before"]
    wait_until(lambda: len(polling.answers) >= 1)

    assert not polling.rejections


def test_a_rejection_ends_the_loop_and_is_told_once(
    polling: Polling, fake_server: FakeServer
) -> None:
    wait_until(lambda: len(fake_server.polls) == 2)
    fake_server.is_revoked = True
    fake_server.answer_polls()
    wait_until(lambda: polling.rejections)
    calls = fake_server.calls["poll"]

    polling.poller.stop(5)

    assert len(polling.rejections) == 1
    assert isinstance(polling.rejections[0], NotAuthenticated)
    assert fake_server.calls["poll"] == calls


def test_a_foreign_certificate_in_the_servers_place_ends_no_worker_that_once_worked(
    polling: Polling, fake_server: FakeServer
) -> None:
    wait_until(lambda: len(fake_server.polls) == 2)
    own = fake_server.authority
    fake_server.stop()
    fake_server.authority = Authority.create(own.not_after.replace(year=2026, month=1, day=1))
    fake_server.start()
    let_pass(1.0)

    fake_server.stop()

    assert not polling.rejections

    fake_server.authority = own
    polls = len(fake_server.polls)
    fake_server.start()
    wait_until(lambda: len(fake_server.polls) > polls)


def test_a_server_that_answers_nothing_at_once_is_not_hammered(
    polling: Polling, fake_server: FakeServer
) -> None:
    wait_until(lambda: len(fake_server.polls) == 2)
    fake_server.is_closing = True
    fake_server.answer_polls()

    calls = fake_server.calls["poll"]
    let_pass(1.5)

    assert fake_server.calls["poll"] - calls < 15


def test_an_unreadable_answer_is_survived(polling: Polling, fake_server: FakeServer) -> None:
    wait_until(lambda: len(fake_server.polls) == 2)
    fake_server.refusals["poll"] = Refusal(200, "", "not what a poll answers")
    fake_server.is_closing = True
    fake_server.answer_polls()
    wait_until(lambda: fake_server.calls["poll"] >= 4)
    del fake_server.refusals["poll"]
    fake_server.is_closing = False
    polls = len(fake_server.polls)
    wait_until(lambda: len(fake_server.polls) > polls)

    assert not polling.rejections
