"""Jobs that a worker asked to begin, and was told too late that it may not any more.

The server may have said yes before, in an answer that was lost, and have taken the job for one that
ran: then only the worker can say that nothing was.
"""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.pauses import Resume, ResumeVerdict
from opsicle.domain.policies import Approvers, Gate
from opsicle.domain.templates import Pause, Phase
from opsicle.wire.jobs import Work
from tests.worker.fake_listener import Refusal
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.running_worker import RunningWorker
from tests.worker.signed_work import ordered

NO_MORE = Refusal(409, "lease_lost", "no longer yours")
NOT_THIS = Refusal(409, "conflict", "it is paused")


def test_a_job_that_may_not_begin_any_more_ends_as_one_of_which_nothing_was_run(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.refusals["start"] = NO_MORE
    fake_server.give(work(J1, "touch ../../ran"))

    assert worker.wait_for_finish(J1) == "failed"

    said = fake_server.finished[J1].explanation
    assert said == "nothing of it was run: the server's word that it may came too late"
    assert not list(worker.folder.rglob("ran"))
    worker.wait(lambda: worker.files("workspaces") == [], "an empty folder of workspaces")


def test_nothing_is_said_of_a_job_that_the_server_has_taken_back(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.lost.add(J1)
    fake_server.give(work(J1, "true"))

    worker.wait(lambda: fake_server.calls["finish"], "the worker's question")
    polls = len(fake_server.polls)
    fake_server.answer_polls()
    worker.wait(lambda: len(fake_server.polls) > polls, "its next poll")

    def lists_no_job() -> bool:
        fake_server.answer_polls()
        return fake_server.polls[-1].jobs == ()

    worker.wait(lists_no_job, "a poll without the job")
    assert fake_server.finished == {}


@pytest.fixture
def paused(worker: RunningWorker, fake_server: FakeServer) -> Work:
    """Return the order by which a job may go on that its worker keeps."""
    asked = Pause(message="Look!", gate=Gate(name="look", approvers=Approvers(roles=("admin",))))
    phases = (
        Phase(name="before", commands=("echo kept > file",)),
        Phase(name="look", commands=(), pause=asked),
        Phase(name="after", commands=("touch ../../ran",)),
    )
    job = msgspec.structs.replace(work(J1), phases=phases)
    fake_server.give(job)
    worker.wait(lambda: _is_kept(fake_server), "the job to wait")

    resume = Resume(
        approval_id="p",
        phase=1,
        paused_fence=fake_server.paused[J1],
        verdict=ResumeVerdict.CONTINUE,
        reason="",
        values={},
        decisions=(),
    )
    again = msgspec.structs.replace(job, fence=2)
    return ordered(again, fake_server.order_key, resume=resume)


def _is_kept(fake_server: FakeServer) -> bool:
    return [job.job_id for job in fake_server.polls[-1].paused] == [J1]


def test_a_kept_job_that_may_not_go_on_any_more_ends_and_leaves_nothing(
    worker: RunningWorker, fake_server: FakeServer, paused: Work
) -> None:
    fake_server.refusals["start"] = NO_MORE
    fake_server.give_as_it_is(paused)

    assert worker.wait_for_finish(J1) == "failed"

    ended = fake_server.finished[J1]
    assert ended.explanation == "it did not go on: the server's word that it may came too late"
    assert ended.phases[0].state == "succeeded"
    assert not list(worker.folder.rglob("ran"))
    worker.wait(lambda: worker.files("workspaces") == [], "an empty folder of workspaces")


def test_a_kept_job_that_the_server_has_as_paused_waits_on(
    worker: RunningWorker, fake_server: FakeServer, paused: Work
) -> None:
    fake_server.refusals |= {"start": NO_MORE, "finish": NOT_THIS}
    fake_server.give_as_it_is(paused)
    worker.wait(lambda: fake_server.calls["finish"], "the worker's question")
    worker.wait(lambda: _is_kept(fake_server), "the job to wait again")

    del fake_server.refusals["start"], fake_server.refusals["finish"]
    fake_server.give_as_it_is(_anew(paused, fake_server))

    assert worker.wait_for_finish(J1) == "succeeded"
    assert len(list(worker.folder.rglob("ran"))) == 1


def _anew(paused: Work, fake_server: FakeServer) -> Work:
    """Return the next order about the same pause."""
    resume = msgspec.json.decode(paused.order)["resume"]
    again = msgspec.structs.replace(paused, fence=3)
    return ordered(again, fake_server.order_key, resume=msgspec.convert(resume, Resume))
