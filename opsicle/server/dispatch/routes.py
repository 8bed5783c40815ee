"""What workers call: `/worker/v1/…`, on the listener that asks for a client certificate."""

from __future__ import annotations

from functools import partial

from opsicle.server.audit.checkpoints import AuditCheckpoints
from opsicle.server.dispatch.epoch_reports import EpochReports
from opsicle.server.dispatch.job_artifacts import JobArtifacts
from opsicle.server.dispatch.job_files import JobFiles
from opsicle.server.dispatch.jobs import Jobs
from opsicle.server.dispatch.service import Dispatch
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.wire.endpoints import jobs as endpoints
from opsicle.wire.worker_api import (
    ArtifactRequest,
    FinishRequest,
    LogRequest,
    PauseRequest,
    PollRequest,
    RefuseRequest,
    StartRequest,
)


def routes(
    dispatch: Dispatch,
    jobs: Jobs,
    job_artifacts: JobArtifacts,
    job_files: JobFiles,
    record: AuditCheckpoints,
    epochs: EpochReports,
) -> list[Route]:
    """Return the routes by which work is handed out and reported."""
    may = Access.WORKER
    return [
        Route(endpoints.POLL, partial(poll, dispatch, record, epochs), may),
        serve(endpoints.FILE, job_files.read, may),
        Route(endpoints.START, partial(start, jobs), may),
        Route(endpoints.REFUSE, partial(refuse, jobs), may),
        Route(endpoints.PAUSE, partial(pause, jobs), may),
        Route(endpoints.LOG, partial(log, jobs), may),
        Route(endpoints.ARTIFACT, partial(artifact, job_artifacts), may),
        Route(endpoints.FINISH, partial(finish, jobs), may),
    ]


def poll(
    dispatch: Dispatch, record: AuditCheckpoints, epochs: EpochReports, request: Request
) -> Reply:
    """Ask for work; held open while there is nothing to say. Also the worker's heartbeat."""
    message = request.body(PollRequest)
    if message.history_rewritten:
        record.contradicted(request.worker, message.history_rewritten)
    if message.newer_epoch:
        epochs.report_newer(request.worker, message.newer_epoch)
    if message.ran:
        epochs.record_ran(request.worker, message.ran, {each.job_id for each in message.paused})
    if epochs.should_answer_at_once(request.worker):
        message.wait_seconds = 0
    reply = dispatch.poll(request.worker, message, request.on_disconnect)
    reply.wants_ran = epochs.wants_ran(request.worker)
    # Work is not kept waiting for it; a shared worker monitors no one org's record.
    if not reply.work and not request.worker.is_shared:
        reply.checkpoint = record.newest(request.worker.org_id)
    return Reply(200, reply)


def start(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Ask whether a leased job may begin."""
    return Reply(200, jobs.start(request.worker, job_id, request.body(StartRequest).fence))


def refuse(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Say that a job is not carried out, because its order does not fit."""
    return Reply(200, jobs.refuse(request.worker, job_id, request.body(RefuseRequest)))


def pause(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Say that a job waits for people in its midst."""
    return Reply(200, jobs.pause(request.worker, job_id, request.body(PauseRequest)))


def log(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Send output of a running job."""
    return Reply(200, jobs.log(request.worker, job_id, request.body(LogRequest)))


def artifact(job_artifacts: JobArtifacts, request: Request, job_id: str) -> Reply:
    """Send a part of a file that a job leaves behind."""
    return Reply(200, job_artifacts.receive(request.worker, job_id, request.body(ArtifactRequest)))


def finish(jobs: Jobs, request: Request, job_id: str) -> Reply:
    """Say how a job ended."""
    return Reply(200, jobs.finish(request.worker, job_id, request.body(FinishRequest)))
