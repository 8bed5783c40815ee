"""Who shows which certificate, and who is let in with it."""

from __future__ import annotations

import signal
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsicle.security import certificates
from opsicle.security.authority import SERVER_LIFETIME, Authority
from tests.http.client import Client, read_all, trusting
from tests.http.conftest import client_of, data_folder
from tests.http.test_strictness import HOST, enrol
from tests.product import Process, Server, program
from tests.support import wait_until

PING = b"POST /worker/v1/poll HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


def test_the_listeners_certificate_is_signed_by_the_servers_ca(server: Server) -> None:
    with client_of(server).socket() as sock:
        assert isinstance(sock, ssl.SSLSocket)
        names = {value for _, value in sock.getpeercert()["subjectAltName"]}  # type: ignore[index,misc,has-type,union-attr]

    assert {"localhost", "127.0.0.1", "server.opsicle.internal"} <= names
    ca = (data_folder(server) / "ca.pem").read_text()
    assert certificates.fingerprint(ca) == server.facts["ca_fingerprint"]


def test_people_need_tls_1_2_at_least(server: Server) -> None:
    context = trusting(data_folder(server) / "ca.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert Client(server.url, context).get("/healthz").status == 200


def test_workers_need_tls_1_3(server: Server, alice: Client, tmp_path: Path) -> None:
    client = enrol(server, alice, tmp_path)
    assert client.context

    client.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        client.socket()


def test_a_worker_gets_in_with_its_certificate(
    server: Server, alice: Client, tmp_path: Path
) -> None:
    answer = enrol(server, alice, tmp_path).raw(PING)
    assert answer.startswith(b"HTTP/1.1 400 "), answer  # past authentication: the body is missing


def test_nobody_gets_past_the_handshake_without_a_certificate(server: Server) -> None:
    client = Client(server.facts["worker_url"], trusting(data_folder(server) / "ca.pem"))
    assert answer_of(client) == b""


def test_a_certificate_of_another_ca_is_worth_nothing(server: Server, tmp_path: Path) -> None:
    assert answer_of(forged(server, Authority.create(datetime.now(UTC)), tmp_path)) == b""


def test_the_listeners_own_certificate_is_no_workers(server: Server) -> None:
    context = trusting(data_folder(server) / "ca.pem")
    context.load_cert_chain(data_folder(server) / "listener.pem")
    assert answer_of(Client(server.facts["worker_url"], context)) == b""


def test_an_expired_certificate_is_refused_in_the_handshake(server: Server, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=30)
    assert answer_of(forged(server, authority_of(server), tmp_path, now=long_ago)) == b""


def test_a_worker_that_the_database_does_not_know_is_refused(
    server: Server, tmp_path: Path
) -> None:
    answer = answer_of(forged(server, authority_of(server), tmp_path))
    assert answer.startswith(b"HTTP/1.1 401 "), answer


def test_a_revoked_worker_is_refused_on_the_connection_that_it_has(
    server: Server, alice: Client, tmp_path: Path
) -> None:
    client = enrol(server, alice, tmp_path)
    connection = client.connect()
    connection.request("POST", "/worker/v1/poll", b"", {"Content-Type": "application/msgpack"})
    reply = connection.getresponse()
    assert (reply.status, bool(reply.read())) == (400, True)
    newest = alice.get("/api/v1/workers?limit=200").json["items"][-1]
    assert alice.post(f"/api/v1/workers/{newest['id']}/revoke").status == 200

    connection.request("POST", "/worker/v1/poll", b"", {"Content-Type": "application/msgpack"})
    assert connection.getresponse().status == 401
    connection.close()


def test_the_workers_listener_has_nothing_for_people(
    server: Server, alice: Client, tmp_path: Path
) -> None:
    client = enrol(server, alice, tmp_path)
    client.headers.update(alice.headers)

    for path in ("/", "/healthz", "/api/v1/whoami", "/api/openapi.json"):
        assert client.get(path).status == 404, path


def test_the_users_listener_has_nothing_for_workers(alice: Client) -> None:
    assert alice.post("/worker/v1/poll", {}).status == 404


def test_plain_http_on_a_tls_port_is_hung_up_on(server: Server) -> None:
    assert (
        replace(client_of(server), context=None).raw(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") == b""
    )


def answer_of(client: Client) -> bytes:
    """Return what a poll is answered with.

    Nothing if the handshake fails, which TLS 1.3 tells the client only later.
    """
    try:
        return client.raw(PING)
    except OSError:
        return b""


def authority_of(server: Server) -> Authority:
    text = (data_folder(server) / "authority.pem").read_text()
    return Authority.load(text, text)


def forged(
    server: Server, authority: Authority, folder: Path, now: datetime | None = None
) -> Client:
    """Return a client whose certificate this authority has signed for a worker of acme."""
    key, csr = certificates.make_key_and_csr()
    issued = authority.issue_worker(
        certificates.load_csr(csr), "acme", "wxyz", now or datetime.now(UTC)
    )
    (folder / "forged.pem").write_text(key + issued.pem)
    context = trusting(data_folder(server) / "ca.pem")
    context.load_cert_chain(folder / "forged.pem")
    return Client(server.facts["worker_url"], context)


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    """Issue a certificate and key for localhost, by some company's CA."""
    authority = Authority.create(datetime.now(UTC))
    certificate, key = authority.issue_server(["localhost"], datetime.now(UTC))
    (tmp_path / "cert.pem").write_text(certificate + authority.cert_pem)
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "key.pem").chmod(0o640)
    (tmp_path / "company-ca.pem").write_text(authority.cert_pem)
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_a_given_certificate_is_shown_to_people_and_its_ca_handed_out(
    tmp_path: Path, given: tuple[Path, Path]
) -> None:
    options = ("--tls-cert", str(given[0]), "--tls-key", str(given[1]))
    server = Server(tmp_path / "given", options=options).start()
    try:
        answer = Client(server.url, trusting(tmp_path / "company-ca.pem")).get("/api/v1/ca")
        assert answer.content == (tmp_path / "company-ca.pem").read_bytes()
    finally:
        server.process.stop()


@pytest.mark.parametrize("fault", ["swapped", "key of another", "missing", "no PEM", "one alone"])
def test_a_given_certificate_that_cannot_serve_is_refused(
    tmp_path: Path, given: tuple[Path, Path], fault: str
) -> None:
    certificate, key = given
    if fault == "swapped":
        certificate, key = key, certificate
    elif fault == "key of another":
        key.write_text(certificates.make_key_and_csr()[0])
    elif fault == "missing":
        key.unlink()
    elif fault == "no PEM":
        certificate.write_bytes(b"\xff\xfe")

    options = ["--tls-cert", str(certificate)] + (
        [] if fault == "one alone" else ["--tls-key", str(key)]
    )
    arguments = [
        *program(),
        "server",
        "--data-dir",
        str(tmp_path / "data"),
        "--listen",
        "127.0.0.1:0",
        *options,
    ]

    process = Process(arguments, tmp_path, "server", is_warm=True)
    try:
        assert process.popen.wait(60) == 2, process.log()
        assert "error: " in process.log()
        assert "Traceback" not in process.log()
    finally:
        process.kill()


def write_pair(given: tuple[Path, Path], at: datetime) -> None:
    """Write a new certificate and key for localhost, as a tool that renews them would."""
    certificate, key = Authority.create(at).issue_server(["localhost"], at)
    given[0].write_text(certificate)
    given[1].write_text(key)


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (timedelta(days=400), "expired on"),
        (timedelta(days=-2), "is not valid before"),
        (SERVER_LIFETIME - timedelta(days=3), "expires on"),
    ],
)
def test_a_certificate_that_is_not_valid_now_is_shown_and_complained_of(
    tmp_path: Path, given: tuple[Path, Path], age: timedelta, says: str
) -> None:
    """The field's case: after a restart with an expired certificate nothing ran any more."""
    write_pair(given, datetime.now(UTC) - age)
    server = Server(
        tmp_path / "own", options=("--tls-cert", str(given[0]), "--tls-key", str(given[1]))
    ).start()
    try:
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        people = Client(server.url, unverified)
        ready = people.get("/readyz")

        assert (ready.status, ready.json["status"]) == (200, "ok")
        assert says in ready.json["remarks"][0]
        assert f"{says} " in server.process.log()
        with people.socket() as sock:
            assert isinstance(sock, ssl.SSLSocket)
            assert sock.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(
                given[0].read_text()
            )

        write_pair(given, datetime.now(UTC))
        server.process.popen.send_signal(signal.SIGHUP)

        wait_until(
            lambda: "remarks" not in people.get("/readyz").json,
            what="the new certificate is taken up",
        )
        assert server.process.popen.poll() is None
    finally:
        server.process.stop()


def cipher_names(context: ssl.SSLContext) -> list[str]:
    return [str(each["name"]) for each in context.get_ciphers()]


def test_no_suite_in_cbc_mode_is_taken_from_people(server: Server) -> None:
    context = trusting(data_folder(server) / "ca.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:@SECLEVEL=0")
    cbc = [
        name
        for name in cipher_names(context)
        if "GCM" not in name and "POLY" not in name and "CCM" not in name
    ]
    assert "ECDHE-ECDSA-AES256-SHA384" in cbc
    for names in (cbc, ["AES128-GCM-SHA256"]):
        context.set_ciphers(":".join(names) + ":@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            Client(server.url, context).socket()

    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    assert Client(server.url, context).get("/healthz").status == 200


def test_people_need_tls_1_3_where_the_server_says_so(tmp_path: Path) -> None:
    server = Server(tmp_path / "modern", options=("--tls-min", "1.3")).start()
    try:
        context = trusting(data_folder(server) / "ca.pem")
        assert Client(server.url, context).get("/healthz").status == 200
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            Client(server.url, context).socket()
    finally:
        server.process.stop()


def test_a_handshake_that_breaks_off_shows_no_traceback_in_the_log(server: Server) -> None:
    plain = replace(client_of(server), context=None)
    with plain.socket() as sock:
        sock.sendall(b"\x16\x03\x01")
        sock.shutdown(socket.SHUT_WR)
        read_all(sock)

    assert "Traceback" not in server.process.log()
