"""How workers come in, are seen, drained and shut out."""

from __future__ import annotations

from collections import Counter

import gevent
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import InvalidInput, NotAuthenticated, OpsicleError
from opsicle.security import join_token
from opsicle.security.certificates import (
    WorkerIdentity,
    load_certificate,
    make_key_and_csr,
    worker_identity,
)
from opsicle.server.access.actor import WorkerActor
from opsicle.version import RELEASE, __version__
from opsicle.wire.worker_api import Enrolment, EnrolRequest, PollRequest, RenewRequest
from tests.api.running_server import ApiServer, Client
from tests.support import wait_until


def authenticate(api_server: ApiServer, worker: Enrolment, org: str = "acme") -> WorkerActor:
    return api_server.services.workers.authenticate(
        WorkerIdentity(org, worker.worker_id, "1"), "10.0.0.1"
    )


def outcome(api_server: ApiServer, request: EnrolRequest) -> str:
    try:
        api_server.services.enrolments.enrol(request, "10.0.0.1")
    except OpsicleError as error:
        return type(error).__name__
    return "enrolled"


def poll_request(**changes: object) -> PollRequest:
    facts = {
        "boot_id": "b1",
        "program_version": "1.0",
        "labels": {"site": "fra"},
        "slots": 4,
        "free_slots": 4,
        "runtimes": ("subprocess",),
        "wait_seconds": 0,
    }
    return PollRequest(**(facts | changes))


def test_a_worker_enrols_over_http_with_a_token_made_over_http(
    api_server: ApiServer, alice: Client
) -> None:
    made = alice.post("/api/v1/workers/tokens", {"ttl_seconds": 600})
    assert made.status == 201
    token = join_token.parse(made.json["token"])
    assert token.url == "https://ops.example.com"

    request = join_token.make_request(token, make_key_and_csr()[1], "web", {"site": "ams"}, 2)
    answer = api_server.client().post(
        "/api/v1/enrol", {name: getattr(request, name) for name in EnrolRequest.__struct_fields__}
    )
    assert answer.status == 200, answer.content

    reply = join_token.EnrolReply(**answer.json)
    worker = join_token.open_reply(token, request, reply)
    assert (worker.org, worker.name, worker.worker_url) == (
        "acme",
        "web",
        "https://ops.example.com:8444",
    )

    identity = worker_identity(load_certificate(worker.certificate_pem).public_bytes(Encoding.DER))
    assert (identity.org, identity.worker_id) == ("acme", worker.worker_id)

    shown = alice.get("/api/v1/workers/web").json
    assert (shown["id"], shown["labels"], shown["slots"]) == (worker.worker_id, {"site": "ams"}, 2)
    assert (shown["state"], shown["is_connected"], shown["busy"]) == ("active", False, 0)


def test_of_fifty_redemptions_of_one_token_at_once_one_gets_a_certificate(
    api_server: ApiServer,
) -> None:
    first, token = api_server.join_request()
    requests = [
        join_token.make_request(token, make_key_and_csr()[1], f"w{n}", {}, 1) for n in range(49)
    ] + [first]
    jobs = [gevent.spawn(outcome, api_server, request) for request in requests]
    gevent.joinall(jobs, raise_error=True)
    assert Counter(job.value for job in jobs) == {"enrolled": 1, "Conflict": 49}
    listed = api_server.services.workers.list_workers(
        api_server.actor("alice@example.com"), "", 100
    )
    assert len(listed.items) == 1


def test_a_token_is_refused_after_its_time(api_server: ApiServer) -> None:
    request, _ = api_server.join_request()
    api_server.clock.advance(minutes=16)
    assert outcome(api_server, request) == "NotAuthenticated"


@pytest.mark.parametrize("ttl", [0, 59, 86_401])
def test_a_token_lives_neither_too_short_nor_too_long(alice: Client, ttl: int) -> None:
    assert alice.post("/api/v1/workers/tokens", {"ttl_seconds": ttl}).status == 400


def test_who_does_not_know_the_secret_gets_nothing_and_the_token_stays_good(
    api_server: ApiServer,
) -> None:
    request, token = api_server.join_request()
    forged = join_token.make_request(
        join_token.JoinToken(token.url, token.token_id, b"\0" * 32),
        make_key_and_csr()[1],
        "mallory",
        {},
        1,
    )
    assert outcome(api_server, forged) == "NotAuthenticated"
    altered = join_token.make_request(token, request.csr_pem, "web", {"site": "ams"}, 2)
    altered.csr_pem = make_key_and_csr()[1]
    assert outcome(api_server, altered) == "NotAuthenticated"
    assert outcome(api_server, request) == "enrolled"


def test_a_csr_that_claims_more_gets_only_what_the_server_chose(api_server: ApiServer) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    claims = [
        x509.UniformResourceIdentifier("spiffe://opsicle/org/globex/worker/admin"),
        x509.DNSName("server.opsicle.internal"),
    ]
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "globex")]))
        .add_extension(x509.SubjectAlternativeName(claims), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )

    request, token = api_server.join_request(csr_pem=csr.public_bytes(Encoding.PEM).decode())
    worker = join_token.open_reply(
        token, request, api_server.services.enrolments.enrol(request, "10.0.0.1")
    )

    certificate = load_certificate(worker.certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == [
        f"spiffe://opsicle/org/acme/worker/{worker.worker_id}"
    ]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_weak_key_is_refused_and_the_token_stays_good(api_server: ApiServer) -> None:
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(rsa.generate_private_key(65537, 1024), hashes.SHA256())
    )
    request, token = api_server.join_request(csr_pem=csr.public_bytes(Encoding.PEM).decode())
    assert outcome(api_server, request) == "InvalidInput"
    assert (
        outcome(api_server, join_token.make_request(token, make_key_and_csr()[1], "web", {}, 1))
        == "enrolled"
    )


@pytest.mark.parametrize(
    "facts", [{"labels": {"": "x"}}, {"labels": {"site": "a\nb"}}, {"slots": 0}, {"slots": 10_000}]
)
def test_a_worker_with_labels_or_slots_that_make_no_sense_is_refused(
    api_server: ApiServer, facts: dict[str, object]
) -> None:
    assert outcome(api_server, api_server.join_request(**facts)[0]) == "InvalidInput"


def test_every_refused_enrolment_stands_in_the_record(api_server: ApiServer, alice: Client) -> None:
    request, _ = api_server.join_request()
    outcomes = [outcome(api_server, request) for _ in range(3)]
    assert outcomes == ["enrolled", "Conflict", "Conflict"]
    entries = alice.get("/api/v1/audit").json["items"]
    refused = [entry for entry in entries if entry["verb"] == "refuse_enrol"]
    assert [(entry["address"], entry["data"]["code"]) for entry in refused] == [
        ("10.0.0.1", "conflict")
    ] * 2


def test_an_address_that_is_refused_again_and_again_is_no_longer_listened_to(
    api_server: ApiServer,
) -> None:
    request, _ = api_server.join_request()
    request.token_id = "unknown"
    outcomes = Counter(outcome(api_server, request) for _ in range(60))
    assert outcomes == {"NotAuthenticated": 50, "TooManyRequests": 10}


def test_names_are_unique_among_an_orgs_workers(api_server: ApiServer) -> None:
    names = [
        api_server.worker(name=name).name for name in ("Web 01", "web-01", "WEB_01", "", "...")
    ]
    assert names == ["web-01", "web-01-2", "web-01-3", "worker", "worker-2"]
    assert api_server.worker("globex", "web-01").name == "web-01"


def test_the_name_of_a_revoked_worker_is_free_again(api_server: ApiServer, alice: Client) -> None:
    old = api_server.worker()
    assert alice.post("/api/v1/workers/web/revoke").json["state"] == "revoked"
    new = api_server.worker()
    assert new.name == "web"
    assert alice.get("/api/v1/workers/web").json["id"] == new.worker_id
    assert alice.get(f"/api/v1/workers/{old.worker_id}").json["state"] == "revoked"


def test_a_certificate_lets_its_worker_in_until_it_is_revoked(
    api_server: ApiServer, alice: Client
) -> None:
    worker = api_server.worker()
    assert authenticate(api_server, worker).name == "web"
    assert alice.post(f"/api/v1/workers/{worker.worker_id}/revoke").status == 200
    with pytest.raises(NotAuthenticated):
        authenticate(api_server, worker)


def test_a_certificate_of_another_orgs_worker_of_that_id_is_refused(api_server: ApiServer) -> None:
    worker = api_server.worker()
    with pytest.raises(NotAuthenticated):
        authenticate(api_server, worker, org="globex")


def test_a_revoked_workers_open_poll_ends_at_once(api_server: ApiServer, alice: Client) -> None:
    actor = authenticate(api_server, api_server.worker())
    poll = gevent.spawn(api_server.services.dispatch.poll, actor, poll_request(wait_seconds=30))
    assert wait_until(
        lambda: api_server.services.fleet.is_connected(actor.worker_id), 60, pause=gevent.sleep
    )
    assert alice.get("/api/v1/workers/web").json["is_connected"] is True
    assert alice.post("/api/v1/workers/web/revoke").status == 200
    poll.join(timeout=20)  # less than it would be held
    assert isinstance(poll.exception, NotAuthenticated)
    assert alice.get("/api/v1/workers/web").json["is_connected"] is False


def test_a_poll_that_was_let_in_just_before_the_revocation_is_refused(
    api_server: ApiServer, alice: Client
) -> None:
    actor = authenticate(api_server, api_server.worker())
    alice.post("/api/v1/workers/web/revoke")
    with pytest.raises(NotAuthenticated):
        api_server.services.dispatch.poll(actor, poll_request())


def test_draining_and_back_again(api_server: ApiServer, alice: Client) -> None:
    actor = authenticate(api_server, api_server.worker())
    poll = gevent.spawn(api_server.services.dispatch.poll, actor, poll_request(wait_seconds=30))
    assert wait_until(
        lambda: api_server.services.fleet.is_connected(actor.worker_id), 60, pause=gevent.sleep
    )
    for _ in range(2):
        assert alice.post("/api/v1/workers/web/drain").json["state"] == "draining"
    api_server.services.dispatch.close()
    poll.join(timeout=20)  # less than it would be held
    assert poll.value.drain is True
    assert alice.post("/api/v1/workers/web/undrain").json["state"] == "active"
    verbs = [entry["verb"] for entry in alice.get("/api/v1/audit").json["items"]]
    assert (verbs.count("drain"), verbs.count("undrain")) == (1, 1)


@pytest.mark.parametrize("verb", ["drain", "undrain"])
def test_a_revoked_worker_does_not_come_back(
    api_server: ApiServer, alice: Client, verb: str
) -> None:
    api_server.worker()
    assert [alice.post("/api/v1/workers/web/revoke").status for _ in range(2)] == [200, 200]
    assert alice.post(f"/api/v1/workers/web/{verb}").status == 409


def test_the_list_shows_what_a_worker_said_last(api_server: ApiServer, alice: Client) -> None:
    actor = authenticate(api_server, api_server.worker())
    api_server.services.dispatch.poll(actor, poll_request())
    (shown,) = alice.get("/api/v1/workers").json["items"]
    assert (shown["labels"], shown["slots"], shown["program_version"]) == (
        {"site": "fra"},
        4,
        "1.0",
    )
    assert shown["runtimes"] == ["subprocess"]
    seen = shown["last_seen_at"]
    api_server.clock.advance(seconds=2)
    api_server.services.dispatch.poll(actor, poll_request())
    assert alice.get("/api/v1/workers/web").json["last_seen_at"] > seen


@pytest.mark.parametrize(
    ("version", "is_behind"),
    [("0.0.9+3f2a1b", True), (__version__, False), (f"{RELEASE}+another", False), ("9.0", False)],
)
def test_a_worker_of_an_earlier_release_than_the_server_is_behind(
    api_server: ApiServer, alice: Client, version: str, is_behind: bool
) -> None:
    actor = authenticate(api_server, api_server.worker())
    api_server.services.dispatch.poll(actor, poll_request(program_version=version))

    (shown,) = alice.get("/api/v1/workers").json["items"]

    assert (shown["program_version"], shown["is_behind"]) == (version, is_behind)


def test_the_list_comes_in_pages(api_server: ApiServer, alice: Client) -> None:
    for n in range(3):
        api_server.worker(name=f"w{n}")
        api_server.clock.advance(seconds=1)
    first = alice.get("/api/v1/workers?limit=2").json
    second = alice.get(f"/api/v1/workers?limit=2&cursor={first['next_cursor']}").json
    assert [worker["name"] for worker in first["items"] + second["items"]] == ["w0", "w1", "w2"]


def test_a_renewed_certificate_is_for_the_same_worker_and_both_are_good(
    api_server: ApiServer, alice: Client
) -> None:
    worker = api_server.worker()
    actor = authenticate(api_server, worker)
    before = alice.get("/api/v1/workers/web").json
    api_server.clock.advance(days=4)
    reply = api_server.services.enrolments.renew(actor, RenewRequest(make_key_and_csr()[1]))
    identity = worker_identity(load_certificate(reply.certificate_pem).public_bytes(Encoding.DER))
    assert identity.worker_id == worker.worker_id
    after = alice.get("/api/v1/workers/web").json
    assert after.pop("certificate_expires_at") > before.pop("certificate_expires_at")
    assert after == before
    assert api_server.services.workers.authenticate(identity, "10.0.0.1") == authenticate(
        api_server, worker
    )


def test_a_revoked_worker_gets_no_new_certificate(api_server: ApiServer, alice: Client) -> None:
    actor = authenticate(api_server, api_server.worker())
    alice.post("/api/v1/workers/web/revoke")
    with pytest.raises(NotAuthenticated):
        api_server.services.enrolments.renew(actor, RenewRequest(make_key_and_csr()[1]))


def test_a_bad_request_for_renewal_changes_nothing(api_server: ApiServer, alice: Client) -> None:
    actor = authenticate(api_server, api_server.worker())
    before = alice.get("/api/v1/workers/web").json
    with pytest.raises(InvalidInput):
        api_server.services.enrolments.renew(
            actor, RenewRequest("-----BEGIN CERTIFICATE REQUEST-----")
        )
    assert alice.get("/api/v1/workers/web").json == before


def test_the_secret_of_a_join_token_is_nowhere_in_the_database(api_server: ApiServer) -> None:
    _, token = api_server.join_request()
    api_server.state.write(lambda db: db.execute("PRAGMA user_version").fetchall())
    stored = b"".join(path.read_bytes() for path in api_server.folder.path.glob("opsicle.db*"))
    assert token.token_id.encode() in stored
    assert token.secret not in stored
    assert token.secret.hex().encode() not in stored


def test_a_reporter_sees_workers_and_may_do_nothing_to_them(api_server: ApiServer) -> None:
    api_server.worker()
    rita = api_server.person("acme", "rita", BuiltInRole.REPORTER)
    assert rita.get("/api/v1/workers/web").status == 200
    for path in ("tokens", "web/drain", "web/undrain", "web/revoke"):
        assert rita.post(f"/api/v1/workers/{path}", {}).status == 403
