"""One's own sessions and password, and what an admin may end or reset."""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.identity.login_throttle import MAX_PER_ACCOUNT
from opsicle.server.identity.sessions import IDLE, LIFETIME
from opsicle.server.members.recovery import RESET_LIFETIME
from opsicle.server.store import memberships
from opsicle.server.store.memberships import MemberRow
from tests.api.running_server import ADMINS, PASSWORD, ApiServer, Client

ALICE = "alice@example.com"
NEW = "a tin of purple anchovies"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session(ALICE)


@pytest.fixture
def bob(api_server: ApiServer) -> Client:
    return api_server.person("acme", "bob", BuiltInRole.MEMBER)


def log_in(api_server: ApiServer, password: str, email: str = ALICE) -> int:
    return api_server.client().post("/api/v1/login", {"email": email, "password": password}).status


def test_sessions_are_listed_with_their_limits_and_end_when_revoked(
    api_server: ApiServer, alice: Client
) -> None:
    other = api_server.session(ALICE)
    newest, mine, *_ = alice.get("/api/v1/sessions").json["items"]
    assert (newest["is_current"], mine["is_current"], mine["org"]) == (False, True, "acme")
    created, idle, end = (
        api_server.clock.now().fromisoformat(mine[name])
        for name in ("created_at", "idle_expires_at", "expires_at")
    )
    assert (end - created, idle - created) == (LIFETIME["cli"], IDLE["cli"])
    assert alice.delete(f"/api/v1/sessions/{newest['id']}").status == 204
    assert other.get("/api/v1/whoami").status == 401
    assert alice.get("/api/v1/whoami").status == 200
    assert newest["id"] not in alice.get("/api/v1/sessions").content.decode()


def test_nobody_sees_or_ends_anothers_session(
    api_server: ApiServer, alice: Client, bob: Client
) -> None:
    (his,) = bob.get("/api/v1/sessions").json["items"]
    assert his["id"] not in alice.get("/api/v1/sessions").content.decode()
    assert alice.delete(f"/api/v1/sessions/{his['id']}").status == 404
    assert bob.get("/api/v1/whoami").status == 200


def test_a_session_that_was_idle_too_long_is_not_listed(
    api_server: ApiServer, alice: Client
) -> None:
    api_server.clock.advance(seconds=IDLE["cli"].total_seconds() + 1)
    (only,) = api_server.session(ALICE).get("/api/v1/sessions").json["items"]
    assert only["is_current"]


def test_an_admin_logs_somebody_out_everywhere(alice: Client, bob: Client) -> None:
    assert bob.delete(f"/api/v1/users/{ALICE}/sessions").code == "not_allowed"
    assert alice.delete("/api/v1/users/bob@example.com/sessions").status == 204
    assert bob.get("/api/v1/whoami").status == 401


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(
    api_server: ApiServer, alice: Client
) -> None:
    other = api_server.session(ALICE)
    wrong = alice.post("/api/v1/password", {"current_password": "wrong", "password": NEW})
    assert (wrong.status, wrong.json["errors"][0]["path"]) == (400, "current_password")
    assert (
        alice.post("/api/v1/password", {"current_password": PASSWORD, "password": "short"}).status
        == 400
    )
    assert other.get("/api/v1/whoami").status == 200
    assert (
        alice.post("/api/v1/password", {"current_password": PASSWORD, "password": NEW}).status
        == 204
    )
    assert (alice.get("/api/v1/whoami").status, other.get("/api/v1/whoami").status) == (200, 401)
    assert (log_in(api_server, PASSWORD), log_in(api_server, NEW)) == (401, 200)


def test_guesses_of_the_current_password_are_counted(alice: Client) -> None:
    body = {"current_password": "wrong", "password": NEW}
    outcomes = [alice.post("/api/v1/password", body).status for _ in range(MAX_PER_ACCOUNT + 1)]
    assert outcomes == [400] * MAX_PER_ACCOUNT + [429]


def test_a_reset_link_sets_a_password_once_and_ends_all_sessions(
    api_server: ApiServer, alice: Client, bob: Client
) -> None:
    link = alice.post("/api/v1/users/bob@example.com/reset").json["url"]
    page, token = link.split("#token=")
    assert page == f"{api_server.services.urls.url}/reset"
    anonymous = api_server.client()
    assert (
        anonymous.post("/api/v1/password/reset", {"token": token, "password": "short"}).status
        == 400
    )
    body = {"token": token, "password": NEW}
    jobs = [gevent.spawn(anonymous.post, "/api/v1/password/reset", body) for _ in range(3)]
    gevent.joinall(jobs, raise_error=True)
    assert sorted(job.value.status for job in jobs) == [204, 401, 401]
    assert bob.get("/api/v1/whoami").status == 401
    assert log_in(api_server, NEW, "bob@example.com") == 200


@pytest.mark.parametrize("event", ["late", "renewed", "changed", "removed", "disabled"])
def test_a_reset_link_that_is_no_longer_good_sets_nothing(
    api_server: ApiServer, alice: Client, bob: Client, event: str
) -> None:
    path = "/api/v1/users/bob@example.com"
    token = alice.post(f"{path}/reset").json["url"].partition("#token=")[2]
    if event == "late":
        api_server.clock.advance(seconds=RESET_LIFETIME.total_seconds())
    elif event == "renewed":
        alice.post(f"{path}/reset")
    elif event == "changed":
        alice.patch(path, {"password": PASSWORD})
    elif event == "removed":
        alice.delete(path)
    else:
        alice.patch(path, {"is_disabled": True})
    answer = api_server.client().post("/api/v1/password/reset", {"token": token, "password": NEW})
    assert (answer.status, answer.code) == (401, "not_authenticated")


def test_an_admin_of_one_of_several_orgs_cannot_take_the_account_over(
    api_server: ApiServer, alice: Client, bob: Client
) -> None:
    user_id, globex = (
        bob.get("/api/v1/whoami").json["user"]["id"],
        api_server.actor("gina@example.com").org_id,
    )
    row = MemberRow(
        user_id,
        "",
        "",
        BuiltInRole.MEMBER,
        None,
        None,
        is_disabled=False,
        created_at=api_server.clock.now(),
    )
    api_server.state.write(lambda db: memberships.insert(db, globex, row))
    assert alice.post("/api/v1/users/bob@example.com/reset").code == "conflict"
    assert alice.delete("/api/v1/users/bob@example.com/totp").code == "conflict"


def test_how_somebody_reads_the_pages_is_kept_with_their_account(api_server: ApiServer) -> None:
    alice, gina = (api_server.session(email) for email in ADMINS.values())
    usual = {"language": "", "time_zone": "", "times": "relative"}
    chosen = {"language": "de", "time_zone": "Europe/Berlin", "times": "exact"}
    assert alice.get("/api/v1/whoami").json["display"] == usual

    assert alice.call("PUT", "/api/v1/display", chosen).json == chosen

    again = api_server.login("alice@example.com")
    assert again.get("/api/v1/whoami").json["display"] == chosen
    assert gina.get("/api/v1/whoami").json["display"] == usual
    wrong = alice.call("PUT", "/api/v1/display", chosen | {"time_zone": "Europe/Nowhere"})
    assert (wrong.status, wrong.json["errors"][0]["path"]) == (400, "time_zone")
    assert alice.call("PUT", "/api/v1/display", {"language": "xx"}).status == 400
    assert again.get("/api/v1/whoami").json["display"] == chosen
    alice.call("PUT", "/api/v1/display", usual)
