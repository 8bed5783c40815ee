"""The endpoints of enrol."""

from __future__ import annotations

from opsicle.wire.endpoint import MAX_ENROLMENT_BODY_BYTES, Endpoint
from opsicle.wire.worker_api import EnrolPlace, EnrolReply, EnrolRequest, RenewReply, RenewRequest

PLACE = Endpoint("GET", "/api/v1/enrol", reply=EnrolPlace)
ENROL = Endpoint("POST", "/api/v1/enrol", body=EnrolRequest, reply=EnrolReply, max_body=MAX_ENROLMENT_BODY_BYTES)
RENEW = Endpoint("POST", "/worker/v1/renew", body=RenewRequest, reply=RenewReply, max_body=MAX_ENROLMENT_BODY_BYTES)
