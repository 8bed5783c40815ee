"""The poll loop: what a worker says of itself, and what it makes of the answers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from opsicle.domain.errors import NotAuthenticated, OpsicleError
from opsicle.pki.authority import Authority
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import RunningJob
from opsicle.worker.connection import Connection
from opsicle.worker.poller import Poller, Presence
from tests.support import wait_until
from tests.worker.peer import J1, J2, Peer, Refusal, work
from tests.worker.working import let_pass


class Table:
    """The jobs, as far as a poll concerns them: this one only remembers."""

    def __init__(self) -> None:
        self.jobs: list[RunningJob] = []
        self.cancelled: list[str] = []
        self.dropped: list[str] = []

    can_begin = True

    def held(self) -> tuple[RunningJob, ...]:
        return tuple(self.jobs)

    def take(self, work: Work) -> None:
        self.jobs.append(RunningJob(work.job_id, work.fence))

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)

    def drop(self, job_id: str) -> None:
        self.dropped.append(job_id)


class Polling:
    """A poller beside the peer, with everything that it says."""

    def __init__(self, peer: Peer, connection: Connection) -> None:
        self.peer = peer
        self.jobs = Table()
        self.answers: list[float] = []
        self.rejections: list[OpsicleError] = []
        self.poller = Poller(
            Presence("boot-1", {"zone": "north"}, 2),
            connection,
            self.jobs,
            self.answers.append,
            self.rejections.append,
            lambda: None,
        )


@pytest.fixture
def polling(peer: Peer) -> Iterator[Polling]:
    connection = Connection(peer.identity())
    polling = Polling(peer, connection)
    polling.poller.start()
    yield polling
    polling.poller.stop(5)
    connection.close()


def test_the_first_poll_is_answered_at_once_and_later_ones_are_held(polling: Polling, peer: Peer) -> None:
    wait_until(lambda: len(peer.polls) == 2)
    assert [poll.wait_seconds for poll in peer.polls] == [0, 30]
    assert len(polling.answers) == 1
    first = peer.polls[0]
    assert (first.boot_id, first.labels, first.slots, first.free_slots) == ("boot-1", {"zone": "north"}, 2, 2)


def test_work_is_held_from_the_very_next_poll_on(polling: Polling, peer: Peer) -> None:
    wait_until(lambda: len(peer.polls) == 2)
    peer.give(work(J1, "true", fence=3))
    wait_until(lambda: len(peer.polls) == 3)
    assert peer.polls[2].jobs == (RunningJob(J1, 3),)
    assert peer.polls[2].free_slots == 1


def test_a_full_worker_goes_on_polling_and_hears_of_cancels_and_drops(polling: Polling, peer: Peer) -> None:
    peer.give(work(J1, "true"), work(J2, "true"))
    wait_until(lambda: peer.polls and len(peer.polls[-1].jobs) == 2)
    assert peer.polls[-1].free_slots == 0
    peer.cancel(J1)
    peer.drop(J2)
    wait_until(lambda: polling.jobs.cancelled == [J1] and polling.jobs.dropped == [J2])


def test_draining_is_said_at_once_although_a_poll_is_open(polling: Polling, peer: Peer) -> None:
    wait_until(lambda: len(peer.polls) == 2)
    polling.poller.drain()
    wait_until(lambda: peer.polls[-1].is_draining)
    assert peer.polls[-1].free_slots == 0


def test_stopping_does_not_wait_for_an_open_poll_and_says_farewell(polling: Polling, peer: Peer) -> None:
    wait_until(lambda: len(peer.polls) == 2)
    began_at = time.monotonic()
    polling.poller.stop(5)
    assert time.monotonic() - began_at < 1
    assert (peer.polls[-1].is_draining, peer.polls[-1].wait_seconds) == (True, 0)


def test_a_broken_connection_is_no_reason_to_give_up(polling: Polling, peer: Peer) -> None:
    peer.faults["poll"] += ["before", "after", "before"]
    wait_until(lambda: len(polling.answers) >= 1)
    assert not polling.rejections


def test_a_rejection_ends_the_loop_and_is_told_once(polling: Polling, peer: Peer) -> None:
    wait_until(lambda: len(peer.polls) == 2)
    peer.is_revoked = True
    peer.answer_polls()
    wait_until(lambda: polling.rejections)
    calls = peer.calls["poll"]
    polling.poller.stop(5)
    assert len(polling.rejections) == 1
    assert isinstance(polling.rejections[0], NotAuthenticated)
    assert peer.calls["poll"] == calls


def test_a_foreign_certificate_in_the_servers_place_ends_no_worker_that_once_worked(
    polling: Polling, peer: Peer
) -> None:
    wait_until(lambda: len(peer.polls) == 2)
    own = peer.authority
    peer.stop()
    peer.authority = Authority.create(own.not_after.replace(year=2026, month=1, day=1))
    peer.start()
    let_pass(1.0)
    peer.stop()
    assert not polling.rejections
    peer.authority = own
    polls = len(peer.polls)
    peer.start()
    wait_until(lambda: len(peer.polls) > polls)


def test_a_server_that_answers_nothing_at_once_is_not_hammered(polling: Polling, peer: Peer) -> None:
    wait_until(lambda: len(peer.polls) == 2)
    peer.is_closing = True
    peer.answer_polls()
    calls = peer.calls["poll"]
    let_pass(1.5)
    assert peer.calls["poll"] - calls < 15


def test_an_unreadable_answer_is_survived(polling: Polling, peer: Peer) -> None:
    wait_until(lambda: len(peer.polls) == 2)
    peer.refusals["poll"] = Refusal(200, "", "not what a poll answers")
    peer.is_closing = True
    peer.answer_polls()
    wait_until(lambda: peer.calls["poll"] >= 4)
    del peer.refusals["poll"]
    peer.is_closing = False
    polls = len(peer.polls)
    wait_until(lambda: len(peer.polls) > polls)
    assert not polling.rejections
