"""Races and random walks.

Whatever happens in whatever order, an automation has one end, the same everywhere.
"""

from __future__ import annotations

import random
from pathlib import Path

import gevent
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from opsicle.domain.access import BuiltInRole
from opsicle.domain.automations import TRANSITIONS, AutomationState, is_final
from opsicle.domain.errors import Conflict, LeaseLost, Unavailable
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import LEASE_SECONDS
from tests.services.core import HELLO, Core, TestWorker
from tests.support import SCALE

REQUEUE = HELLO.replace("name: hello", "name: again").replace(
    "  template:", "  onWorkerLost: requeue\n  template:"
)


def test_cancel_racing_finish_leaves_one_final_state_the_same_everywhere(core: Core) -> None:
    alice = core.person(core.org("acme"), "alice", BuiltInRole.OPERATOR)
    core.push(alice)
    worker = core.worker(alice.org_id, "w1", slots=4)
    seen, seed = set(), random.Random(7)

    for _ in range(int(100 * SCALE)):
        automation = core.run(alice)
        [work] = worker.poll().work
        worker.start(work)
        finishing = gevent.spawn_later(seed.uniform(0, 0.003), worker.finish, work)
        cancelling = gevent.spawn_later(
            seed.uniform(0, 0.003), core.automations.cancel, alice, automation.id
        )
        gevent.joinall([finishing, cancelling])
        assert finishing.value == "succeeded"
        assert cancelling.exception is None or isinstance(cancelling.exception, Conflict)
        shown = core.automations.get(alice, automation.id)
        assert shown.state == shown.jobs[-1].state == "succeeded"
        seen.add(cancelling.exception is None)

    assert seen == {True, False}, "the race always went the same way, so that nothing was raced"


class Walk(RuleBasedStateMachine):
    """Two workers, one of which may be lost, against what the judge outside has seen executed."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.folder_root / f"walk-{random.SystemRandom().randrange(2**60):x}"
        self.folder.mkdir()

        self.core = Core(self.folder)
        self.alice = self.core.person(self.core.org("acme"), "alice", BuiltInRole.OPERATOR)
        self.core.push(self.alice)
        self.core.push(self.alice, REQUEUE)
        self.workers = [self.core.worker(self.alice.org_id, name, slots=2) for name in ("w1", "w2")]

        self.executed: dict[str, int] = {}
        self.may_repeat: set[str] = set()
        self.states: dict[str, AutomationState] = {}
        self.started: list[tuple[TestWorker, Work]] = []
        self.leased: list[tuple[TestWorker, Work]] = []

    @rule(again=st.booleans())
    def trigger(self, again: bool) -> None:
        automation = self.core.run(self.alice, "again" if again else "hello")
        self.states[automation.id] = automation.state
        if again:
            self.may_repeat.add(automation.id)

    @rule(which=st.integers(0, 1), hears=st.booleans())
    def poll(self, which: int, hears: bool) -> None:
        worker = self.workers[which]
        held = dict(worker.held)
        reply = worker.poll()
        if not hears:
            worker.held = held
            return
        for job_id in reply.drop:
            worker.held.pop(job_id, None)
        self.leased += [(worker, work) for work in reply.work]

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        worker, work = self.leased.pop(data.draw(st.integers(0, len(self.leased) - 1)))
        try:
            worker.start(work)
        except LeaseLost:
            worker.held.pop(work.job_id, None)
            return
        self.executed[work.automation_id] = self.executed.get(work.automation_id, 0) + 1
        self.started.append((worker, work))

    @precondition(lambda self: self.started)
    @rule(
        data=st.data(),
        state=st.sampled_from(["succeeded", "failed", "cancelled", "timed_out", "unknown"]),
    )
    def finish(self, data: st.DataObject, state: str) -> None:
        worker, work = self.started.pop(data.draw(st.integers(0, len(self.started) - 1)))
        before = self.core.state(
            self.alice, self.core.automations.get(self.alice, work.automation_id)
        )
        try:
            worker.finish(work, state)
        except Unavailable:  # it has not polled since the server came back: it says so again later
            assert state == "unknown"
            self.started.append((worker, work))
        except (LeaseLost, Conflict):
            worker.held.pop(work.job_id, None)
            assert self.core.automations.get(self.alice, work.automation_id).state == before

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        automation_id = data.draw(st.sampled_from(sorted(self.states)))
        try:
            self.core.automations.cancel(self.alice, automation_id)
        except Conflict:
            assert is_final(self.core.automations.get(self.alice, automation_id).state)

    @rule(seconds=st.sampled_from([1, LEASE_SECONDS - 1, LEASE_SECONDS + 1]))
    def time_goes_by(self, seconds: int) -> None:
        self.core.clock.advance(seconds)
        self.core.jobs.expire()

    @rule()
    def restart(self) -> None:
        self.core = self.core.restart()
        for worker in self.workers:
            worker.core = self.core

    @invariant()
    def nothing_ran_twice_that_may_not(self) -> None:
        assert all(count == 1 or i in self.may_repeat for i, count in self.executed.items())

    @invariant()
    def every_step_is_one_of_the_state_machine(self) -> None:
        for automation_id, before in self.states.items():
            now = self.core.automations.get(self.alice, automation_id)
            assert now.state == before or _leads_to(before, now.state), (
                f"{before} became {now.state}"
            )
            if is_final(now.state) and now.jobs and now.state != "cancelled":
                assert now.jobs[-1].state == now.state
            self.states[automation_id] = now.state

    def teardown(self) -> None:
        self.core.close()


def _leads_to(old: AutomationState, new: AutomationState) -> bool:
    """Return whether one step or two lead there: between two looks a job may start and be lost."""
    return new in TRANSITIONS[old] or any(new in TRANSITIONS[via] for via in TRANSITIONS[old])


@pytest.mark.timeout(300)
def test_a_random_walk_of_losses_cancels_and_restarts_keeps_every_promise(tmp_path: Path) -> None:
    Walk.folder_root = tmp_path
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=max(1, int(8 * SCALE)),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
