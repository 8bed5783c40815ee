"""Logging in and out, sessions and API tokens."""

from __future__ import annotations

import gevent
import pytest
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAuthenticated, TooManyRequests
from opsicle.domain.source_networks import source_network
from opsicle.security import passwords
from opsicle.server.identity.login_throttle import WINDOW, LoginThrottle
from opsicle.server.store import login_attempts
from opsicle.wire.user_api import LoginRequest
from tests.api.running_server import ORIGIN, PASSWORD, ApiServer, Client

HOME, ABROAD = "192.0.2.1", "203.0.113.9"


def attempt(api_server: ApiServer, email: str, password: str, address: str = ABROAD) -> str:
    """Return what comes of a login: a token, or the class of the error."""
    try:
        return api_server.services.logins.login(LoginRequest(email, password), address).token
    except (NotAuthenticated, TooManyRequests) as error:
        return type(error).__name__


def begin(api_server: ApiServer, email: str, address: str) -> str:
    """Return whether a password would be checked.

    As if it were wrong, but without the time that checking takes.
    """
    try:
        LoginThrottle(api_server.state, api_server.clock).begin(email, address)
    except TooManyRequests:
        return "refused"
    return "checked"


def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(api_server: ApiServer) -> None:
    client = api_server.client()
    wrong = client.post("/api/v1/login", {"email": "alice@example.com", "password": "wrong"})
    unknown = client.post("/api/v1/login", {"email": "nobody@example.com", "password": "wrong"})
    assert wrong.status == unknown.status == 401
    assert wrong.content == unknown.content


def test_whichever_account_is_tried_and_fails_one_password_of_the_same_cost_is_hashed(
    api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody finds out by time which addresses have an account, or which are programs."""
    api_server.person("acme", "olga", BuiltInRole.OPERATOR).post(
        "/api/v1/service-accounts", {"name": "deploy-bot"}
    )
    disabled = {"email": "dana@example.com", "role": "member", "password": PASSWORD}
    alice = api_server.session("alice@example.com")
    assert alice.post("/api/v1/users", disabled).status == 201
    assert alice.patch("/api/v1/users/dana@example.com", {"is_disabled": True}).status == 200
    hashed = record_hashing(monkeypatch)

    names = (
        "alice@example.com",
        "nobody@example.com",
        "deploy-bot@acme.service",
        "dana@example.com",
    )
    outcomes = [attempt(api_server, email, "wrong") for email in names]

    assert outcomes == ["NotAuthenticated"] * 4
    assert hashed == [cost_of(passwords.DUMMY)] * 4


def cost_of(stored: str) -> str:
    """Return the parameters of a hash, without salt and hash."""
    return stored.rpartition("$")[0].rpartition("$")[0]


def record_hashing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """With which parameters the library hashes passwords from now on to compare them.

    It does as it always did.
    """
    hashed: list[str] = []

    def verify(given: bytes, stored: str) -> None:
        try:
            Argon2id.verify_phc_encoded(given, stored)
        except InvalidKey:
            hashed.append(cost_of(stored))
            raise

    monkeypatch.setattr(
        passwords, "Argon2id", type("Recorded", (), {"verify_phc_encoded": staticmethod(verify)})
    )
    return hashed


def test_of_a_thousand_wrong_passwords_at_most_ten_are_checked(api_server: ApiServer) -> None:
    api_server.services.logins.login(LoginRequest("alice@example.com", PASSWORD), HOME)
    addresses = [HOME, *(f"203.0.113.{n}" for n in range(200))]
    outcomes = [
        attempt(api_server, "alice@example.com", "wrong", addresses[n % 201]) for n in range(1000)
    ]
    assert 0 < outcomes.count("NotAuthenticated") <= 10
    assert set(outcomes) == {"NotAuthenticated", "TooManyRequests"}


def test_wrong_passwords_at_once_cannot_slip_past_the_count(api_server: ApiServer) -> None:
    jobs = [
        gevent.spawn(attempt, api_server, "alice@example.com", "wrong", f"203.0.113.{n}")
        for n in range(30)
    ]
    gevent.joinall(jobs, raise_error=True)
    assert [job.value for job in jobs].count("NotAuthenticated") <= 10


def test_a_stranger_cannot_lock_somebody_out_where_they_usually_are(api_server: ApiServer) -> None:
    assert attempt(api_server, "alice@example.com", PASSWORD, HOME).startswith("opss_")
    outcomes = [begin(api_server, "alice@example.com", f"203.0.113.{n}") for n in range(50)]
    assert outcomes.count("checked") == 6
    assert attempt(api_server, "alice@example.com", PASSWORD, ABROAD) == "TooManyRequests"
    assert attempt(api_server, "alice@example.com", PASSWORD, HOME).startswith("opss_")


def test_the_throttle_says_when_to_come_back_and_means_it(api_server: ApiServer) -> None:
    for _ in range(6):
        begin(api_server, "alice@example.com", ABROAD)
    answer = api_server.client().post(
        "/api/v1/login", {"email": "alice@example.com", "password": PASSWORD}
    )
    assert (answer.status, answer.code) == (429, "too_many_requests")
    api_server.clock.advance(seconds=int(answer.headers["Retry-After"]))
    assert api_server.login("alice@example.com")


def test_right_passwords_are_not_counted(api_server: ApiServer) -> None:
    api_server.login("alice@example.com")
    since = api_server.clock.now() - WINDOW
    assert (
        api_server.state.read(
            lambda db: login_attempts.times_of_account(db, "alice@example.com", since)
        )
        == []
    )


def test_one_address_cannot_try_a_password_on_everybody(api_server: ApiServer) -> None:
    outcomes = [begin(api_server, f"person{n}@example.com", ABROAD) for n in range(60)]
    assert outcomes == ["checked"] * 50 + ["refused"] * 10


def test_an_ipv6_network_counts_as_one_address() -> None:
    assert (
        source_network("2001:db8::1")
        == source_network("2001:db8::ffff:1")
        != source_network("2001:db8:0:1::1")
    )
    assert source_network("::ffff:192.0.2.1") == "192.0.2.1"


def test_who_belongs_to_several_orgs_chooses_one_and_hears_of_no_other(
    api_server: ApiServer,
) -> None:
    api_server.found("initech", "alice@example.com")
    login = {"email": "alice@example.com", "password": PASSWORD}

    undecided = api_server.client().post("/api/v1/login", login)
    assert undecided.status == 400
    assert "acme, initech" in undecided.json["detail"]
    assert "globex" not in undecided.json["detail"]

    assert (
        api_server.login("alice@example.com", org="initech")
        .get("/api/v1/whoami")
        .json["org"]["code"]
        == "initech"
    )

    foreign, absent = (
        api_server.client().post("/api/v1/login", {**login, "org": org})
        for org in ("globex", "nowhere")
    )
    assert (foreign.status, foreign.content) == (absent.status, absent.content)


def test_a_session_ends_at_logout_at_once(api_server: ApiServer) -> None:
    alice = api_server.login("alice@example.com")
    assert alice.post("/api/v1/logout").status == 204
    assert alice.get("/api/v1/whoami").status == 401


def test_a_session_ends_when_it_is_not_used(api_server: ApiServer) -> None:
    alice = api_server.login("alice@example.com")
    api_server.clock.advance(days=6)
    assert alice.get("/api/v1/whoami").status == 200
    api_server.clock.advance(days=8)
    assert alice.get("/api/v1/whoami").status == 401


def test_a_session_ends_after_thirty_days_however_busy_it_is(api_server: ApiServer) -> None:
    alice = api_server.login("alice@example.com")
    for _ in range(5):
        api_server.clock.advance(days=6)
        last = alice.get("/api/v1/whoami")
    assert last.status == 401


def browser(api_server: ApiServer) -> Client:
    """Alice in her browser."""
    answer = api_server.client().call(
        "POST",
        "/api/v1/login",
        {"email": "alice@example.com", "password": PASSWORD, "kind": "browser"},
    )
    assert answer.json["token"] == ""
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-opsicle=opss_")
    assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"))
    return Client(api_server.application, {"Cookie": cookie.split(";")[0]})


def test_a_browser_changes_things_only_from_our_own_page(api_server: ApiServer) -> None:
    alice = browser(api_server)
    csrf = alice.get("/api/v1/whoami").json["csrf_token"]
    assert alice.post("/api/v1/logout").status == 403
    assert alice.call("POST", "/api/v1/logout", Origin=ORIGIN).status == 403
    assert (
        alice.call(
            "POST", "/api/v1/logout", Origin="https://evil.example", Opsicle_CSRF=csrf
        ).status
        == 403
    )
    assert alice.call("POST", "/api/v1/logout", Origin=ORIGIN, Opsicle_CSRF="x" * 64).status == 403
    assert alice.call("POST", "/api/v1/logout", Origin=ORIGIN, Opsicle_CSRF=csrf).status == 204


def test_a_browsers_session_ends_after_two_idle_hours(api_server: ApiServer) -> None:
    alice = browser(api_server)
    api_server.clock.advance(hours=1.9)
    assert alice.get("/api/v1/whoami").status == 200
    api_server.clock.advance(hours=2.1)
    assert alice.get("/api/v1/whoami").status == 401


def test_a_browsers_cookie_is_no_bearer_token(api_server: ApiServer) -> None:
    token = browser(api_server).headers["Cookie"].split("=", 1)[1]
    assert api_server.client(token).get("/api/v1/whoami").status == 401


def test_an_api_token_works_until_it_is_deleted(api_server: ApiServer) -> None:
    alice = api_server.session("alice@example.com")
    made = alice.post("/api/v1/tokens", {"name": "ci"})
    assert made.status == 201
    robot = api_server.client(made.json["token"])
    assert robot.get("/api/v1/whoami").json["user"]["email"] == "alice@example.com"
    listed = alice.get("/api/v1/tokens").json["items"]
    assert [token["name"] for token in listed] == ["ci"]
    assert made.json["token"] not in str(listed)
    assert listed[0]["last_used_at"] is not None
    assert alice.delete(f"/api/v1/tokens/{listed[0]['id']}").status == 204
    assert robot.get("/api/v1/whoami").status == 401


def test_an_api_token_ends_when_it_was_made_to(api_server: ApiServer) -> None:
    alice = api_server.session("alice@example.com")
    robot = api_server.client(
        alice.post("/api/v1/tokens", {"name": "ci", "expires_in_days": 3}).json["token"]
    )
    api_server.clock.advance(days=2)
    assert robot.get("/api/v1/whoami").status == 200
    api_server.clock.advance(days=2)
    assert robot.get("/api/v1/whoami").status == 401


def test_an_api_token_cannot_make_another(api_server: ApiServer) -> None:
    robot = api_server.client(
        api_server.session("alice@example.com").post("/api/v1/tokens", {"name": "ci"}).json["token"]
    )
    assert robot.post("/api/v1/tokens", {"name": "for ever", "expires_in_days": None}).status == 403


def test_nobody_sees_or_ends_anothers_tokens(api_server: ApiServer) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    token_id = bob.post("/api/v1/tokens", {"name": "bob's"}).json["details"]["id"]
    alice = api_server.session("alice@example.com")
    assert alice.get("/api/v1/tokens").json["items"] == []
    assert alice.delete(f"/api/v1/tokens/{token_id}").status == 404


@pytest.mark.parametrize(
    "body", [{"name": ""}, {"name": "x" * 65}, {"name": "x", "expires_in_days": 0}]
)
def test_a_token_that_makes_no_sense_is_refused(
    api_server: ApiServer, body: dict[str, object]
) -> None:
    assert api_server.session("alice@example.com").post("/api/v1/tokens", body).status == 400


def test_who_runs_the_server_hears_what_is_wrong_with_it_and_nobody_else(
    api_server: ApiServer,
) -> None:
    alice, gina = api_server.session("alice@example.com"), api_server.session("gina@example.com")
    api_server.services.status.remarks.shown.append(
        "the certificate for people (--tls-cert) expired on 2026-01-01 12:00 UTC"
    )

    assert alice.get("/api/v1/whoami").json["remarks"] == api_server.services.status.remarks.shown
    assert gina.get("/api/v1/whoami").json["remarks"] == []
