"""The people of an org."""

from __future__ import annotations

from collections import Counter

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.running_server import PASSWORD, ApiServer, Client


def add(admin: Client, who: str, **more: object) -> dict[str, object]:
    body = {"email": f"{who}@example.com", "password": PASSWORD, "role": "member", **more}
    answer = admin.post("/api/v1/users", body)
    assert answer.status == 201, answer.content
    return dict(answer.json)


def test_a_new_person_can_log_in_and_has_their_role_and_manager(
    api_server: ApiServer, alice: Client
) -> None:
    bob = add(alice, "bob", name="Bob", manager="ALICE@example.com")
    assert (bob["name"], bob["role"], bob["manager"]) == ("Bob", "member", "alice@example.com")
    me = api_server.login("bob@example.com").get("/api/v1/whoami").json
    assert me["role"] == "member"
    assert "users.manage" not in me["permissions"]


def test_people_are_found_by_id_and_by_address(alice: Client) -> None:
    bob = add(alice, "bob")
    assert (
        alice.get("/api/v1/users/Bob@example.com").json
        == alice.get(f"/api/v1/users/{bob['id']}").json
        == bob
    )


def test_lists_come_in_pages(alice: Client) -> None:
    for name in ("dave", "bob", "carol"):
        add(alice, name)
    first = alice.get("/api/v1/users?limit=3").json
    second = alice.get(f"/api/v1/users?limit=3&cursor={first['next_cursor']}").json
    emails = [user["email"] for user in first["items"] + second["items"]]
    assert emails == [f"{name}@example.com" for name in ("alice", "bob", "carol", "dave")]
    assert second["next_cursor"] == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("password", "short"),
        ("password", "bob@example.com"),
        ("role", "king"),
        ("manager", "nobody@example.com"),
        ("manager", "gina@example.com"),
        ("name", "two\nlines"),
    ],
)
def test_a_person_who_cannot_be_added_is_refused_with_the_field(
    alice: Client, field: str, value: str
) -> None:
    body = {"email": "bob@example.com", "password": PASSWORD, "role": "member", field: value}
    answer = alice.post("/api/v1/users", body)
    assert answer.status == 400
    assert [problem["path"] for problem in answer.json["errors"]] == [field]
    assert alice.get("/api/v1/users/bob@example.com").status == 404


def test_an_address_that_has_an_account_cannot_be_added_again(alice: Client) -> None:
    for email in ("alice@example.com", "gina@example.com"):
        body = {"email": email, "password": PASSWORD, "role": "member"}
        assert alice.post("/api/v1/users", body).status == 409


def test_nobody_can_stand_above_themselves(alice: Client) -> None:
    add(alice, "bob", manager="alice@example.com")
    add(alice, "carol", manager="bob@example.com")
    for manager in ("carol@example.com", "bob@example.com", "alice@example.com"):
        answer = alice.patch("/api/v1/users/alice@example.com", {"manager": manager})
        assert answer.status == 400, manager
    assert alice.patch("/api/v1/users/carol@example.com", {"manager": None}).json["manager"] is None
    assert (
        alice.patch("/api/v1/users/alice@example.com", {"manager": "carol@example.com"}).status
        == 200
    )


def test_nobody_is_their_own_manager(alice: Client) -> None:
    answer = alice.patch("/api/v1/users/alice@example.com", {"manager": "alice@example.com"})
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "manager")
    body = {
        "email": "bob@example.com",
        "password": PASSWORD,
        "role": "member",
        "manager": "bob@example.com",
    }
    assert alice.post("/api/v1/users", body).status == 400


def above(alice: Client, email: str) -> list[str]:
    """Whoever stands above a person, from the nearest on."""
    found: list[str] = []
    while manager := alice.get(f"/api/v1/users/{email}").json["manager"]:
        assert manager not in found, "a circle"
        found.append(manager)
        email = manager
    return found


def test_of_managers_who_would_make_a_circle_together_at_once_one_is_refused(
    api_server: ApiServer, alice: Client
) -> None:
    people = [f"p{n}" for n in range(8)]
    for name in people:
        api_server.person("acme", name, BuiltInRole.MEMBER)
    pairs = list(zip(people, [*people[1:], people[0]], strict=True))
    changes = [
        gevent.spawn(
            alice.patch, f"/api/v1/users/{one}@example.com", {"manager": f"{boss}@example.com"}
        )
        for one, boss in pairs
    ]
    gevent.joinall(changes, raise_error=True)
    assert Counter(change.value.status for change in changes) == {200: 7, 400: 1}
    assert max(len(above(alice, f"{name}@example.com")) for name in people) == 7


def test_a_manager_of_one_org_is_none_in_another(api_server: ApiServer, alice: Client) -> None:
    """The same two people may stand above each other the other way round elsewhere."""
    api_server.found("initech", "alice@example.com")
    there = api_server.session("alice@example.com", "initech")
    alice = api_server.session("alice@example.com", "acme")
    add(alice, "bob", manager="alice@example.com")
    link = there.post("/api/v1/invitations", {"email": "bob@example.com", "role": "member"}).json[
        "url"
    ]
    accept = {"token": link.partition("#token=")[2], "password": PASSWORD}
    assert api_server.client().post("/api/v1/invitations/accept", accept).status == 200
    assert (
        there.patch("/api/v1/users/alice@example.com", {"manager": "bob@example.com"}).status == 200
    )
    assert there.get("/api/v1/users/bob@example.com").json["manager"] is None
    assert alice.delete("/api/v1/users/bob@example.com").status == 204
    assert there.get("/api/v1/users/alice@example.com").json["manager"] == "bob@example.com"


def test_a_manager_who_is_disabled_stays_one_but_becomes_nobodys(alice: Client) -> None:
    add(alice, "bob")
    add(alice, "carol", manager="bob@example.com")
    alice.patch("/api/v1/users/bob@example.com", {"is_disabled": True})
    carol = alice.get("/api/v1/users/carol@example.com").json
    assert (carol["manager"], carol["is_manager_disabled"]) == ("bob@example.com", True)
    assert (
        alice.patch("/api/v1/users/alice@example.com", {"manager": "bob@example.com"}).status == 400
    )
    body = {
        "email": "dave@example.com",
        "password": PASSWORD,
        "role": "member",
        "manager": "bob@example.com",
    }
    assert alice.post("/api/v1/users", body).status == 400
    assert alice.patch("/api/v1/users/carol@example.com", {"role": "operator"}).status == 200, (
        "it is not a new one"
    )
    alice.patch("/api/v1/users/bob@example.com", {"is_disabled": False})
    assert alice.get("/api/v1/users/carol@example.com").json["is_manager_disabled"] is False


@pytest.mark.parametrize("change", [{"role": "operator"}, {"is_disabled": True}])
def test_the_last_admin_stays_one(
    api_server: ApiServer, alice: Client, change: dict[str, object]
) -> None:
    api_server.server_operator("gina@example.com")
    add(alice, "bob", role="admin")
    assert alice.patch("/api/v1/users/bob@example.com", {"is_disabled": True}).status == 200
    assert alice.patch("/api/v1/users/alice@example.com", change).status == 409
    assert alice.delete("/api/v1/users/alice@example.com").status == 409
    assert alice.patch("/api/v1/users/bob@example.com", {"is_disabled": False}).status == 200
    assert alice.patch("/api/v1/users/alice@example.com", change).status == 200


def test_who_is_disabled_is_out_at_once_and_cannot_come_back(
    api_server: ApiServer, alice: Client
) -> None:
    add(alice, "bob")
    bob = api_server.login("bob@example.com")
    robot = api_server.client(bob.post("/api/v1/tokens", {"name": "ci"}).json["token"])
    assert robot.get("/api/v1/whoami").status == 200
    assert alice.patch("/api/v1/users/bob@example.com", {"is_disabled": True}).status == 200
    assert (bob.get("/api/v1/whoami").status, robot.get("/api/v1/whoami").status) == (401, 401)
    login = api_server.client().post(
        "/api/v1/login", {"email": "bob@example.com", "password": PASSWORD}
    )
    assert login.status == 403
    assert alice.patch("/api/v1/users/bob@example.com", {"is_disabled": False}).status == 200
    assert robot.get("/api/v1/whoami").status == 401
    assert api_server.login("bob@example.com")


def test_who_is_removed_is_out_at_once_and_can_be_added_again(
    api_server: ApiServer, alice: Client
) -> None:
    add(alice, "bob")
    add(alice, "carol", manager="bob@example.com")
    bob = api_server.login("bob@example.com")
    assert alice.delete("/api/v1/users/bob@example.com").status == 204
    assert bob.get("/api/v1/whoami").status == 401
    assert alice.get("/api/v1/users/bob@example.com").status == 404
    assert alice.get("/api/v1/users/carol@example.com").json["manager"] is None
    add(alice, "bob", role="reporter")
    assert bob.get("/api/v1/whoami").status == 401
    assert api_server.login("bob@example.com").get("/api/v1/whoami").json["role"] == "reporter"


def test_another_role_holds_from_the_next_request_on(api_server: ApiServer, alice: Client) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert bob.post("/api/v1/workers/tokens", {}).status == 403
    assert alice.patch("/api/v1/users/bob@example.com", {"role": "operator"}).status == 200
    assert bob.post("/api/v1/workers/tokens", {}).status == 201


def test_another_password_ends_every_session(api_server: ApiServer, alice: Client) -> None:
    add(alice, "bob")
    bob = api_server.login("bob@example.com")
    assert (
        alice.patch("/api/v1/users/bob@example.com", {"password": "quite another one"}).status
        == 200
    )
    assert bob.get("/api/v1/whoami").status == 401
    old = api_server.client().post(
        "/api/v1/login", {"email": "bob@example.com", "password": PASSWORD}
    )
    new = api_server.client().post(
        "/api/v1/login", {"email": "bob@example.com", "password": "quite another one"}
    )
    assert (old.status, new.status) == (401, 200)


def test_an_admin_cannot_take_over_an_account_that_belongs_to_another_org_too(
    api_server: ApiServer, alice: Client
) -> None:
    api_server.found("initech", "alice@example.com")
    for change in ({"password": "quite another one"}, {"name": "Mallory"}):
        assert alice.patch("/api/v1/users/alice@example.com", change).status == 409


def test_being_disabled_in_one_org_leaves_the_other_alone(
    api_server: ApiServer, alice: Client
) -> None:
    add(alice, "bob")
    api_server.found("initech", "bob@example.com")
    bob = api_server.login("bob@example.com", org="initech")
    assert alice.patch("/api/v1/users/bob@example.com", {"is_disabled": True}).status == 200
    assert bob.get("/api/v1/whoami").status == 200
    assert (
        api_server.login("bob@example.com").get("/api/v1/whoami").json["org"]["code"] == "initech"
    )


def test_passwords_stand_in_no_audit_entry(alice: Client) -> None:
    add(alice, "bob")
    alice.patch("/api/v1/users/bob@example.com", {"password": "quite another one", "name": "Bob"})
    entries = alice.get("/api/v1/audit").content.decode()
    assert "quite another one" not in entries
    assert PASSWORD not in entries
    assert '"password":"changed"' in entries


@pytest.mark.parametrize("name", ["B\u043eb", "\u202eBob", "B\u200bob", "\uff22ob"])
def test_a_name_that_looks_like_another_is_refused_wherever_one_is_given(
    alice: Client, name: str
) -> None:
    add(alice, "bob", name="Bob")
    made = {"email": "bob2@example.com", "password": PASSWORD, "role": "member", "name": name}

    for refused in (
        alice.post("/api/v1/users", made),
        alice.patch("/api/v1/users/bob@example.com", {"name": name}),
    ):
        assert (refused.status, refused.code) == (400, "invalid_input")
        assert refused.json["errors"][0]["path"] == "name"

    assert (
        alice.patch("/api/v1/users/bob@example.com", {"name": "Jose\u0301"}).json["name"]
        == "Jos\u00e9"
    )
