"""Orgs: founding them, going from one to another, and who runs the server.

Alice runs it; Gina does not.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.identity.sessions import LIFETIME
from opsicle.server.store import audit
from tests.api.running_server import ORIGIN, PASSWORD, ApiServer, Client


@pytest.fixture
def gina(api_server: ApiServer) -> Client:
    return api_server.session("gina@example.com")


def found(first_admin: Client, code: str = "initech", **more: str) -> None:
    answer = first_admin.post("/api/v1/orgs", {"code": code, **more})
    assert answer.status == 201, answer.content


def record(api_server: ApiServer, org_id: str) -> list[tuple[str, str]]:
    """Verb and resource of what stands in a chain, newest first."""
    rows = api_server.state.read(
        lambda db: audit.list_entries(db, org_id, audit.AuditFilter(), 2**53, 100)
    )
    return [(row.verb, row.resource) for row in rows]


def test_who_has_set_the_server_up_runs_it_and_nobody_else_does(
    alice: Client, gina: Client
) -> None:
    assert [admin["email"] for admin in alice.get("/api/v1/server/operators").json["items"]] == [
        "alice@example.com"
    ]
    assert "server.manage" in alice.get("/api/v1/whoami").json["permissions"]
    assert "server.manage" not in gina.get("/api/v1/whoami").json["permissions"]
    for path in ("/api/v1/server/operators", "/api/v1/server/orgs"):
        assert gina.get(path).status == 403


def test_a_server_operator_founds_an_org_and_goes_there_with_a_new_session(
    api_server: ApiServer, alice: Client
) -> None:
    found(alice, name="Initech Inc.")

    listed = [{**org, "id": ""} for org in alice.get("/api/v1/orgs").json["items"]]
    assert listed == [
        {
            "id": "",
            "code": "acme",
            "name": "acme",
            "role": "admin",
            "allows_shared_workers": False,
            "max_running": None,
            "max_waiting": None,
            "log_retention_days": None,
            "max_log_mib": None,
            "is_current": True,
        },
        {
            "id": "",
            "code": "initech",
            "name": "Initech Inc.",
            "role": "admin",
            "allows_shared_workers": False,
            "max_running": None,
            "max_waiting": None,
            "log_retention_days": None,
            "max_log_mib": None,
            "is_current": False,
        },
    ]

    answer = alice.post("/api/v1/orgs/initech/switch", {})
    assert answer.status == 200

    there = api_server.client(answer.json["token"])
    assert there.get("/api/v1/whoami").json["org"]["code"] == "initech"
    assert [user["email"] for user in there.get("/api/v1/users").json["items"]] == [
        "alice@example.com"
    ]

    assert alice.get("/api/v1/whoami").status == 401, "the old session has ended"


def test_the_old_session_stays_in_its_own_org_if_it_is_kept(
    api_server: ApiServer, alice: Client
) -> None:
    found(alice)
    there = api_server.client(
        alice.post("/api/v1/orgs/initech/switch", {"is_kept": True}).json["token"]
    )
    assert alice.get("/api/v1/whoami").json["org"]["code"] == "acme"
    assert there.get("/api/v1/orgs/initech").json["is_current"] is True
    assert there.patch("/api/v1/orgs/acme", {"name": "x"}).status == 404, (
        "its session is for another one"
    )


def test_switching_prolongs_no_session(api_server: ApiServer, alice: Client) -> None:
    found(alice)
    api_server.clock.advance(days=6)
    assert alice.get("/api/v1/whoami").status == 200
    answer = alice.post("/api/v1/orgs/initech/switch", {})
    there = api_server.client(answer.json["token"])
    for _ in range(4):
        api_server.clock.advance(days=6 - 1 / 24)
        last = there.get("/api/v1/whoami").status
    assert LIFETIME["cli"] == timedelta(days=30)
    assert last == 200
    api_server.clock.advance(hours=5)
    assert there.get("/api/v1/whoami").status == 401


def test_a_browser_gets_the_new_session_as_a_cookie_and_no_token(
    api_server: ApiServer, alice: Client
) -> None:
    found(alice)
    login = {"email": "alice@example.com", "password": PASSWORD, "kind": "browser", "org": "acme"}
    answer = api_server.client().post("/api/v1/login", login)
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    headers = {"Cookie": cookie, "Origin": ORIGIN, "Opsicle-CSRF": answer.json["me"]["csrf_token"]}
    browser = Client(api_server.application, headers)
    switched = browser.post("/api/v1/orgs/initech/switch", {})
    assert (switched.status, switched.json["token"]) == (200, "")
    now = Client(
        api_server.application, {"Cookie": switched.headers["Set-Cookie"].partition(";")[0]}
    )
    assert now.get("/api/v1/whoami").json["org"]["code"] == "initech"
    assert browser.get("/api/v1/whoami").status == 401


def test_nobody_enters_an_org_that_they_do_not_belong_to_or_are_disabled_in(
    api_server: ApiServer, alice: Client, gina: Client
) -> None:
    found(alice, admin="gina@example.com")
    foreign, absent = (
        alice.post(f"/api/v1/orgs/{code}/switch", {}) for code in ("initech", "nowhere")
    )
    assert foreign.status == absent.status == 404
    assert foreign.content.replace(b"initech", b"nowhere") == absent.content
    api_server.person("globex", "hal", BuiltInRole.ADMIN)
    hal = api_server.session("hal@example.com")
    assert hal.patch("/api/v1/users/gina@example.com", {"is_disabled": True}).status == 200
    there = api_server.session("gina@example.com", "initech")
    assert there.post("/api/v1/orgs/globex/switch", {}).status == 404
    assert [org["code"] for org in there.get("/api/v1/orgs").json["items"]] == ["initech"]


def test_an_api_token_stays_in_its_org(api_server: ApiServer, alice: Client) -> None:
    found(alice)
    robot = api_server.client(alice.post("/api/v1/tokens", {"name": "ci"}).json["token"])
    assert robot.post("/api/v1/orgs/initech/switch", {}).status == 403


def test_founding_is_for_server_operators_alone(alice: Client, gina: Client) -> None:
    assert gina.post("/api/v1/orgs", {"code": "initech"}).status == 403
    assert [org["code"] for org in alice.get("/api/v1/server/orgs").json["items"]] == [
        "acme",
        "globex",
    ]


def test_with_open_orgs_everybody_founds_their_own_but_for_nobody_else(
    api_server: ApiServer, gina: Client
) -> None:
    api_server.services.sessions._has_open_orgs = True
    for admin in ("alice@example.com", "nobody@example.com"):
        answer = gina.post("/api/v1/orgs", {"code": "initech", "admin": admin})
        assert (answer.status, answer.json["errors"][0]["path"]) == (400, "admin"), admin
        assert "account" not in answer.content.decode(), "it says nothing of who has one"
    found(gina)
    assert gina.get("/api/v1/orgs/initech").json["role"] == "admin"
    assert gina.get("/api/v1/server/orgs").status == 403


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"code": "provider"}, "code"),
        ({"code": "A"}, "code"),
        ({"code": "initech", "name": "two\nlines"}, "name"),
        ({"code": "initech", "admin": "nobody"}, "admin"),
    ],
)
def test_an_org_that_cannot_be_is_refused_with_the_field(
    alice: Client, body: dict[str, str], path: str
) -> None:
    answer = alice.post("/api/v1/orgs", body)
    assert answer.status == 400
    assert [problem["path"] for problem in answer.json["errors"]] == [path]
    assert alice.post("/api/v1/orgs", {"code": "globex"}).status == 409


def test_founding_stands_in_the_new_orgs_record_and_the_servers_but_not_in_the_founders(
    api_server: ApiServer, alice: Client
) -> None:
    found(alice)
    there = api_server.actor("alice@example.com", "initech")
    created = ("create", "orgs/initech")
    assert created in record(api_server, there.org_id)
    assert created in record(api_server, "")
    assert "initech" not in alice.get("/api/v1/audit").content.decode()
    alice.post("/api/v1/orgs/initech/switch", {})
    assert (
        "initech"
        not in api_server.session("alice@example.com", "acme").get("/api/v1/audit").content.decode()
    )


def test_admins_rename_their_own_org(api_server: ApiServer, alice: Client, gina: Client) -> None:
    assert alice.patch("/api/v1/orgs/acme", {"name": "Acme Ltd."}).json["name"] == "Acme Ltd."
    assert alice.patch("/api/v1/orgs/acme", {}).json["name"] == "Acme Ltd."
    assert alice.patch("/api/v1/orgs/globex", {"name": "x"}).status == 404
    assert gina.get("/api/v1/orgs/globex").json["name"] == "globex"
    bob = api_server.person("acme", "bob", BuiltInRole.OPERATOR)
    assert bob.patch("/api/v1/orgs/acme", {"name": "x"}).status == 403


def test_server_operators_are_named_and_dropped_but_the_last_one_stays(
    api_server: ApiServer, alice: Client, gina: Client
) -> None:
    assert alice.delete("/api/v1/server/operators/alice@example.com").status == 409
    assert alice.post("/api/v1/server/operators", {"email": "nobody@example.com"}).status == 404
    for _ in range(2):
        assert alice.post("/api/v1/server/operators", {"email": "Gina@example.com"}).status == 200
    assert gina.delete("/api/v1/server/operators/alice@example.com").status == 204
    assert gina.delete("/api/v1/server/operators/alice@example.com").status == 404
    assert alice.get("/api/v1/server/orgs").status == 403
    verbs = [
        verb
        for verb, resource in record(api_server, "")
        if resource.startswith("server_operators/")
    ]
    assert verbs == ["drop", "name"]


def test_an_orgs_admin_can_neither_take_over_nor_shut_out_who_runs_the_server(
    api_server: ApiServer,
) -> None:
    mallory = api_server.person("acme", "mallory", BuiltInRole.ADMIN)
    one = "/api/v1/users/alice@example.com"
    for change in ({"password": "quite another one"}, {"name": "Mallory"}, {"is_disabled": True}):
        assert mallory.patch(one, change).status == 409, change
    assert mallory.post(f"{one}/reset").status == 409
    assert mallory.delete(f"{one}/totp").status == 409
    assert mallory.delete(one).status == 409
    api_server.server_operator("gina@example.com")
    assert mallory.delete(one).status == 204, "another one is left who can log in"
    body = {"email": "alice@example.com", "password": "quite another one", "role": "member"}
    assert mallory.post("/api/v1/users", body).status == 409, (
        "the account is not anybody's to open anew"
    )


def test_of_those_who_found_the_same_org_at_once_one_does(
    api_server: ApiServer, alice: Client
) -> None:
    answers = [gevent.spawn(alice.post, "/api/v1/orgs", {"code": "initech"}) for _ in range(20)]
    gevent.joinall(answers, raise_error=True)
    assert Counter(answer.value.status for answer in answers) == {201: 1, 409: 19}


def test_of_two_last_server_operators_who_drop_each_other_at_once_one_stays(
    api_server: ApiServer, alice: Client, gina: Client
) -> None:
    api_server.server_operator("gina@example.com")
    drops = [
        gevent.spawn(one.delete, f"/api/v1/server/operators/{other}@example.com")
        for one, other in ((alice, "gina"), (gina, "alice"))
    ]
    gevent.joinall(drops, raise_error=True)
    assert sorted(drop.value.status for drop in drops) in ([204, 403], [204, 409])
