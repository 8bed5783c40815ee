"""A real server, and people to talk to it.

Alice is the admin; Bob operates, Carol is a member, Rita only reports.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.http.client import Client, trusting
from tests.product import PASSWORD, Server

ROLES = {"alice": "admin", "bob": "operator", "carol": "member", "rita": "reporter"}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server and set it up as Alice, for all tests that do not stop it."""
    server = Server(tmp_path_factory.mktemp("api")).start()
    set_up(server)
    yield server
    print(server.process.log())
    assert server.process.stop() == 0


@pytest.fixture(scope="session")
def anonymous(server: Server) -> Client:
    """Return the client of somebody who has not logged in."""
    return client_of(server)


@pytest.fixture(scope="session")
def alice(server: Server) -> Client:
    return log_in(server, "alice")


@pytest.fixture(scope="session")
def bob(server: Server, alice: Client) -> Client:
    return add(server, alice, "bob")


@pytest.fixture(scope="session")
def carol(server: Server, alice: Client) -> Client:
    return add(server, alice, "carol")


@pytest.fixture(scope="session")
def rita(server: Server, alice: Client) -> Client:
    return add(server, alice, "rita")


@pytest.fixture
def browser(server: Server, alice: Client) -> Client:
    """Return Alice's browser: it has a cookie, and sends what a page of ours must."""
    return open_browser(server, "alice")


def client_of(server: Server, **headers: str) -> Client:
    return Client(server.url, trusting(data_folder(server) / "ca.pem"), dict(headers))


def data_folder(server: Server) -> Path:
    return server.folder / "data"


def set_up(server: Server) -> None:
    token = (data_folder(server) / "setup-token").read_text().strip()
    answer = client_of(server).post(
        "/api/v1/setup",
        {"token": token, "org": "acme", "email": email("alice"), "password": PASSWORD},
    )
    assert answer.status == 200, answer


def log_in(server: Server, name: str) -> Client:
    answer = client_of(server).post("/api/v1/login", {"email": email(name), "password": PASSWORD})
    assert answer.status == 200, answer
    return client_of(server, Authorization=f"Bearer {answer.json['token']}")


def add(server: Server, admin: Client, name: str) -> Client:
    """Add somebody with the role of their name to the org, and log them in."""
    answer = admin.post(
        "/api/v1/users", {"email": email(name), "password": PASSWORD, "role": ROLES[name]}
    )
    assert answer.status == 201, answer
    return log_in(server, name)


def open_browser(server: Server, name: str) -> Client:
    body = {"email": email(name), "password": PASSWORD, "kind": "browser"}
    answer = client_of(server).post("/api/v1/login", body, Origin=server.url)
    assert answer.status == 200, answer
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    csrf = json.loads(answer.content)["me"]["csrf_token"]
    return client_of(server, **{"Cookie": cookie, "Origin": server.url, "Opsicle-CSRF": csrf})


def without(client: Client, *names: str) -> Client:
    """Return the same client, not sending some of its headers."""
    return replace(
        client, headers={name: value for name, value in client.headers.items() if name not in names}
    )


def email(name: str) -> str:
    return f"{name}@example.com"
