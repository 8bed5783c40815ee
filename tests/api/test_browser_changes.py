"""No route changes anything by a cookie alone, and none by asking to read."""

from __future__ import annotations

import pytest

from opsicle.server.http.routing import Access
from tests.api.route_bodies import BODIES
from tests.api.route_walk import MAY, Things, call, filled, prepare
from tests.api.running_server import ORIGIN, PASSWORD, ApiServer, Client


@pytest.fixture
def acme(api_server: ApiServer) -> Things:
    return prepare(api_server, "acme", "alice@example.com", "restart-web")


@pytest.fixture
def alice(api_server: ApiServer, acme: Things) -> Client:
    """Her browser, which sends its cookie whoever's page makes it send."""
    body = {"email": "alice@example.com", "password": PASSWORD, "kind": "browser"}
    cookie = (
        api_server.client().call("POST", "/api/v1/login", body, Origin=ORIGIN).headers["Set-Cookie"]
    )
    return Client(api_server.application, {"Cookie": cookie.partition(";")[0]})


def changes(api_server: ApiServer) -> int:
    """Return how many entries the record has, save for those that say that it was read."""
    sql = "SELECT count(*) FROM audit_entries WHERE verb <> 'export'"
    return api_server.state.read(lambda db: sum(row[0] for row in db.execute(sql)))


FORGERIES: dict[str, dict[str, str]] = {
    "no Origin": {"Opsicle-CSRF": "right"},
    "a null Origin": {"Origin": "null", "Opsicle-CSRF": "right"},
    "another's Origin": {"Origin": "https://evil.example", "Opsicle-CSRF": "right"},
    "our name over HTTP": {"Origin": ORIGIN.replace("https", "http"), "Opsicle-CSRF": "right"},
    "our name at another port": {"Origin": f"{ORIGIN}:8443", "Opsicle-CSRF": "right"},
    "a name that begins like ours": {"Origin": f"{ORIGIN}.evil.example", "Opsicle-CSRF": "right"},
    "no proof of having read our page": {"Origin": ORIGIN},
    "a wrong one": {"Origin": ORIGIN, "Opsicle-CSRF": "0" * 64},
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_no_route_changes_anything_for_another_sites_page(
    api_server: ApiServer, alice: Client, acme: Things, forged: dict[str, str]
) -> None:
    right = alice.get("/api/v1/whoami").json["csrf_token"]
    headers = {name: right if value == "right" else value for name, value in forged.items()}
    before, asked = changes(api_server), 0
    for route_key, may in MAY.items():
        method, path = route_key.split(" ", 1)
        if method != "GET" and may is not Access.PUBLIC:
            body = BODIES.get(route_key, {}) if method != "DELETE" else None
            answer = alice.call(method, filled(path, acme), body, **headers)
            assert (answer.status, answer.code) == (403, "not_allowed"), (route_key, answer.content)
            asked += 1
    assert asked > 50
    assert changes(api_server) == before
    assert alice.get("/api/v1/whoami").status == 200


def test_what_only_reads_changes_nothing(
    api_server: ApiServer, alice: Client, acme: Things
) -> None:
    before = changes(api_server)
    for route_key in MAY:
        if route_key.startswith("GET"):
            assert call(alice, route_key, acme).status in (200, 404, 503), route_key
    assert changes(api_server) == before


def test_no_change_can_be_asked_for_as_if_it_were_reading(
    api_server: ApiServer, alice: Client, acme: Things
) -> None:
    """A link or picture on another site's page makes a browser send GET or HEAD with the cookie."""
    before = changes(api_server)
    readable = {filled(key.split(" ", 1)[1], acme) for key in MAY if key.startswith("GET")}
    for route_key in MAY:
        method, path = route_key.split(" ", 1)
        where = filled(path, acme)
        if method == "GET" or where in readable:
            continue
        for instead in ("GET", "HEAD"):
            answer = alice.call(instead, where, **{"X-HTTP-Method-Override": method})
            assert answer.status in (404, 405), (route_key, instead, answer.content)
    assert changes(api_server) == before
