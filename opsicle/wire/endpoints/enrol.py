"""Endpoints of a worker's certificate: where to get one, the first one, and the next ones."""

from __future__ import annotations

from opsicle.wire.endpoint import MAX_ENROLMENT_BODY_BYTES, Endpoint
from opsicle.wire.worker_api import (
    EnrolReply,
    EnrolRequest,
    LeaveReply,
    LeaveRequest,
    RenewReply,
    RenewRequest,
    WorkerAddress,
)

SHOW_WORKER_ADDRESS = Endpoint("GET", "/api/v1/enrol", reply=WorkerAddress)
ENROL = Endpoint(
    "POST", "/api/v1/enrol", body=EnrolRequest, reply=EnrolReply, max_body=MAX_ENROLMENT_BODY_BYTES
)
RENEW_CERTIFICATE = Endpoint(
    "POST",
    "/worker/v1/renew",
    body=RenewRequest,
    reply=RenewReply,
    max_body=MAX_ENROLMENT_BODY_BYTES,
    description="Give a worker a new certificate for the identity that it has.",
)
LEAVE = Endpoint(
    "POST",
    "/worker/v1/leave",
    body=LeaveRequest,
    reply=LeaveReply,
    description="End the identity of an ephemeral worker, which says so itself.",
)
