"""Endpoints of workers, for people. `…_SHARED` are of the workers that serve many orgs."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.fleet_api import (
    CreateJoinTokenRequest,
    NewJoinToken,
    OpenJoinToken,
    UpdateWorkerRequest,
    Worker,
)
from opsicle.wire.pages import Page
from opsicle.wire.recent_run_api import WorkerJob

LIST_SHARED = Endpoint(
    "GET", "/api/v1/server/workers", reply=Page[Worker], query=PAGE | {"all": bool}
)
SHOW_SHARED = Endpoint(
    "GET",
    "/api/v1/server/workers/<worker>",
    reply=Worker,
    description="Show a shared worker, by id or name.",
)
UPDATE_SHARED = Endpoint(
    "PATCH",
    "/api/v1/server/workers/<worker>",
    body=UpdateWorkerRequest,
    reply=Worker,
    description="Grant a shared worker other labels than those that it has.",
)
DRAIN_SHARED = Endpoint(
    "POST",
    "/api/v1/server/workers/<worker>/drain",
    reply=Worker,
    description="Let a shared worker finish what it has and take no more.",
)
UNDRAIN_SHARED = Endpoint(
    "POST",
    "/api/v1/server/workers/<worker>/undrain",
    reply=Worker,
    description="Let a draining shared worker take work again.",
)
REVOKE_SHARED = Endpoint(
    "POST",
    "/api/v1/server/workers/<worker>/revoke",
    reply=Worker,
    description="Shut a shared worker out for good, at once.",
)
CREATE_JOIN_TOKEN = Endpoint(
    "POST",
    "/api/v1/workers/tokens",
    body=CreateJoinTokenRequest,
    reply=NewJoinToken,
    status=201,
    description="Make a join token; the answer is the only place where it is shown.",
)
LIST_JOIN_TOKENS = Endpoint(
    "GET",
    "/api/v1/join-tokens",
    reply=Page[OpenJoinToken],
    query=PAGE,
    description="List the join tokens with which workers can still enrol.",
)
REVOKE_JOIN_TOKEN = Endpoint[None](
    "DELETE",
    "/api/v1/join-tokens/<join_token>",
    status=204,
    description="Let nobody enrol any more by a join token.",
)
LIST_SHARED_JOIN_TOKENS = Endpoint(
    "GET",
    "/api/v1/server/join-tokens",
    reply=Page[OpenJoinToken],
    query=PAGE,
    description="List the join tokens with which shared workers can still enrol.",
)
REVOKE_SHARED_JOIN_TOKEN = Endpoint[None](
    "DELETE",
    "/api/v1/server/join-tokens/<join_token>",
    status=204,
    description="Let no shared worker enrol any more by a join token.",
)
LIST_WORKERS = Endpoint("GET", "/api/v1/workers", reply=Page[Worker], query=PAGE | {"all": bool})
SHOW = Endpoint(
    "GET",
    "/api/v1/workers/<worker>",
    reply=Worker,
    description="Show a worker, by id or name.",
)
LIST_JOBS = Endpoint(
    "GET",
    "/api/v1/workers/<worker>/jobs",
    reply=Page[WorkerJob],
    query=PAGE,
    description="List what a worker was handed for the org, newest first.",
)
UPDATE = Endpoint(
    "PATCH",
    "/api/v1/workers/<worker>",
    body=UpdateWorkerRequest,
    reply=Worker,
    description="Grant a worker other labels than those that it has.",
)
DRAIN = Endpoint(
    "POST",
    "/api/v1/workers/<worker>/drain",
    reply=Worker,
    description="Let a worker finish what it has and take no more.",
)
UNDRAIN = Endpoint(
    "POST",
    "/api/v1/workers/<worker>/undrain",
    reply=Worker,
    description="Let a draining worker take work again.",
)
REVOKE = Endpoint(
    "POST",
    "/api/v1/workers/<worker>/revoke",
    reply=Worker,
    description="Shut a worker out for good, at once.",
)
