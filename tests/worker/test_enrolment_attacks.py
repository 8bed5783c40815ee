"""Nobody between a worker and its server can take part in the worker's enrolment."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.errors import InvalidInput, NotAuthenticated
from opsicle.security import certificates
from opsicle.security.authority import Authority
from opsicle.security.order_key import OrderKey
from opsicle.wire.worker_api import Enrolment, EnrolRequest
from opsicle.worker.identity import WorkerDataFolder
from tests.worker.fake_enrolment import FakeEnrolmentServer, obtain


@pytest.fixture
def fake_server() -> Iterator[FakeEnrolmentServer]:
    fake_server = FakeEnrolmentServer()
    yield fake_server
    fake_server.stop()


def test_the_secret_never_goes_over_the_wire(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    identity = obtain(folder, fake_server.token.text)

    sent = b"".join(fake_server.bodies)
    secret = fake_server.token.secret
    for form in (
        secret,
        base64.b64encode(secret),
        base64.urlsafe_b64encode(secret),
        secret.hex().encode(),
    ):
        assert form not in sent
    assert b"PRIVATE KEY" not in sent
    assert fake_server.token.text.encode() not in sent
    assert identity.key_pem.encode() not in sent


@pytest.mark.parametrize(
    "change",
    [
        lambda e: msgspec.structs.replace(e, ca_pem=Authority.create(datetime.now(UTC)).cert_pem),
        lambda e: msgspec.structs.replace(e, worker_url="https://mallory.example"),
        lambda e: msgspec.structs.replace(e, request_digest="0" * 64),
        lambda e: msgspec.structs.replace(e, org="other"),
        lambda e: msgspec.structs.replace(e, order_key_pem=OrderKey.create().public.pem),
    ],
    ids=[
        "another CA",
        "another address",
        "another request",
        "another org",
        "another key for orders",
    ],
)
def test_an_answer_that_was_altered_on_the_way_is_refused_and_nothing_kept(
    fake_server, folder, change
) -> None:
    fake_server.forge = change

    with pytest.raises(NotAuthenticated, match="somebody stands between"):
        obtain(folder, fake_server.token.text)

    assert folder.load_identity() is None


def unknown_certificate(folder: Path, names: list[str]) -> ssl.SSLContext:
    """TLS as somebody in the middle has it.

    With a certificate of their own CA, for whatever name they like.
    """
    pair = folder / "stranger.pem"
    certificate_pem, key_pem = Authority.create(datetime.now(UTC)).issue_server(
        names, datetime.now(UTC)
    )
    pair.write_text(key_pem + certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context


@pytest.mark.parametrize("names", [[], ["ops.example.com"]], ids=["for us", "for another"])
def test_in_the_middle_of_an_enrolment_over_tls_nobody_learns_the_secret_or_becomes_the_server(
    tmp_path: Path, folder: WorkerDataFolder, names: list[str]
) -> None:
    """The middle decrypts everything.

    It may pass on what it read, and then the worker has the real server's CA.
    """
    fake_server = FakeEnrolmentServer(tls=unknown_certificate(tmp_path, names))
    mallorys = Authority.create(datetime.now(UTC)).cert_pem
    fake_server.forge = lambda enrolment: msgspec.structs.replace(enrolment, ca_pem=mallorys)

    with pytest.raises(NotAuthenticated, match="somebody stands between"):
        obtain(folder, fake_server.token.text)

    assert folder.load_identity() is None
    fake_server.forge, fake_server.is_used = lambda enrolment: enrolment, False
    assert obtain(folder, fake_server.token.text).ca_pem == fake_server.authority.cert_pem
    secret = fake_server.token.secret
    read = b"".join(fake_server.bodies)
    assert len(fake_server.bodies) == 2
    for form in (
        secret,
        base64.b64encode(secret),
        base64.urlsafe_b64encode(secret),
        secret.hex().encode(),
    ):
        assert form not in read

    fake_server.stop()


def test_an_answer_of_an_earlier_enrolment_is_worth_nothing_for_this_one(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    obtain(folder, fake_server.token.text)
    first = msgspec.json.decode(fake_server.bodies[0], type=EnrolRequest)
    fake_server.is_used = False
    replayed = fake_server.handle("", msgspec.json.encode(first), "")
    fake_server.handle = lambda *_: replayed

    with (
        closing(WorkerDataFolder.open(folder.path.parent / "other")) as other,
        pytest.raises(NotAuthenticated, match="between"),
    ):
        obtain(other, fake_server.token.text)


def test_somebody_without_the_secret_cannot_answer_in_the_servers_place(
    fake_server, folder: WorkerDataFolder
) -> None:
    fake_server.key, fake_server.checks_requests = b"\0" * 32, False

    with pytest.raises(NotAuthenticated, match="somebody stands between"):
        obtain(folder, fake_server.token.text)

    assert folder.load_identity() is None


def test_an_answer_without_a_usable_key_for_orders_is_no_enrolment(
    fake_server, folder: WorkerDataFolder
) -> None:
    fake_server.forge = lambda enrolment: msgspec.structs.replace(enrolment, order_key_pem="")
    fake_server.proves_what_it_forged = True

    with pytest.raises(InvalidInput, match="key for orders"):
        obtain(folder, fake_server.token.text)

    assert folder.load_identity() is None


def test_an_answer_with_a_certificate_for_another_key_is_refused(
    fake_server: FakeEnrolmentServer, folder: WorkerDataFolder
) -> None:
    def other_key(enrolment: Enrolment) -> Enrolment:
        key = certificates.load_csr(certificates.make_key_and_csr()[1])
        pem = fake_server.authority.issue_worker(key, "acme", "w1", datetime.now(UTC)).pem
        return msgspec.structs.replace(enrolment, certificate_pem=pem)

    fake_server.forge = other_key
    fake_server.proves_what_it_forged = True
    with pytest.raises(InvalidInput, match="does not belong to the certificate"):
        obtain(folder, fake_server.token.text)
    assert folder.load_identity() is None
