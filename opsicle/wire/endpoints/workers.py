"""Endpoints of workers, for people. `…_SHARED` are of the workers that serve many orgs."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.fleet_api import CreateJoinTokenRequest, NewJoinToken, UpdateWorkerRequest, Worker
from opsicle.wire.pages import Page

LIST_SHARED = Endpoint(
    "GET", "/api/v1/server/workers", reply=Page[Worker], query=PAGE | {"all": bool}
)
SHOW_SHARED = Endpoint("GET", "/api/v1/server/workers/<worker>", reply=Worker)
UPDATE_SHARED = Endpoint(
    "PATCH", "/api/v1/server/workers/<worker>", body=UpdateWorkerRequest, reply=Worker
)
DRAIN_SHARED = Endpoint("POST", "/api/v1/server/workers/<worker>/drain", reply=Worker)
UNDRAIN_SHARED = Endpoint("POST", "/api/v1/server/workers/<worker>/undrain", reply=Worker)
REVOKE_SHARED = Endpoint("POST", "/api/v1/server/workers/<worker>/revoke", reply=Worker)
CREATE_JOIN_TOKEN = Endpoint(
    "POST", "/api/v1/workers/tokens", body=CreateJoinTokenRequest, reply=NewJoinToken, status=201
)
LIST_WORKERS = Endpoint("GET", "/api/v1/workers", reply=Page[Worker], query=PAGE | {"all": bool})
SHOW = Endpoint("GET", "/api/v1/workers/<worker>", reply=Worker)
UPDATE = Endpoint("PATCH", "/api/v1/workers/<worker>", body=UpdateWorkerRequest, reply=Worker)
DRAIN = Endpoint("POST", "/api/v1/workers/<worker>/drain", reply=Worker)
UNDRAIN = Endpoint("POST", "/api/v1/workers/<worker>/undrain", reply=Worker)
REVOKE = Endpoint("POST", "/api/v1/workers/<worker>/revoke", reply=Worker)
