"""Endpoints by which a worker gets jobs and reports on them."""

from __future__ import annotations

from opsicle.wire.endpoint import Endpoint
from opsicle.wire.worker_api import (
    ArtifactReply,
    ArtifactRequest,
    Done,
    FileReply,
    FileRequest,
    FinishReply,
    FinishRequest,
    LogReply,
    LogRequest,
    PauseRequest,
    PollReply,
    PollRequest,
    RefuseRequest,
    StartRequest,
)

POLL = Endpoint("POST", "/worker/v1/poll", body=PollRequest, reply=PollReply)
FILE = Endpoint("POST", "/worker/v1/jobs/<job_id>/file", body=FileRequest, reply=FileReply)
START = Endpoint("POST", "/worker/v1/jobs/<job_id>/start", body=StartRequest, reply=Done)
REFUSE = Endpoint("POST", "/worker/v1/jobs/<job_id>/refuse", body=RefuseRequest, reply=Done)
PAUSE = Endpoint("POST", "/worker/v1/jobs/<job_id>/pause", body=PauseRequest, reply=Done)
LOG = Endpoint("POST", "/worker/v1/jobs/<job_id>/log", body=LogRequest, reply=LogReply)
ARTIFACT = Endpoint(
    "POST", "/worker/v1/jobs/<job_id>/artifact", body=ArtifactRequest, reply=ArtifactReply
)
FINISH = Endpoint("POST", "/worker/v1/jobs/<job_id>/finish", body=FinishRequest, reply=FinishReply)
