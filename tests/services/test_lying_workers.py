"""A worker that was enrolled rightly and lies: it harms nobody, and nothing that people see."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict
from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import CommandReport, Outcome, PhaseReport
from opsicle.wire.worker_api import LEASE_SECONDS, FinishRequest, LogRequest, PollRequest
from tests.services.core import HELLO, Core

REQUEUE = HELLO.replace("  template:", "  onWorkerLost: requeue\n  template:")


@pytest.fixture
def alice(core: Core) -> Actor:
    alice = core.person(core.org("acme"), "alice", BuiltInRole.OPERATOR)
    core.push(alice)
    return alice


def finish(fence: int, state: str, **more: object) -> FinishRequest:
    return FinishRequest(fence=fence, outcome=Outcome(state=state, phases=(), **more), log_bytes=0)


@pytest.mark.parametrize("state", ["leased", "running", "returned"])
@pytest.mark.parametrize("has_started", [False, True])
def test_a_job_cannot_end_in_a_state_that_is_no_end_and_its_lease_still_lapses(
    core: Core, alice: Actor, state: str, has_started: bool
) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    if has_started:
        worker.start(work)

    with pytest.raises(Conflict):
        core.jobs.finish(worker.actor, work.job_id, finish(work.fence, state))

    core.clock.advance(LEASE_SECONDS + 1)
    assert core.jobs.expire() == 1
    assert core.state(alice, automation) == ("unknown" if has_started else "queued")


def test_what_is_known_of_a_job_that_ended_is_not_overwritten_by_unknown(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    told = Outcome(
        state="succeeded", phases=(PhaseReport(name="greet", state="succeeded"),), exit_code=0
    )
    core.jobs.finish(
        worker.actor, work.job_id, FinishRequest(fence=work.fence, outcome=told, log_bytes=0)
    )

    core.jobs.finish(worker.actor, work.job_id, finish(work.fence, "unknown"))

    shown = core.automations.get(alice, automation.id)
    assert (shown.state, shown.phases[0].state) == ("succeeded", "succeeded")


def test_an_explanation_is_cut_to_what_anybody_reads(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    core.jobs.finish(
        worker.actor, work.job_id, finish(work.fence, "failed", explanation="x" * 1_000_000)
    )

    assert len(core.automations.get(alice, automation.id).explanation) <= 2000


@pytest.mark.parametrize("has_started", [True, False], ids=["started", "never started"])
def test_work_that_a_worker_hands_back_goes_to_another_one_that_waits(
    core: Core, alice: Actor, has_started: bool
) -> None:
    core.push(alice, REQUEUE.replace("hello}", "again}"))
    first, second = core.worker(alice.org_id, "w1"), core.worker(alice.org_id, "w2")
    automation = core.run(alice, "again")
    [work] = first.poll().work
    if has_started:
        first.start(work)
    waiting = second.poll_in_background()

    core.jobs.finish(first.actor, work.job_id, finish(work.fence, "unknown"))

    assert [given.automation_id for given in waiting.get(timeout=60).work] == [automation.id]


def test_work_that_a_worker_never_received_and_has_no_room_for_goes_to_another_one_that_waits(
    core: Core, alice: Actor
) -> None:
    first, second = core.worker(alice.org_id, "w1"), core.worker(alice.org_id, "w2")
    automation = core.run(alice)
    first.poll()
    waiting = second.poll_in_background()
    first.held.clear()

    core.dispatch.poll(first.actor, msgspec.structs.replace(first.request(0), is_draining=True))

    assert [given.automation_id for given in waiting.get(timeout=60).work] == [automation.id]


def at(at_ms: int) -> list[PhaseReport]:
    return [
        PhaseReport(
            name="greet", started_at_ms=at_ms, commands=[CommandReport(finished_at_ms=at_ms)]
        )
    ]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (LogRequest, {"fence": 1, "phases": at(10**17)}),
        (LogRequest, {"fence": 1, "phases": at(-(10**17))}),
        (LogRequest, {"fence": 1, "chunks": [(0, 0, 1, 10**17, b"x")]}),
        (LogRequest, {"fence": 1, "chunks": [(0, 2**63, 1, 0, b"x")]}),
        (LogRequest, {"fence": 1, "chunks": [(2**63, 0, 1, 0, b"x")]}),
        (LogRequest, {"fence": 1, "phases": [PhaseReport(name="greet", exit_code=2**63)]}),
        (LogRequest, {"fence": 1, "phases": [PhaseReport(name="greet", tries=2**63)]}),
        (
            FinishRequest,
            {
                "fence": 1,
                "outcome": {"state": "failed", "phases": [], "exit_code": 2**63},
                "log_bytes": 0,
            },
        ),
        (
            FinishRequest,
            {"fence": 1, "outcome": {"state": "failed", "phases": at(10**17)}, "log_bytes": 0},
        ),
        (PollRequest, {"jobs": [{"job_id": "j", "fence": 1}] * 100_000}),
        (PollRequest, {"version": "1" * 1_000}),
        (PollRequest, {"boot_id": "1" * 1_000}),
        (PollRequest, {"runtimes": ["subprocess"] * 1_000}),
        (PollRequest, {"slots": 2**63}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else ",".join(value),
)
def test_what_no_worker_of_ours_says_is_refused_before_it_is_kept(
    kind: type, message: dict[str, object]
) -> None:
    facts = {
        "boot_id": "b",
        "version": "1",
        "labels": {},
        "slots": 1,
        "free_slots": 1,
        "runtimes": ["subprocess"],
    }
    whole = {**facts, **message} if kind is PollRequest else message

    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=kind)
