"""One's own sessions and password, and what an admin may end or reset."""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.access import Role
from opsicle.server.identity.login_throttle import MAX_PER_ACCOUNT
from opsicle.server.identity.sessions import IDLE, LIFE
from opsicle.server.members.recovery import RESET_LIFE
from opsicle.server.store import memberships
from opsicle.server.store.memberships import MemberRow
from tests.api.running_server import PASSWORD, Client, House

ALICE = "alice@example.com"
NEW = "a tin of purple anchovies"


@pytest.fixture
def alice(house: House) -> Client:
    return house.session(ALICE)


@pytest.fixture
def bob(house: House) -> Client:
    return house.person("acme", "bob", Role.MEMBER)


def log_in(house: House, password: str, email: str = ALICE) -> int:
    return house.client().post("/api/v1/login", {"email": email, "password": password}).status


def test_sessions_are_listed_with_their_limits_and_end_when_revoked(house: House, alice: Client) -> None:
    other = house.session(ALICE)
    newest, mine, *_ = alice.get("/api/v1/sessions").json["items"]
    assert (newest["is_current"], mine["is_current"], mine["org"]) == (False, True, "acme")
    created, idle, end = (
        house.clock.now().fromisoformat(mine[name]) for name in ("created_at", "idle_expires_at", "expires_at")
    )
    assert (end - created, idle - created) == (LIFE["cli"], IDLE["cli"])
    assert alice.delete(f"/api/v1/sessions/{newest['id']}").status == 204
    assert other.get("/api/v1/whoami").status == 401
    assert alice.get("/api/v1/whoami").status == 200
    assert newest["id"] not in alice.get("/api/v1/sessions").content.decode()


def test_nobody_sees_or_ends_anothers_session(house: House, alice: Client, bob: Client) -> None:
    (his,) = bob.get("/api/v1/sessions").json["items"]
    assert his["id"] not in alice.get("/api/v1/sessions").content.decode()
    assert alice.delete(f"/api/v1/sessions/{his['id']}").status == 404
    assert bob.get("/api/v1/whoami").status == 200


def test_a_session_that_was_idle_too_long_is_not_listed(house: House, alice: Client) -> None:
    house.clock.advance(seconds=IDLE["cli"].total_seconds() + 1)
    (only,) = house.session(ALICE).get("/api/v1/sessions").json["items"]
    assert only["is_current"]


def test_an_admin_logs_somebody_out_everywhere(alice: Client, bob: Client) -> None:
    assert bob.delete(f"/api/v1/users/{ALICE}/sessions").code == "not_allowed"
    assert alice.delete("/api/v1/users/bob@example.com/sessions").status == 204
    assert bob.get("/api/v1/whoami").status == 401


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(house: House, alice: Client) -> None:
    other = house.session(ALICE)
    wrong = alice.post("/api/v1/password", {"current_password": "wrong", "password": NEW})
    assert (wrong.status, wrong.json["errors"][0]["path"]) == (400, "current_password")
    assert alice.post("/api/v1/password", {"current_password": PASSWORD, "password": "short"}).status == 400
    assert other.get("/api/v1/whoami").status == 200
    assert alice.post("/api/v1/password", {"current_password": PASSWORD, "password": NEW}).status == 204
    assert (alice.get("/api/v1/whoami").status, other.get("/api/v1/whoami").status) == (200, 401)
    assert (log_in(house, PASSWORD), log_in(house, NEW)) == (401, 200)


def test_guesses_of_the_current_password_are_counted(alice: Client) -> None:
    body = {"current_password": "wrong", "password": NEW}
    outcomes = [alice.post("/api/v1/password", body).status for _ in range(MAX_PER_ACCOUNT + 1)]
    assert outcomes == [400] * MAX_PER_ACCOUNT + [429]


def test_a_reset_link_sets_a_password_once_and_ends_all_sessions(house: House, alice: Client, bob: Client) -> None:
    link = alice.post("/api/v1/users/bob@example.com/reset").json["url"]
    page, token = link.split("#token=")
    assert page == f"{house.services.urls.url}/reset"
    stranger = house.client()
    assert stranger.post("/api/v1/password/reset", {"token": token, "password": "short"}).status == 400
    body = {"token": token, "password": NEW}
    jobs = [gevent.spawn(stranger.post, "/api/v1/password/reset", body) for _ in range(3)]
    gevent.joinall(jobs, raise_error=True)
    assert sorted(job.value.status for job in jobs) == [204, 401, 401]
    assert bob.get("/api/v1/whoami").status == 401
    assert log_in(house, NEW, "bob@example.com") == 200


@pytest.mark.parametrize("event", ["late", "renewed", "changed", "removed", "disabled"])
def test_a_reset_link_that_is_no_longer_good_sets_nothing(house: House, alice: Client, bob: Client, event: str) -> None:
    path = "/api/v1/users/bob@example.com"
    token = alice.post(f"{path}/reset").json["url"].partition("#token=")[2]
    if event == "late":
        house.clock.advance(seconds=RESET_LIFE.total_seconds())
    elif event == "renewed":
        alice.post(f"{path}/reset")
    elif event == "changed":
        alice.patch(path, {"password": PASSWORD})
    elif event == "removed":
        alice.delete(path)
    else:
        alice.patch(path, {"is_disabled": True})
    answer = house.client().post("/api/v1/password/reset", {"token": token, "password": NEW})
    assert (answer.status, answer.code) == (401, "not_authenticated")


def test_an_admin_of_one_of_several_orgs_cannot_take_the_account_over(house: House, alice: Client, bob: Client) -> None:
    user_id, globex = bob.get("/api/v1/whoami").json["user"]["id"], house.actor("gina@example.com").org_id
    row = MemberRow(user_id, "", "", Role.MEMBER, None, None, is_disabled=False, created_at=house.clock.now())
    house.state.write(lambda db: memberships.insert(db, globex, row))
    assert alice.post("/api/v1/users/bob@example.com/reset").code == "conflict"
    assert alice.delete("/api/v1/users/bob@example.com/totp").code == "conflict"
