"""What our certificates are for.

A TLS 1.3 handshake between OpenSSL and OpenSSL, without a network.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsicle.security import certificates
from opsicle.security.authority import SERVER_NAME, Authority

NOW = datetime.now(UTC)
AUTHORITY = Authority.create(NOW - timedelta(days=30))
MALLORY = Authority.create(NOW)
Pair = tuple[str, str]


class Side:
    """One end of a connection in memory."""

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool, name: str | None = None
    ) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server_side, server_hostname=name
        )

    def attempt(self, step: Callable[[ssl.SSLObject], object], fake_server: Side) -> bool:
        """Take a step, hand over what it says; False if it waits for the other end."""
        try:
            step(self.tls)
        except ssl.SSLWantReadError:
            return False
        finally:
            fake_server.incoming.write(self.outgoing.read())
        return True


def worker_pair(authority: Authority = AUTHORITY, now: datetime = NOW) -> Pair:
    key_pem, csr_pem = certificates.make_key_and_csr()
    return authority.issue_worker(certificates.load_csr(csr_pem), "acme", "w1", now).pem, key_pem


def context(
    purpose: ssl.Purpose, pair: Pair | None, trusted: Authority, folder: Path
) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cadata=trusted.cert_pem)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    if pair:
        both = folder / f"{purpose.name}.pem"
        both.write_text("".join(pair))
        made.load_cert_chain(both)
    return made


@pytest.fixture
def connect(tmp_path: Path) -> Callable[..., certificates.WorkerIdentity]:
    def run(
        worker: Pair | None,
        server: Pair | None = None,
        *,
        worker_trusts: Authority = AUTHORITY,
        name: str = SERVER_NAME,
    ) -> certificates.WorkerIdentity:
        """Shake hands, carry one byte each way, and say who the server takes the worker for."""
        pair = server or AUTHORITY.issue_server(["10.0.0.1"], NOW)
        listener = Side(
            context(ssl.Purpose.CLIENT_AUTH, pair, AUTHORITY, tmp_path), server_side=True
        )
        trusting = context(ssl.Purpose.SERVER_AUTH, worker, worker_trusts, tmp_path)
        caller = Side(trusting, server_side=False, name=name)

        steps = [ssl.SSLObject.do_handshake, lambda tls: tls.write(b"x"), lambda tls: tls.read(1)]
        _alternate(caller, listener, steps)

        assert listener.tls.version() == "TLSv1.3"
        shown = listener.tls.getpeercert()
        assert shown
        in_der = listener.tls.getpeercert(binary_form=True)
        assert in_der
        assert certificates.worker_identity(shown) == certificates.worker_identity(in_der)

        return certificates.worker_identity(shown)

    return run


def _alternate(
    caller: Side, listener: Side, steps: list[Callable[[ssl.SSLObject], object]]
) -> None:
    left = {caller: list(steps), listener: list(steps)}
    for _ in range(20):
        for side, fake_server in ((caller, listener), (listener, caller)):
            if left[side] and side.attempt(left[side][0], fake_server):
                left[side].pop(0)
    assert not any(left.values()), "the handshake did not come to an end"


def test_a_worker_with_its_certificate_is_known_by_it(connect) -> None:
    identity = connect(worker_pair())
    assert (identity.org, identity.worker_id) == ("acme", "w1")


@pytest.mark.parametrize("name", [SERVER_NAME, "localhost", "127.0.0.1", "10.0.0.1"])
def test_the_server_is_known_by_each_of_its_names(connect, name: str) -> None:
    assert connect(worker_pair(), name=name).worker_id == "w1"


def test_a_worker_refuses_a_server_by_a_name_that_it_does_not_have(connect) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        connect(worker_pair(), name="elsewhere.example")


def test_the_server_refuses_a_caller_without_a_certificate(connect) -> None:
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        connect(None)


def test_the_server_refuses_a_worker_of_another_ca(connect) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(worker_pair(MALLORY))


def test_a_worker_refuses_a_server_of_another_ca(connect) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(worker_pair(), MALLORY.issue_server([], NOW))


def test_a_worker_refuses_another_worker_that_poses_as_the_server(connect) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)purpose"):
        connect(worker_pair(), worker_pair())


def test_the_server_refuses_a_server_certificate_as_a_callers_identity(connect) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)purpose"):
        connect(AUTHORITY.issue_server([], NOW))


def test_the_server_refuses_an_expired_worker_certificate(connect) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        connect(worker_pair(now=NOW - timedelta(days=7, seconds=1)))


def test_the_server_refuses_a_worker_certificate_from_the_future(connect) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
        connect(worker_pair(now=datetime.now(UTC) + timedelta(days=1, minutes=6)))


def test_a_certificate_made_by_a_clock_some_hours_ahead_works_at_once(connect) -> None:
    assert connect(worker_pair(now=NOW + timedelta(hours=23))).worker_id == "w1"
