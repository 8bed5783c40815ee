"""Who manages people or roles hands out nothing that they do not have."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.running_server import PASSWORD, ApiServer, Client


@pytest.fixture
def mia(api_server: ApiServer) -> Client:
    return api_server.person("acme", "mia", BuiltInRole.MANAGER)


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("member", 201),
        ("approver", 201),
        ("manager", 201),
        ("operator", 403),
        ("reporter", 403),
        ("admin", 403),
    ],
)
def test_a_manager_adds_people_who_may_no_more_than_they(
    mia: Client, role: str, status: int
) -> None:
    body = {"email": "new@example.com", "password": PASSWORD, "role": role}
    assert mia.post("/api/v1/users", body).status == status
    assert mia.get("/api/v1/users/new@example.com").status == (200 if status == 201 else 404)


def test_a_manager_raises_nobody_above_themselves(api_server: ApiServer, mia: Client) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    for change in (
        {"role": "admin"},
        {"role": "operator"},
        {"rules": ["allow view secrets"]},
        {"rules": ["allow delete templates/restart-web"]},
    ):
        assert mia.patch("/api/v1/users/bob@example.com", change).status == 403, change
    for change in ({"role": "approver"}, {"rules": ["deny execute templates"]}, {"rules": []}):
        assert mia.patch("/api/v1/users/bob@example.com", change).status == 200, change


def test_a_manager_lifts_no_denial_of_what_they_may_not_do(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    alice.patch("/api/v1/users/mia@example.com", {"rules": ["deny execute templates/dump-db"]})
    alice.patch("/api/v1/users/bob@example.com", {"rules": ["deny execute templates/dump-db"]})
    assert mia.patch("/api/v1/users/bob@example.com", {"rules": []}).status == 403
    keeps = ["deny execute templates/dump-db", "deny view workers"]
    assert mia.patch("/api/v1/users/bob@example.com", {"rules": keeps}).status == 200


@pytest.mark.parametrize("who", ["alice", "olga"])
def test_a_manager_cannot_touch_those_who_may_more(
    api_server: ApiServer, mia: Client, who: str
) -> None:
    """Or else a new password would be a way into their account."""
    api_server.person("acme", "olga", BuiltInRole.OPERATOR)
    api_server.person("acme", "second", BuiltInRole.ADMIN)
    one = f"/api/v1/users/{who}@example.com"

    for change in (
        {"name": "x"},
        {"password": "quite another one"},
        {"role": "member"},
        {"is_disabled": True},
    ):
        assert mia.patch(one, change).status == 403, change

    answers = [
        mia.delete(one),
        mia.post(f"{one}/reset"),
        mia.delete(f"{one}/totp"),
        mia.delete(f"{one}/sessions"),
    ]
    assert [answer.status for answer in answers] == [403] * 4


def test_a_manager_changes_nothing_of_themselves(mia: Client) -> None:
    for change in (
        {"manager": "alice@example.com"},
        {"role": "member"},
        {"rules": ["deny view workers"]},
    ):
        assert mia.patch("/api/v1/users/mia@example.com", change).status == 403


def test_who_manages_roles_gives_them_no_more_than_they_have(
    api_server: ApiServer, alice: Client
) -> None:
    keeper = ["allow manage roles", "allow view users", "allow execute templates/restart-web"]
    for name, rules in (("roles-keeper", keeper), ("dba", ["deny view audit"])):
        made = alice.post("/api/v1/roles", {"name": name, "rules": rules})
        assert made.status == 201, made.content

    rob = api_server.person("acme", "rob", "roles-keeper")
    for rules, status in (
        (["allow manage users"], 403),
        (["allow execute templates"], 403),
        (["allow execute templates/restart-web", "allow view users"], 201),
    ):
        answer = rob.post("/api/v1/roles", {"name": f"r{len(rules)}{status}", "rules": rules})
        assert answer.status == status, rules

    assert rob.patch("/api/v1/roles/member", {"rules": ["allow view secrets"]}).status == 403
    assert rob.patch("/api/v1/roles/dba", {"rules": []}).status == 403, "that would lift a denial"
    assert (
        rob.patch("/api/v1/roles/dba", {"rules": ["deny view audit", "allow view users"]}).status
        == 200
    )
