"""Setting a server up: the first org and its admin."""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.errors import Conflict
from opsicle.wire.user_api import SetupRequest
from tests.api.running_server import PASSWORD, ApiServer


def test_setup_makes_the_first_org_and_its_admin(new_api_server: ApiServer) -> None:
    body = {
        "token": new_api_server.setup_token(),
        "org": "acme",
        "email": " Alice@Example.com ",
        "password": PASSWORD,
    }
    assert new_api_server.client().get("/api/v1/setup").json == {"is_needed": True}
    answer = new_api_server.client().post("/api/v1/setup", body)
    assert answer.status == 200
    assert new_api_server.client().get("/api/v1/setup").json == {"is_needed": False}
    assert answer.json["user"]["email"] == "alice@example.com"
    assert answer.json["role"] == "admin"
    me = new_api_server.login("alice@example.com").get("/api/v1/whoami").json
    assert (me["org"]["code"], "users.manage" in me["permissions"]) == ("acme", True)


def test_of_two_setups_with_one_token_at_once_one_succeeds(new_api_server: ApiServer) -> None:
    token, outcomes = new_api_server.setup_token(), []

    def set_up(org: str) -> None:
        try:
            new_api_server.services.server_setup.complete(
                SetupRequest(token, org, f"a@{org}.com", PASSWORD), "192.0.2.1"
            )
            outcomes.append("done")
        except Conflict:
            outcomes.append("conflict")

    gevent.joinall([gevent.spawn(set_up, org) for org in ("acme", "globex")], raise_error=True)
    assert sorted(outcomes) == ["conflict", "done"]


def test_the_setup_token_file_is_told_to_go_once_it_is_used(new_api_server: ApiServer) -> None:
    new_api_server.folder.write_setup_token(new_api_server.setup_token())
    new_api_server.set_up()
    assert not new_api_server.folder.setup_token()
    assert new_api_server.services.server_setup.token("sha256:" + "0" * 64) is None


def test_a_setup_token_given_out_earlier_stays_good_after_a_restart(
    new_api_server: ApiServer,
) -> None:
    first, fingerprint = (
        new_api_server.setup_token(),
        new_api_server.services.core.authority.fingerprint,
    )
    assert new_api_server.services.server_setup.token(fingerprint, first + "\n") == first
    second = new_api_server.services.server_setup.token(fingerprint, "opst1.nonsense")
    assert second not in (None, first)


def test_another_servers_setup_token_is_refused(new_api_server: ApiServer) -> None:
    old, _ = new_api_server.setup_token(), new_api_server.setup_token()
    body = {"token": old, "org": "acme", "email": "alice@example.com", "password": PASSWORD}
    assert new_api_server.client().post("/api/v1/setup", body).status == 401


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("org", "Acme Inc"),
        ("org", "a"),
        ("org", "-x"),
        ("email", "alice"),
        ("password", "short"),
        ("token", "x"),
    ],
)
def test_setup_with_bad_input_says_what_is_wrong_and_leaves_the_token_good(
    new_api_server: ApiServer, field: str, value: str
) -> None:
    good = {
        "token": new_api_server.setup_token(),
        "org": "acme",
        "email": "alice@example.com",
        "password": PASSWORD,
    }
    refused = new_api_server.client().post("/api/v1/setup", {**good, field: value})
    assert (refused.status, refused.code) == (400, "invalid_input")
    assert new_api_server.client().post("/api/v1/setup", good).status == 200
