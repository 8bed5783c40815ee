"""Invitations: how people come into an org, with an account and without.

Alice invites; Gina has an account.
"""

from __future__ import annotations

from collections import Counter

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.security import totp
from opsicle.wire.org_api import AcceptInvitationRequest
from tests.api.authenticator_app import enrol
from tests.api.running_server import PASSWORD, Answer, ApiServer, Client


def invite(
    admin: Client, email: str = "bob@example.com", role: str = "member", **more: object
) -> str:
    """Return the token of a new invitation."""
    answer = admin.post("/api/v1/invitations", {"email": email, "role": role, **more})
    assert answer.status == 201, answer.content
    url, _, token = answer.json["url"].partition("/invitation#token=")
    assert url == "https://ops.example.com"
    assert token.startswith("opsi_")
    return str(token)


def accept(api_server: ApiServer, token: str, password: str = PASSWORD, **more: str) -> Answer:
    return api_server.client().post(
        "/api/v1/invitations/accept", {"token": token, "password": password, **more}
    )


def look(api_server: ApiServer, token: str) -> Answer:
    return api_server.client().post("/api/v1/invitations/look", {"token": token})


def test_somebody_new_gets_an_account_and_is_in(api_server: ApiServer, alice: Client) -> None:
    token = invite(alice, "Bob@Example.com", "operator", manager="alice@example.com")
    offer = look(api_server, token).json
    assert (offer["org"]["code"], offer["email"], offer["role"]) == (
        "acme",
        "bob@example.com",
        "operator",
    )
    assert (offer["has_account"], offer["invited_by"]) == (False, "alice@example.com")
    answer = accept(api_server, token, name="Bob")
    assert answer.status == 200, answer.content
    me = api_server.client(answer.json["token"]).get("/api/v1/whoami").json
    assert (me["user"]["name"], me["org"]["code"], me["role"]) == ("Bob", "acme", "operator")
    assert alice.get("/api/v1/users/bob@example.com").json["manager"] == "alice@example.com"
    assert api_server.login("bob@example.com")


def test_somebody_with_an_account_elsewhere_comes_in_with_its_password(
    api_server: ApiServer, alice: Client
) -> None:
    token = invite(alice, "gina@example.com")
    assert look(api_server, token).json["has_account"] is True
    assert accept(api_server, token, "quite another one").status == 401
    answer = accept(api_server, token, name="Mallory")
    assert answer.status == 200, answer.content
    gina = api_server.client(answer.json["token"])
    assert gina.get("/api/v1/whoami").json["user"]["name"] == "gina"
    orgs = [(org["code"], org["role"]) for org in gina.get("/api/v1/orgs").json["items"]]
    assert orgs == [("acme", "member"), ("globex", "admin")]


def test_an_account_with_an_app_is_asked_for_its_code_and_the_link_stays_good(
    api_server: ApiServer, alice: Client
) -> None:
    app = enrol(api_server, api_server.session("gina@example.com"))
    api_server.clock.advance(seconds=totp.STEP_SECONDS)
    token = invite(alice, "gina@example.com")
    missing = accept(api_server, token)
    assert (missing.status, missing.code) == (401, "totp_required")
    assert accept(api_server, token, totp="000000").status == 401
    assert accept(api_server, token, totp=app.code()).status == 200


def test_of_fifty_who_accept_at_once_one_gets_in(api_server: ApiServer, alice: Client) -> None:
    token = invite(alice)
    tries = [gevent.spawn(accept, api_server, token, name=f"n{n}") for n in range(50)]
    gevent.joinall(tries, raise_error=True)
    assert Counter(each.value.status == 200 for each in tries) == {True: 1, False: 49}
    assert {each.value.status for each in tries} <= {200, 401, 409, 429}
    assert len(alice.get("/api/v1/users").json["items"]) == 2


def test_of_fifty_with_an_account_who_accept_at_once_one_gets_in(
    api_server: ApiServer, alice: Client
) -> None:
    """Past the password, whose checks are limited: what counts here is the transaction."""
    service = api_server.services.invitations
    token = invite(alice, "gina@example.com")
    _, account = service._find(token, "10.0.0.1")
    request = AcceptInvitationRequest(token=token, password=PASSWORD)

    def spend() -> str:
        try:
            api_server.state.write(lambda db: service._use_token(db, request, account, "10.0.0.1"))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            return type(error).__name__
        return "in"

    tries = [gevent.spawn(spend) for _ in range(50)]
    gevent.joinall(tries, raise_error=True)
    assert Counter(each.value for each in tries) == {"in": 1, "NotAuthenticated": 49}


def test_a_link_works_once_and_not_after_its_time(api_server: ApiServer, alice: Client) -> None:
    token = invite(alice)
    assert accept(api_server, token).status == 200
    assert accept(api_server, token).status == 401
    late = invite(alice, "carol@example.com")
    longer = invite(alice, "dave@example.com", expires_in_days=30)
    api_server.clock.advance(days=7, seconds=1)
    assert (accept(api_server, late).status, look(api_server, late).status) == (401, 401)
    assert accept(api_server, longer).status == 200


def test_a_new_link_ends_the_earlier_one_and_a_revoked_one_is_dead(
    api_server: ApiServer, alice: Client
) -> None:
    first, second = invite(alice), invite(alice)
    assert look(api_server, first).status == 401
    (listed,) = alice.get("/api/v1/invitations").json["items"]
    assert (listed["email"], listed["invited_by"]) == ("bob@example.com", "alice@example.com")
    assert alice.delete(f"/api/v1/invitations/{listed['id']}").status == 204
    assert alice.delete(f"/api/v1/invitations/{listed['id']}").status == 404
    assert accept(api_server, second).status == 401
    assert alice.get("/api/v1/invitations").json["items"] == []


def test_a_link_dies_with_the_rights_of_who_made_it(api_server: ApiServer, alice: Client) -> None:
    mallory = api_server.person("acme", "mallory", BuiltInRole.ADMIN)
    demoted, disabled, removed = (
        invite(mallory, f"{name}@example.com", "admin") for name in ("a", "b", "c")
    )
    assert alice.patch("/api/v1/users/mallory@example.com", {"role": "member"}).status == 200
    assert accept(api_server, demoted).status == 401
    change = {"role": "admin", "is_disabled": True}
    assert alice.patch("/api/v1/users/mallory@example.com", change).status == 200
    assert accept(api_server, disabled).status == 401
    assert alice.delete("/api/v1/users/mallory@example.com").status == 204
    assert accept(api_server, removed).status == 401


def test_a_manager_who_is_gone_or_disabled_meanwhile_is_nobodys(
    api_server: ApiServer, alice: Client
) -> None:
    for name in ("mo", "max"):
        api_server.person("acme", name, BuiltInRole.MANAGER)
    tokens = [
        invite(alice, f"{name}@example.com", manager=f"{boss}@example.com")
        for name, boss in (("bob", "mo"), ("carol", "max"))
    ]
    alice.delete("/api/v1/users/mo@example.com")
    alice.patch("/api/v1/users/max@example.com", {"is_disabled": True})
    for token, name in zip(tokens, ("bob", "carol"), strict=True):
        assert accept(api_server, token).status == 200
        assert alice.get(f"/api/v1/users/{name}@example.com").json["manager"] is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"email": "nobody"}, "email"),
        ({"role": "king"}, "role"),
        ({"manager": "gina@example.com"}, "manager"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": 31}, "expires_in_days"),
    ],
)
def test_what_cannot_be_an_invitation_is_refused_with_the_field(
    alice: Client, body: dict[str, object], path: str
) -> None:
    answer = alice.post(
        "/api/v1/invitations", {"email": "bob@example.com", "role": "member", **body}
    )
    assert answer.status == 400
    assert [problem["path"] for problem in answer.json["errors"]] == [path]


def test_who_belongs_to_the_org_is_not_invited_nor_taken_in_twice(
    api_server: ApiServer, alice: Client
) -> None:
    assert (
        alice.post("/api/v1/invitations", {"email": "alice@example.com", "role": "member"}).status
        == 409
    )
    token = invite(alice)
    body = {"email": "bob@example.com", "password": PASSWORD, "role": "reporter"}
    assert alice.post("/api/v1/users", body).status == 201
    assert accept(api_server, token).status == 409
    assert alice.get("/api/v1/users/bob@example.com").json["role"] == "reporter"


def test_a_weak_password_is_refused_and_the_link_stays_good(
    api_server: ApiServer, alice: Client
) -> None:
    token = invite(alice)
    assert accept(api_server, token, "short").status == 400
    assert accept(api_server, token, "bob@example.com").status == 400
    assert accept(api_server, token).status == 200


def test_links_that_are_guessed_are_soon_no_longer_listened_to(api_server: ApiServer) -> None:
    answers = Counter(look(api_server, f"opsi_{n}").status for n in range(60))
    assert answers == {401: 50, 429: 10}


def test_wrong_passwords_with_a_link_count_like_any(api_server: ApiServer, alice: Client) -> None:
    token = invite(alice, "gina@example.com")
    answers = Counter(accept(api_server, token, "quite another one").status for _ in range(12))
    assert answers[401] <= 10
    assert answers[429] >= 2


def test_the_token_stands_neither_in_the_database_nor_in_the_record(
    api_server: ApiServer, alice: Client
) -> None:
    token = invite(alice)
    api_server.state.write(lambda db: db.execute("PRAGMA user_version").fetchall())
    stored = b"".join(path.read_bytes() for path in api_server.folder.path.glob("opsicle.db*"))
    assert b"bob@example.com" in stored
    assert token.encode() not in stored
    assert token not in alice.get("/api/v1/invitations").content.decode()
    accept(api_server, token)
    entries = alice.get("/api/v1/audit").json["items"]
    assert [entry["verb"] for entry in entries[:3]] == ["login", "accept", "invite"]
    assert PASSWORD not in str(entries)


def test_an_org_whose_first_admin_has_no_account_is_founded_with_an_invitation(
    api_server: ApiServer, alice: Client
) -> None:
    made = alice.post("/api/v1/orgs", {"code": "initech", "admin": "ida@example.com"})
    assert made.status == 201
    token = made.json["invitation"]["url"].partition("#token=")[2]

    again = alice.post("/api/v1/server/orgs/initech/invitations", {"email": "ida@example.com"})
    assert again.status == 201
    assert accept(api_server, token).status == 401, "a new link ends the earlier one"

    answer = accept(api_server, again.json["url"].partition("#token=")[2])
    ida = api_server.client(answer.json["token"])
    assert (
        ida.get("/api/v1/whoami").json["role"],
        len(ida.get("/api/v1/users").json["items"]),
    ) == ("admin", 1)

    assert (
        alice.post("/api/v1/server/orgs/initech/invitations", {"email": "x@example.com"}).status
        == 409
    )
    assert (
        alice.post("/api/v1/server/orgs/nowhere/invitations", {"email": "x@example.com"}).status
        == 404
    )


def test_a_providers_invitation_dies_with_their_being_one(
    api_server: ApiServer, alice: Client
) -> None:
    made = alice.post("/api/v1/orgs", {"code": "initech", "admin": "ida@example.com"})
    api_server.server_operator("gina@example.com")
    assert (
        api_server.session("gina@example.com")
        .delete("/api/v1/server/operators/alice@example.com")
        .status
        == 204
    )
    assert accept(api_server, made.json["invitation"]["url"].partition("#token=")[2]).status == 401


def test_a_reset_link_of_before_opens_nothing_of_who_runs_the_server_now(
    api_server: ApiServer, alice: Client
) -> None:
    api_server.person("globex", "hal", BuiltInRole.MEMBER)
    link = (
        api_server.session("gina@example.com")
        .post("/api/v1/users/hal@example.com/reset")
        .json["url"]
    )
    assert alice.post("/api/v1/server/operators", {"email": "hal@example.com"}).status == 200
    body = {"token": link.partition("#token=")[2], "password": "quite another one"}
    assert api_server.client().post("/api/v1/password/reset", body).status == 401
