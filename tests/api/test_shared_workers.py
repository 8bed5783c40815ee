"""How shared workers come in, who sees them, what they may not do.

Alice runs the server; Gina does not.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAuthenticated, OpsicleError
from opsicle.security.certificates import (
    WorkerIdentity,
    load_certificate,
    make_key_and_csr,
    worker_identity,
)
from opsicle.server.http.request import WORKER_IDENTITY
from opsicle.server.store import audit
from opsicle.wire.worker_api import RenewRequest
from tests.api.running_server import ApiServer, Client

POLL = {
    "boot_id": "b",
    "version": "1",
    "labels": {},
    "slots": 1,
    "free_slots": 1,
    "runtimes": ["subprocess"],
    "wait_seconds": 0,
}


@pytest.fixture
def gina(api_server: ApiServer) -> Client:
    return api_server.session("gina@example.com")


def record(api_server: ApiServer, org_id: str) -> list[str]:
    rows = api_server.state.read(
        lambda db: audit.list_entries(db, org_id, audit.AuditFilter(), 2**53, 100)
    )
    return [f"{row.verb} {row.resource.partition('/')[0]}" for row in rows]


def test_the_certificate_names_the_providers_scope_and_no_org(api_server: ApiServer) -> None:
    worker = api_server.worker("provider", "pool")
    assert (worker.is_shared, worker.org) == (True, "provider")

    der = load_certificate(worker.certificate_pem)
    identity = worker_identity(der.public_bytes(Encoding.DER))
    assert (identity.org, identity.worker_id) == ("provider", worker.worker_id)

    actor = api_server.services.workers.authenticate(identity, "10.0.0.1")
    assert (actor.is_shared, actor.org_id) == (True, "")

    for org in ("acme", "globex"):
        with pytest.raises(NotAuthenticated):
            api_server.services.workers.authenticate(
                WorkerIdentity(org, worker.worker_id, "1"), "10.0.0.1"
            )

    own = api_server.worker("acme", "own")
    with pytest.raises(NotAuthenticated):
        api_server.services.workers.authenticate(
            WorkerIdentity("provider", own.worker_id, "1"), "10.0.0.1"
        )
    assert own.is_shared is False

    reply = api_server.services.enrolments.renew(actor, RenewRequest(make_key_and_csr()[1]))
    renewed = worker_identity(load_certificate(reply.certificate_pem).public_bytes(Encoding.DER))
    assert renewed.org == "provider"


def test_only_server_operators_make_such_a_token_and_it_dies_with_their_being_one(
    api_server: ApiServer, gina: Client
) -> None:
    assert gina.post("/api/v1/workers/tokens", {"is_shared": True}).status == 403
    request, _ = api_server.join_request("provider")
    api_server.server_operator("gina@example.com")
    assert gina.delete("/api/v1/server/operators/alice@example.com").status == 204
    with pytest.raises(OpsicleError, match="no longer runs the server"):
        api_server.services.enrolments.enrol(request, "10.0.0.1")


def test_no_org_sees_or_touches_them_and_the_provider_does(
    api_server: ApiServer, alice: Client, gina: Client
) -> None:
    worker = api_server.worker("provider", "pool")

    for who in (alice, gina):
        assert who.get("/api/v1/workers").json["items"] == []
        for name in ("pool", worker.worker_id):
            foreign, absent = (
                who.get(f"/api/v1/workers/{name}"),
                who.get(f"/api/v1/workers/{'0' * 26}"),
            )
            assert foreign.status == absent.status == 404
            for verb in ("drain", "undrain", "revoke"):
                assert who.post(f"/api/v1/workers/{name}/{verb}").status == 404

    (shown,) = alice.get("/api/v1/server/workers").json["items"]
    assert (shown["name"], shown["is_shared"], shown["state"]) == ("pool", True, "active")
    assert alice.post("/api/v1/server/workers/pool/drain").json["state"] == "draining"
    assert alice.post("/api/v1/server/workers/pool/undrain").json["state"] == "active"
    assert alice.post("/api/v1/server/workers/pool/revoke").json["state"] == "revoked"

    own = api_server.worker("acme", "own")
    assert alice.get(f"/api/v1/server/workers/{own.worker_id}").status == 404
    with pytest.raises(NotAuthenticated):
        api_server.services.workers.authenticate(
            WorkerIdentity("provider", worker.worker_id, "1"), "10.0.0.1"
        )


def test_what_becomes_of_them_stands_in_the_servers_record_and_in_no_orgs(
    api_server: ApiServer, alice: Client
) -> None:
    api_server.worker("provider", "pool")
    alice.post("/api/v1/server/workers/pool/revoke")
    assert record(api_server, "")[:3] == ["revoke workers", "enrol workers", "create join_tokens"]
    for email in ("alice@example.com", "gina@example.com"):
        entries = record(api_server, api_server.actor(email).org_id)
        assert not [entry for entry in entries if "workers" in entry or "join_tokens" in entry]


def test_names_are_unique_among_shared_workers_and_free_for_every_org(
    api_server: ApiServer,
) -> None:
    assert [api_server.worker("provider", "pool").name for _ in range(2)] == ["pool", "pool-2"]
    assert [api_server.worker(org, "pool").name for org in ("acme", "globex")] == ["pool", "pool"]


def test_an_org_lets_them_serve_it_by_its_admins_word(api_server: ApiServer, gina: Client) -> None:
    hal = api_server.person("globex", "hal", BuiltInRole.OPERATOR)
    assert hal.patch("/api/v1/orgs/globex", {"allows_shared_workers": True}).status == 403
    assert gina.get("/api/v1/orgs/globex").json["allows_shared_workers"] is False
    assert (
        gina.patch("/api/v1/orgs/globex", {"allows_shared_workers": True}).json[
            "allows_shared_workers"
        ]
        is True
    )
    assert api_server.services.fleet.sharing_orgs == {api_server.actor("gina@example.com").org_id}
    (entry, *_) = gina.get("/api/v1/audit").json["items"]
    assert (entry["verb"], entry["data"]) == ("update", {"allows_shared_workers": True})
    assert gina.patch("/api/v1/orgs/globex", {"allows_shared_workers": False}).status == 200
    assert api_server.services.fleet.sharing_orgs == set()


def test_a_shared_worker_is_shown_no_checkpoint_of_any_record(api_server: ApiServer) -> None:
    workers = {org: api_server.worker(org, "pool") for org in ("acme", "provider")}
    for chain in (api_server.actor("alice@example.com").org_id, ""):
        api_server.services.audit_checkpoints.sign(chain)
        assert api_server.services.audit_checkpoints.newest(chain)
    for org, worker in workers.items():
        identity = WorkerIdentity(org, worker.worker_id, "1")
        client = Client(api_server.applications.for_workers, environ={WORKER_IDENTITY: identity})
        answer = client.post("/worker/v1/poll", POLL)
        assert answer.status == 200, answer.content
        assert (b"checkpoint" in answer.content) is (org == "acme")
