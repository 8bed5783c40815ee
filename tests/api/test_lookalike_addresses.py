"""Nobody is made whose address looks like somebody else's."""

from __future__ import annotations

import pytest

from tests.api.running_server import PASSWORD, ApiServer, Client

ACCOUNTS = "/api/v1/service-accounts"


@pytest.mark.parametrize(
    "address",
    ["b\u043eb@example.com", "bcc:bob@example.com", "bob@example.com.", "b\u200bob@x.com"],
)
def test_an_address_that_looks_like_another_is_refused_wherever_people_are_made(
    api_server: ApiServer, alice: Client, address: str
) -> None:
    api_server.server_operator("alice@example.com")
    made = [
        alice.post("/api/v1/users", {"email": address, "role": "member", "password": PASSWORD}),
        alice.post("/api/v1/invitations", {"email": address, "role": "member"}),
        alice.post("/api/v1/orgs", {"code": "initech", "admin": address}),
        alice.post(ACCOUNTS, {"name": address}),
    ]
    assert [answer.status for answer in made] == [400] * len(made)
    assert "e-mail address" in made[0].json["detail"]


def test_so_it_is_when_the_server_is_set_up(new_api_server: ApiServer) -> None:
    body = {
        "token": new_api_server.setup_token(),
        "org": "acme",
        "email": "\u0430lice@example.com",
        "password": PASSWORD,
    }
    assert new_api_server.client().post("/api/v1/setup", body).status == 400
