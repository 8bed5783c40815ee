"""What the server does with leases, fences, starts, pauses and ends, as small as it can be said.

Written from docs/reliability.md, not from the code: tests explore it whole, and compare the real
services with it step by step.
"""

from __future__ import annotations

from typing import NamedTuple

OPEN = ("leased", "running")
"""States of a job that its worker has on lease."""


class Automation(NamedTuple):
    """`job` is the number of the job that carries it out, None while it waits for one."""

    state: str = "queued"
    fence: int = 0
    job: int | None = None
    has_pause: bool = False
    is_requeued: bool = False


class Job(NamedTuple):
    """`paused_at` is the fence under which people were asked, 0 if they were not."""

    automation: int
    worker: int
    fence: int
    state: str = "leased"
    paused_at: int = 0
    is_decided: bool = False


class Server(NamedTuple):
    """All that is durable. Nothing else is left after a crash."""

    automations: tuple[Automation, ...]
    jobs: tuple[Job, ...] = ()


class Work(NamedTuple):
    """One job as a poll brings it; `goes_on_from` is the fence under which it was paused."""

    job: int
    fence: int
    goes_on_from: int = 0


class PollAnswer(NamedTuple):
    """What a worker with one slot is told."""

    work: tuple[Work, ...] = ()
    drop: tuple[int, ...] = ()


Listed = tuple[tuple[int, int], ...]
"""Jobs with their fences, as a worker lists them in its poll."""


def poll(server: Server, worker: int, held: Listed, paused: Listed) -> tuple[Server, PollAnswer]:
    """Take back what the worker never received, say what it is to drop, give it one job."""
    listed = dict(held)
    for number, job in enumerate(server.jobs):
        if job.worker == worker and job.state == "leased" and listed.get(number) != job.fence:
            server = lose(server, number)

    drop = [number for number, fence in held if _is_lost(server, worker, number, fence)]
    occupied = len(drop) + sum(job.worker == worker and job.state in OPEN for job in server.jobs)
    gone = [number for number, _ in paused if not _may_go_on(server, worker, number)]
    if occupied:
        return server, PollAnswer((), (*drop, *gone))
    server, work = _give(server, worker)
    return server, PollAnswer(work, (*drop, *gone))


def _is_lost(server: Server, worker: int, number: int, fence: int) -> bool:
    job = server.jobs[number]
    if job.worker != worker:
        return True
    if job.paused_at and job.state in {"paused", "leased"}:
        return False
    return not _is_newest(server, job, fence) or job.state == "returned"


def _may_go_on(server: Server, worker: int, number: int) -> bool:
    job = server.jobs[number]
    return job.worker == worker and job.state in {*OPEN, "paused"}


def _give(server: Server, worker: int) -> tuple[Server, tuple[Work, ...]]:
    """Lease what its people have decided, else what waits longest."""
    for number, job in enumerate(server.jobs):
        if job.worker == worker and job.state == "paused" and job.is_decided:
            fence = server.automations[job.automation].fence + 1
            server = _with_job(server, number, state="leased", fence=fence)
            server = _with_automation(server, job.automation, fence=fence)
            return server, (Work(number, fence, job.paused_at),)

    for number, automation in enumerate(server.automations):
        if automation.state == "queued" and automation.job is None:
            fence, job_number = automation.fence + 1, len(server.jobs)
            server = server._replace(jobs=(*server.jobs, Job(number, worker, fence)))
            server = _with_automation(server, number, fence=fence, job=job_number)
            return server, (Work(job_number, fence),)
    return server, ()


def start(server: Server, worker: int, number: int, fence: int) -> tuple[Server, str]:
    """Let a leased job begin, or go on: `go`, or `lost`."""
    job = server.jobs[number]
    if not _is_own(server, worker, number, fence) or job.state not in OPEN:
        return server, "lost"
    server = _with_job(server, number, state="running")
    return _with_automation(server, job.automation, state="running"), "go"


def pause(server: Server, worker: int, number: int, fence: int) -> tuple[Server, str]:
    """Let a job wait for people: `paused`, or `lost`."""
    job = server.jobs[number]
    if job.worker == worker and job.state in {"paused", "leased"} and job.paused_at == fence:
        return server, "paused"
    if not _is_own(server, worker, number, fence):
        return server, "lost"
    if job.state == "paused":
        return server, "paused"
    if job.state not in {"running", "unknown"}:
        return server, "lost"
    server = _with_job(server, number, state="paused", paused_at=fence, is_decided=False)
    return _with_automation(server, job.automation, state="paused"), "paused"


def finish(
    server: Server, worker: int, number: int, fence: int, outcome: str
) -> tuple[Server, str]:
    """Record how a job ended by its worker's word: `done`, `lost`, or `conflict`."""
    job = server.jobs[number]
    if not _is_own(server, worker, number, fence):
        return server, "lost"
    if outcome == "unknown":
        return lose(server, number), "done"
    if job.state == outcome:
        return server, "done"
    if job.state not in {"running", "unknown"}:
        return server, "conflict"
    server = _with_job(server, number, state=outcome)
    return _with_automation(server, job.automation, state=outcome), "done"


def lose(server: Server, number: int) -> Server:
    """Note that nobody can say what became of a job; one that did not begin waits again."""
    job = server.jobs[number]
    automation = server.automations[job.automation]
    if job.state == "leased" and job.paused_at:
        return _with_job(server, number, state="paused")
    if job.state == "leased":
        server = _with_job(server, number, state="returned")
        return _with_automation(server, job.automation, job=None)
    if job.state != "running":
        return server

    server = _with_job(server, number, state="unknown")
    if automation.is_requeued:
        fence = automation.fence + 1
        return _with_automation(server, job.automation, state="queued", job=None, fence=fence)
    return _with_automation(server, job.automation, state="unknown")


def decide(server: Server, number: int) -> Server:
    """Let people say that a paused job goes on."""
    return _with_job(server, number, is_decided=True)


def refuse(server: Server, worker: int, number: int, fence: int) -> tuple[Server, str]:
    """End what a worker will not carry out: `returned`, `lost`, or `conflict`."""
    job = server.jobs[number]
    if not _is_own(server, worker, number, fence):
        return server, "lost"
    if job.state != "leased":
        return server, "conflict"
    server = _with_job(server, number, state="cancelled" if job.paused_at else "returned")
    return _with_automation(server, job.automation, state="cancelled"), "returned"


def _is_own(server: Server, worker: int, number: int, fence: int) -> bool:
    job = server.jobs[number]
    return job.worker == worker and _is_newest(server, job, fence) and job.state != "returned"


def _is_newest(server: Server, job: Job, fence: int) -> bool:
    return job.fence == fence == server.automations[job.automation].fence


def _with_job(server: Server, number: int, **changes: object) -> Server:
    jobs = list(server.jobs)
    jobs[number] = jobs[number]._replace(**changes)  # type: ignore[arg-type]
    return server._replace(jobs=tuple(jobs))


def _with_automation(server: Server, number: int, **changes: object) -> Server:
    automations = list(server.automations)
    automations[number] = automations[number]._replace(**changes)  # type: ignore[arg-type]
    return server._replace(automations=tuple(automations))
