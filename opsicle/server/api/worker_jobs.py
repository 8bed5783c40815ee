"""What workers call: `/worker/v1/…`, on the listener that asks for a client certificate."""

from __future__ import annotations

from functools import partial

from opsicle.server.api.http import Access, Reply, Request, Route
from opsicle.server.services.audit_checkpoints import AuditCheckpoints
from opsicle.server.services.dispatch import Dispatch
from opsicle.server.services.epoch_reports import EpochReports
from opsicle.server.services.jobs import Jobs
from opsicle.wire.worker_api import (
    Done,
    FinishReply,
    FinishRequest,
    LogReply,
    LogRequest,
    PollReply,
    PollRequest,
    RefuseRequest,
    StartRequest,
)


def routes(dispatch: Dispatch, jobs: Jobs, record: AuditCheckpoints, epochs: EpochReports) -> list[Route]:
    """The routes by which work is handed out and reported."""
    may = Access.WORKER
    job = "/worker/v1/jobs/<job_id>"
    return [
        Route(
            "POST", "/worker/v1/poll", partial(poll, dispatch, record, epochs), may, body=PollRequest, reply=PollReply
        ),
        Route("POST", f"{job}/start", partial(start, jobs), may, body=StartRequest, reply=Done),
        Route("POST", f"{job}/refuse", partial(refuse, jobs), may, body=RefuseRequest, reply=Done),
        Route("POST", f"{job}/log", partial(log, jobs), may, body=LogRequest, reply=LogReply),
        Route("POST", f"{job}/finish", partial(finish, jobs), may, body=FinishRequest, reply=FinishReply),
    ]


def poll(dispatch: Dispatch, record: AuditCheckpoints, epochs: EpochReports, request: Request) -> Reply:
    """Ask for work; held open while there is nothing to say. Also the worker's heartbeat."""
    said = request.body(PollRequest)
    if said.history_rewritten:
        record.contradicted(request.worker, said.history_rewritten)
    if said.newer_epoch:
        epochs.hear_newer(request.worker, said.newer_epoch)
    if said.ran:
        epochs.hear_ran(request.worker, said.ran)
    if epochs.asks_at_once(request.worker):
        said.wait_seconds = 0
    reply = dispatch.poll(request.worker, said, request.when_gone)
    reply.wants_ran = epochs.wants_ran(request.worker)
    # Work is not kept waiting for it; a shared worker is no one org's witness.
    if not reply.work and not request.worker.is_shared:
        reply.checkpoint = record.newest(request.worker.org_id)
    return Reply(200, reply)


def start(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Ask whether a leased job may begin."""
    return Reply(200, jobs.start(request.worker, job_id, request.body(StartRequest).fence))


def refuse(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Say that a job is not carried out, because its order does not fit."""
    return Reply(200, jobs.refuse(request.worker, job_id, request.body(RefuseRequest)))


def log(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Send output of a running job."""
    return Reply(200, jobs.log(request.worker, job_id, request.body(LogRequest)))


def finish(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Say how a job ended."""
    return Reply(200, jobs.finish(request.worker, job_id, request.body(FinishRequest)))
