"""Plain HTTP: for a proxy on the same machine, and for the demo."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.client import Client, read_all
from tests.product import PASSWORD, Process, Server, program

LOGIN = {"email": "alice@example.com", "password": PASSWORD, "kind": "browser"}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from running(Server(tmp_path_factory.mktemp("proxied"), options=("--behind-proxy",)))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from running(Server(tmp_path_factory.mktemp("demo"), options=("--plain-http",)))


def running(server: Server) -> Iterator[Server]:
    server.start()
    token = (server.folder / "data/setup-token").read_text().strip()
    setup = {"token": token, "org": "acme", "email": "alice@example.com", "password": PASSWORD}
    assert Client(server.url, None).post("/api/v1/setup", setup).status == 200
    yield server
    print(server.process.log())
    assert server.process.stop() == 0


def test_the_url_of_a_plain_listener_says_so(proxied: Server) -> None:
    assert proxied.url.startswith("http://127.0.0.1:")
    assert Client(proxied.url, None).get("/readyz").status == 200


def test_a_proxy_that_speaks_https_makes_the_session_secure(proxied: Server) -> None:
    through = Client(proxied.url, None, {"X-Forwarded-Proto": "https", "Host": "ops.example.com"})
    answer = through.post("/api/v1/login", LOGIN, Origin="https://ops.example.com")
    assert answer.status == 200, answer
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-opsicle=")
    assert answer.headers["Strict-Transport-Security"]

    through.headers |= {
        "Cookie": cookie.partition(";")[0],
        "Opsicle-CSRF": answer.json["me"]["csrf_token"],
    }
    assert through.post("/api/v1/logout", Origin="http://ops.example.com").status == 403
    assert through.post("/api/v1/logout", Origin="https://ops.example.com").status == 204


def test_the_last_forwarded_address_is_the_one_that_the_proxy_has_seen(proxied: Server) -> None:
    Client(proxied.url, None).get("/api/v1/nothing", X_Forwarded_For="10.9.9.9, 203.0.113.7")
    log = proxied.process.log()

    assert '"address":"203.0.113.7"' in log
    assert "10.9.9.9" not in log


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("198.51.100.4:55123", "198.51.100.4"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("2001:DB8::8", "2001:db8::8"),
        ("unknown", "127.0.0.1"),
        ("x" * 8_000, "127.0.0.1"),
        ("203.0.113.9, ", "127.0.0.1"),
    ],
)
def test_only_an_address_is_taken_for_one(proxied: Server, entry: str, address: str) -> None:
    path = f"/api/v1/nothing-{abs(hash(entry))}"
    Client(proxied.url, None).get(path, X_Forwarded_For=entry)

    (line,) = (line for line in proxied.process.log().splitlines() if path in line)
    assert json.loads(line[line.index("{") :])["address"] == address


def test_behind_a_proxy_the_metrics_take_a_login(proxied: Server) -> None:
    assert Client(proxied.url, None).get("/metrics").status == 401


def test_without_a_proxy_nobody_can_claim_another_address_or_scheme(demo: Server) -> None:
    claims = {"X_Forwarded_For": "203.0.113.7", "X_Forwarded_Proto": "https"}
    answer = Client(demo.url, None).post("/api/v1/login", LOGIN, **claims)

    assert answer.headers["Set-Cookie"].startswith("opsicle=")
    assert "203.0.113.7" not in demo.process.log()


def test_a_session_over_plain_http_is_as_guarded_as_any(demo: Server) -> None:
    browser = Client(demo.url, None, {"Origin": demo.url})
    answer = browser.post("/api/v1/login", LOGIN)
    browser.headers |= {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}

    assert browser.get("/api/v1/whoami").status == 200
    assert browser.post("/api/v1/logout").status == 403
    browser.headers["Opsicle-CSRF"] = answer.json["me"]["csrf_token"]
    assert browser.post("/api/v1/logout", Origin="http://localhost").status == 403
    assert browser.post("/api/v1/logout").status == 204


def test_a_unix_socket_serves_a_proxy(tmp_path: Path) -> None:
    path = tmp_path / "opsicle.sock"
    options = ["--listen", f"unix:{path}", "--url", "https://ops.example.com", "--behind-proxy"]
    arguments = [
        *program(),
        "server",
        "--data-dir",
        str(tmp_path / "data"),
        "--worker-listen",
        "127.0.0.1:0",
        *options,
    ]

    for name in ("first", "second after a kill"):  # which leaves the socket behind
        process = Process(arguments, tmp_path, name, is_warm=True)
        try:
            process.wait_for("opsicle server ready  https://ops.example.com")
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert read_all(sock).startswith(b"HTTP/1.1 200 OK")
        finally:
            process.kill()


@pytest.mark.parametrize(
    "options",
    [
        ("--behind-proxy", "--listen", "0.0.0.0:0"),
        ("--behind-proxy", "--listen", ":0"),
        ("--plain-http", "--listen", "[::]:0"),
        ("--listen", "unix:/tmp/opsicle-test.sock"),
        (
            "--behind-proxy",
            "--listen",
            "127.0.0.1:0",
            "--worker-listen",
            "unix:/tmp/opsicle-test.sock",
        ),
        ("--behind-proxy", "--listen", "127.0.0.1:0", "--tls-cert", "a", "--tls-key", "b"),
    ],
)
def test_plain_http_never_leaves_the_machine(tmp_path: Path, options: tuple[str, ...]) -> None:
    process = Process(
        [*program(), "server", "--data-dir", str(tmp_path / "data"), *options],
        tmp_path,
        "server",
        is_warm=True,
    )
    try:
        assert process.popen.wait(60) == 2, process.log()
        assert not (tmp_path / "data").exists()
    finally:
        process.kill()
