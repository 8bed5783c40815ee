"""The same requests to the model of the server and to the real services, compared after each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from opsicle.domain.approvals import Verdict
from opsicle.domain.errors import Conflict, LeaseLost
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.jobs import Outcome, PhaseReport
from opsicle.wire.worker_api import FinishRequest, PauseRequest, RunningJob
from tests.services import lease_model as model
from tests.services.lease_model import Automation, PollAnswer, Server, Work
from tests.services.pausing import order_of, source
from tests.services.team import Team

WORKERS = (0, 1)

REQUEUED_SOURCE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: again}
spec:
  onWorkerLost: requeue
  template:
    phases: [{name: one, commands: ["true"]}]
"""


class Event(NamedTuple):
    """One thing that happens to a server. `listed` and `paused` are those of a poll."""

    kind: str
    worker: int = 0
    job: int = 0
    fence: int = 0
    listed: model.Listed = ()
    paused: model.Listed = ()


def events(server: Server) -> Iterator[Event]:
    """Yield whatever may come next, be it from an honest worker or not."""
    for worker in WORKERS:
        yield Event("poll", worker)
        for number, job in enumerate(server.jobs):
            for fence in range(1, server.automations[job.automation].fence + 1):
                yield from _requests(server, worker, number, fence)
    for number, job in enumerate(server.jobs):
        if job.state in model.OPEN:
            yield Event("lapse", job=number)
        if job.state == "paused" and not job.is_decided:
            yield Event("decide", job=number)


def _requests(server: Server, worker: int, number: int, fence: int) -> Iterator[Event]:
    """Yield all that a worker may say of one job."""
    one = ((number, fence),)
    yield Event("poll", worker, listed=one)
    yield Event("poll", worker, paused=one)
    for kind in ("start", "succeeded", "failed", "unknown"):
        yield Event(kind, worker, number, fence)
    if server.automations[server.jobs[number].automation].has_pause:
        yield Event("pause", worker, number, fence)


def apply(server: Server, event: Event) -> tuple[Server, object]:
    """Return what the model makes of an event: the server after it, and the answer."""
    kind, worker, number, fence, listed, paused = event
    if kind == "poll":
        return model.poll(server, worker, listed, paused)
    if kind == "start":
        return model.start(server, worker, number, fence)
    if kind == "pause":
        return model.pause(server, worker, number, fence)
    if kind == "lapse":
        return model.lose(server, number), ""
    if kind == "decide":
        return model.decide(server, number), ""
    return model.finish(server, worker, number, fence, kind)


def edges(automation: Automation, most_fences: int) -> dict[Server, dict[Event, Server]]:
    """Return every state of a server with one automation, and what each event makes of it."""
    beginning = Server((automation,))
    found: dict[Server, dict[Event, Server]] = {}
    waiting = deque([beginning])
    while waiting:
        server = waiting.popleft()
        if server in found:
            continue
        found[server] = {
            event: after
            for event in events(server)
            if (after := apply(server, event)[0]).automations[0].fence <= most_fences
        }
        waiting.extend(found[server].values())
    return found


class RealServer:
    """The real services, spoken to in the numbers of the model."""

    def __init__(self, team: Team) -> None:
        self.team = team
        alice = team.people["alice"]
        team.core.push(alice, source())
        team.core.push(alice, REQUEUED_SOURCE)
        self.workers = [team.core.worker(team.org_id, f"w{number}") for number in WORKERS]
        self.automations: list[str] = []
        self.jobs: list[str] = []

    def begin(self, automations: tuple[Automation, ...]) -> None:
        """Trigger automations of these kinds, and forget those before."""
        for table, begun in (("automations", "queued_at"), ("jobs", "leased_at")):
            sql = (
                f"UPDATE {table} SET state = 'cancelled', finished_at = {begun}"
                " WHERE finished_at IS NULL"
            )
            self.team.core.database.write(lambda db, sql=sql: db.execute(sql))
        self.automations, self.jobs = [], []
        for each in automations:
            self.team.core.clock.advance(1)  # so that they are in order
            template = "paused" if each.has_pause else "again"
            run = self.team.core.run(self.team.people["alice"], template)
            self.automations.append(run.id)

    def apply(self, event: Event) -> object:
        """Let an event happen, and return the answer as the model would say it."""
        jobs = self.team.core.jobs
        if event.kind == "poll":
            return self._poll(event)
        if event.kind == "lapse":
            lease = self.team.core.lease_store.find(self.jobs[event.job])
            assert lease is not None, "a job on lease has a lease"
            lease.until = -1.0
            jobs.expire({lease.job_id})
            return ""
        if event.kind == "decide":
            return self._decide(event)
        try:
            return self._ask(event)
        except LeaseLost:
            return "lost"
        except Conflict:
            return "conflict"

    def restart(self) -> None:
        """Let the server end and come back with what was durable."""
        self.team.core = self.team.core.restart()
        for worker in self.workers:
            worker.core = self.team.core

    def shown(self) -> Server:
        """Return what the database says, in the numbers of the model."""
        return self.team.core.database.read(self._shown)

    def _shown(self, db) -> Server:
        automations = []
        for automation_id in self.automations:
            [(state, fence, job_id, name, lost)] = db.execute(
                "SELECT state, fence, job_id, template, on_worker_lost FROM automations"
                " WHERE id = ?",
                (automation_id,),
            )
            job = None if job_id is None else self.jobs.index(job_id)
            automations.append(Automation(state, fence, job, name == "paused", lost == "requeue"))
        return Server(tuple(automations), tuple(self._job(db, job_id) for job_id in self.jobs))

    def _job(self, db, job_id: str) -> model.Job:
        [(automation_id, worker_id, fence, state, paused_at, asked)] = db.execute(
            "SELECT j.automation_id, j.worker_id, j.fence, j.state, p.fence, p.state FROM jobs j"
            " LEFT JOIN approvals p ON p.id = j.pause_id WHERE j.id = ?",
            (job_id,),
        )
        worker = [each.actor.worker_id for each in self.workers].index(worker_id)
        return model.Job(
            self.automations.index(automation_id),
            worker,
            fence,
            state,
            paused_at or 0,
            asked not in {None, "pending"},
        )

    def _poll(self, event: Event) -> PollAnswer:
        worker = self.workers[event.worker]
        request = msgspec.structs.replace(
            worker.request(0),
            free_slots=1 - len(event.listed),
            jobs=self._running(event.listed),
            paused=self._running(event.paused),
        )
        reply = self.team.core.dispatch.poll(worker.actor, request)
        self.jobs += [work.job_id for work in reply.work if work.job_id not in self.jobs]
        return PollAnswer(
            tuple(
                Work(self.jobs.index(each.job_id), each.fence, _goes_on_from(each))
                for each in reply.work
            ),
            tuple(self.jobs.index(job_id) for job_id in reply.drop),
        )

    def _running(self, listed: model.Listed) -> tuple[RunningJob, ...]:
        return tuple(RunningJob(self.jobs[number], fence) for number, fence in listed)

    def _decide(self, event: Event) -> str:
        [(approval_id,)] = self.team.core.database.read(
            lambda db: list(
                db.execute("SELECT pause_id FROM jobs WHERE id = ?", (self.jobs[event.job],))
            )
        )
        bob = self.team.people["bob"]
        self.team.core.approvals.decide(bob, approval_id, Verdict.APPROVE, DecisionRequest())
        return ""

    def _ask(self, event: Event) -> str:
        actor, job_id = self.workers[event.worker].actor, self.jobs[event.job]
        jobs = self.team.core.jobs
        if event.kind == "start":
            jobs.start(actor, job_id, event.fence)
            return "go"
        if event.kind == "pause":
            phases = tuple(
                PhaseReport(name=name, state=state)
                for name, state in (
                    ("before", "succeeded"),
                    ("look", "pending"),
                    ("after", "pending"),
                )
            )
            request = PauseRequest(fence=event.fence, phase=1, phases=phases, log_bytes=0)
            return str(jobs.pause(actor, job_id, request).state)
        outcome = Outcome(state=event.kind, phases=())
        jobs.finish(actor, job_id, FinishRequest(fence=event.fence, outcome=outcome, log_bytes=0))
        return "done"


def _goes_on_from(work: object) -> int:
    resume = order_of(work).resume
    return resume.paused_fence if resume else 0
