"""Authenticator apps: enrolment, login, replay, recovery codes, step-up."""

from __future__ import annotations

import base64

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.security import totp
from opsicle.server.identity.login_throttle import MAX_FROM_UNKNOWN, MAX_PER_ACCOUNT
from opsicle.server.identity.step_up import FRESH_FOR
from opsicle.server.store import authenticators
from tests.api.authenticator_app import App, enrol
from tests.api.running_server import PASSWORD, Answer, ApiServer, Client

ALICE = "alice@example.com"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session(ALICE)


@pytest.fixture
def app(api_server: ApiServer, alice: Client) -> App:
    """Alice's app; its code of now is used up."""
    app = enrol(api_server, alice)
    api_server.clock.advance(seconds=totp.STEP_SECONDS)
    return app


def log_in(
    api_server: ApiServer, code: str = "", address: str = "127.0.0.1", password: str = PASSWORD
) -> Answer:
    client = api_server.client()
    client.address = address
    return client.post("/api/v1/login", {"email": ALICE, "password": password, "totp": code})


def verbs(api_server: ApiServer, alice: Client) -> list[str]:
    return [entry["verb"] for entry in api_server.session(ALICE).get("/api/v1/audit").json["items"]]


def test_an_enrolment_counts_only_once_it_is_confirmed(
    api_server: ApiServer, alice: Client
) -> None:
    begun = alice.post("/api/v1/totp").json
    assert begun["uri"].startswith("otpauth://totp/Opsicle%20acme:alice%40example.com?")
    assert begun["secret"] in begun["uri"]
    assert len({len(row) for row in begun["qr"]} | {len(begun["qr"])}) == 1
    assert log_in(api_server).status == 200
    wrong = alice.post("/api/v1/totp/confirm", {"totp": "abc"})
    assert (wrong.status, wrong.json["errors"][0]["path"]) == (400, "totp")
    assert alice.get("/api/v1/totp").json["is_enrolled"] is False
    app = App(api_server.clock, begun["secret"], [])
    codes = alice.post("/api/v1/totp/confirm", {"totp": app.code()}).json["codes"]
    assert len(set(codes)) == totp.RECOVERY_CODES
    status = alice.get("/api/v1/totp").json
    assert (status["is_enrolled"], status["recovery_codes_left"]) == (True, totp.RECOVERY_CODES)
    assert alice.post("/api/v1/totp").code == "conflict"
    assert log_in(api_server).code == "totp_required"


def test_login_asks_for_the_code_and_only_after_the_right_password(
    api_server: ApiServer, app: App
) -> None:
    assert (log_in(api_server).status, log_in(api_server).code) == (401, "totp_required")
    assert log_in(api_server, password="wrong").code == "not_authenticated"
    assert (
        log_in(api_server, "000 000" if app.code() != "000000" else "111 111").code
        == "not_authenticated"
    )
    code = app.code()
    assert log_in(api_server, f"{code[:3]} {code[3:]}").status == 200


@pytest.mark.parametrize("steps", [-2, -1, 0, 1, 2])
def test_a_clock_may_be_off_by_one_step(api_server: ApiServer, app: App, steps: int) -> None:
    into_step = api_server.clock.now().timestamp() % totp.STEP_SECONDS
    api_server.clock.advance(seconds=10 * totp.STEP_SECONDS - into_step)
    code, others = app.code(steps), {app.code(near) for near in (-1, 0, 1)}
    assert (log_in(api_server, code).status == 200) == (code in others)


def test_a_code_works_once_and_then_no_earlier_one(api_server: ApiServer, app: App) -> None:
    earlier, code = app.code(), app.code(1)
    assert log_in(api_server, code).status == 200
    assert log_in(api_server, code).code == "not_authenticated"
    assert log_in(api_server, earlier).code == "not_authenticated"


def test_of_two_who_use_one_code_at_once_one_is_let_in(api_server: ApiServer, app: App) -> None:
    code = app.code()
    jobs = [gevent.spawn(log_in, api_server, code) for _ in range(5)]
    gevent.joinall(jobs, raise_error=True)
    assert sorted(job.value.status for job in jobs) == [200, 401, 401, 401, 401]


def test_of_two_who_use_one_recovery_code_at_once_one_is_let_in(
    api_server: ApiServer, app: App
) -> None:
    jobs = [gevent.spawn(log_in, api_server, app.recovery_codes[0].upper()) for _ in range(3)]
    gevent.joinall(jobs, raise_error=True)
    assert sorted(job.value.status for job in jobs) == [200, 401, 401]
    assert (
        api_server.session(ALICE).get("/api/v1/totp").json["recovery_codes_left"]
        == totp.RECOVERY_CODES - 1
    )


def test_a_recovery_code_is_its_owners_alone(api_server: ApiServer, app: App) -> None:
    gina = api_server.session("gina@example.com")
    enrol(api_server, gina)
    answer = gina.post("/api/v1/step-up", {"totp": app.recovery_codes[0]})
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "totp")


def test_wrong_codes_count_like_wrong_passwords(api_server: ApiServer, app: App) -> None:
    outcomes = [log_in(api_server, "wrong", f"203.0.113.{n}").status for n in range(20)]
    assert outcomes == [401] * MAX_FROM_UNKNOWN + [429] * (20 - MAX_FROM_UNKNOWN)
    assert log_in(api_server, app.code(), "203.0.113.99").status == 429


def test_wrong_codes_of_a_session_count_too(api_server: ApiServer, alice: Client, app: App) -> None:
    outcomes = [
        alice.post("/api/v1/step-up", {"totp": "wrong"}).status for _ in range(MAX_PER_ACCOUNT + 2)
    ]
    assert outcomes == [400] * MAX_PER_ACCOUNT + [429] * 2
    assert alice.post("/api/v1/step-up", {"totp": app.code()}).status == 429


def test_a_right_password_without_a_code_does_not_count(api_server: ApiServer, app: App) -> None:
    assert {log_in(api_server, address="203.0.113.1").code for _ in range(MAX_PER_ACCOUNT + 2)} == {
        "totp_required"
    }
    assert log_in(api_server, app.code(), "203.0.113.1").status == 200


def test_new_recovery_codes_end_the_old_ones(
    api_server: ApiServer, alice: Client, app: App
) -> None:
    new = alice.post("/api/v1/totp/recovery-codes", {"totp": app.code()}).json["codes"]
    assert log_in(api_server, app.recovery_codes[0]).status == 401
    assert log_in(api_server, new[0]).status == 200


def test_disabling_needs_a_fresh_code(api_server: ApiServer, alice: Client, app: App) -> None:
    assert alice.post("/api/v1/totp/disable", {"totp": ""}).status == 400
    assert log_in(api_server).code == "totp_required"
    assert alice.post("/api/v1/totp/disable", {"totp": app.code()}).status == 204
    assert log_in(api_server).status == 200
    assert {"enrol_totp", "disable_totp", "refuse_totp"} <= set(verbs(api_server, alice))


def test_seeds_are_sealed_and_belong_to_their_row(
    api_server: ApiServer, alice: Client, app: App
) -> None:
    seed = base64.b32decode(app.secret)
    folder = api_server.folder.path

    assert not [
        path
        for path in folder.iterdir()
        if seed in path.read_bytes() or app.secret.encode() in path.read_bytes()
    ]
    assert (folder / "identity.key").stat().st_mode & 0o777 == 0o600

    alice_id, gina_id = (
        api_server.actor(ALICE).user_id,
        api_server.actor("gina@example.com").user_id,
    )
    row = api_server.state.read(lambda db: authenticators.find(db, alice_id))
    assert row is not None
    api_server.state.write(
        lambda db: authenticators.put_unconfirmed(
            db, gina_id, row.sealed_seed, api_server.clock.now()
        )
    )

    answer = api_server.session("gina@example.com").post(
        "/api/v1/totp/confirm", {"totp": app.code()}
    )

    assert (answer.status, answer.code) == (409, "conflict")


def test_an_admin_takes_a_lost_app_away_and_the_record_says_so(
    api_server: ApiServer, alice: Client
) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    enrol(api_server, bob)
    assert bob.delete(f"/api/v1/users/{ALICE}/totp").code == "not_allowed"
    assert alice.delete("/api/v1/users/bob@example.com/totp").status == 204
    assert bob.get("/api/v1/totp").json == {
        "is_enrolled": False, "confirmed_at": None, "recovery_codes_left": 0
    }  # fmt: skip
    assert alice.delete("/api/v1/users/bob@example.com/totp").status == 404
    assert "reset_totp" in verbs(api_server, alice)


def test_changes_to_people_and_new_tokens_need_a_code_of_the_last_minutes(
    api_server: ApiServer, alice: Client, app: App
) -> None:
    person = {"email": "bob@example.com", "password": PASSWORD, "role": "member"}
    calls = [
        lambda: alice.post("/api/v1/users", person),
        lambda: alice.patch("/api/v1/users/bob@example.com", {"name": "Bob"}),
        lambda: alice.post("/api/v1/users/bob@example.com/reset"),
        lambda: alice.delete("/api/v1/users/bob@example.com/sessions"),
        lambda: alice.post("/api/v1/tokens", {"name": "x"}),
        lambda: alice.delete("/api/v1/users/bob@example.com"),
    ]

    api_server.clock.advance(seconds=FRESH_FOR.total_seconds())
    assert [(answer.status, answer.code) for answer in (call() for call in calls)] == [
        (403, "step_up_required")
    ] * 6
    assert alice.get("/api/v1/users").status == 200

    assert alice.post("/api/v1/step-up", {"totp": app.code()}).status == 200
    api_server.clock.advance(seconds=FRESH_FOR.total_seconds() - 60)
    assert [call().status for call in calls] == [201, 200, 200, 204, 201, 204]
    api_server.clock.advance(seconds=60)
    assert calls[0]().code == "step_up_required"


def test_a_proof_is_of_one_session_and_a_login_with_a_code_is_one(
    api_server: ApiServer, alice: Client, app: App
) -> None:
    api_server.clock.advance(seconds=FRESH_FOR.total_seconds())
    fresh = api_server.client(log_in(api_server, app.code()).json["token"])
    assert fresh.post("/api/v1/tokens", {"name": "x"}).status == 201
    assert alice.post("/api/v1/tokens", {"name": "x"}).code == "step_up_required"


def test_a_token_is_no_proof_of_a_person(api_server: ApiServer, alice: Client, app: App) -> None:
    token = alice.post("/api/v1/tokens", {"name": "x"}).json["token"]
    program = api_server.client(token)
    assert program.post("/api/v1/step-up", {"totp": app.code()}).code == "step_up_required"
    person = {"email": "bob@example.com", "password": PASSWORD, "role": "member"}
    assert program.post("/api/v1/users", person).code == "step_up_required"
    assert program.post("/api/v1/totp/disable", {"totp": app.code()}).code == "not_allowed"


def test_who_has_no_app_is_asked_for_nothing(alice: Client) -> None:
    assert alice.post("/api/v1/tokens", {"name": "x"}).status == 201
    assert alice.post("/api/v1/step-up", {"totp": "123456"}).code == "conflict"
