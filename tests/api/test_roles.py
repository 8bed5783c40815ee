"""Roles of an org's own, rules for roles and people, and `can`."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.fleet.pubsub import org_topic
from tests.api.running_server import PASSWORD, ApiServer, Client
from tests.api.test_templates import source

PROD = source("dump-db").replace("tier: web", "env: prod")


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    """Return the admin, with two templates, one of them with the label env=prod."""
    client = api_server.session("alice@example.com")
    for document in (source("restart-web"), PROD):
        assert client.post("/api/v1/templates", {"source": document}).status == 201
    assert client.get("/api/v1/templates/dump-db").json["labels"] == {"env": "prod"}
    return client


def make(alice: Client, name: str, *rules: str) -> None:
    answer = alice.post("/api/v1/roles", {"name": name, "rules": list(rules)})
    assert answer.status == 201, answer.content


def run(client: Client, template: str) -> int:
    return client.post("/api/v1/automations", {"template": template}).status


def names(client: Client, path: str, field: str = "name") -> list[str]:
    return [item[field] for item in client.get(path).json["items"]]


def test_the_built_in_roles_and_the_orgs_own_are_listed_in_pages(alice: Client) -> None:
    make(alice, "dba", "allow view templates")
    everyone = ["admin", "approver", "dba", "manager", "member", "operator", "reporter"]
    assert names(alice, "/api/v1/roles") == everyone
    first = alice.get("/api/v1/roles?limit=3").json
    rest = alice.get(f"/api/v1/roles?limit=10&cursor={first['next_cursor']}").json
    assert [role["name"] for role in first["items"] + rest["items"]] == everyone
    assert alice.get("/api/v1/roles/admin").json["member_count"] == 1


def test_an_own_role_gives_what_its_rules_say_and_nothing_else(
    api_server: ApiServer, alice: Client
) -> None:
    make(
        alice,
        "web",
        "allow view templates",
        "allow execute templates/restart-web",
        "allow view automations",
    )

    bob = api_server.person("acme", "bob", "web")
    assert (run(bob, "restart-web"), run(bob, "dump-db")) == (201, 403)
    assert bob.get("/api/v1/users").status == 403
    assert bob.get("/api/v1/audit").status == 403

    assert alice.patch("/api/v1/roles/web", {"rules": ["allow view audit"]}).status == 200
    assert bob.get("/api/v1/whoami").json["permissions"] == [
        "account.view",
        "account.use",
        "audit.view",
    ]


def test_a_rerun_asks_for_the_same_right_as_the_first_run(
    api_server: ApiServer, alice: Client
) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    mine = bob.post("/api/v1/automations", {"template": "dump-db"}).json["id"]
    alice.patch("/api/v1/users/bob@example.com", {"rules": ["deny execute templates/dump-db"]})
    assert bob.post(f"/api/v1/automations/{mine}/rerun").status == 403


def test_an_org_adds_rules_to_a_built_in_role(api_server: ApiServer, alice: Client) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    other = api_server.person("globex", "hank", BuiltInRole.MEMBER)
    api_server.session("gina@example.com").post("/api/v1/templates", {"source": PROD})
    assert (
        alice.patch("/api/v1/roles/member", {"rules": ["deny execute templates/env=prod"]}).status
        == 200
    )
    assert (run(bob, "restart-web"), run(bob, "dump-db"), run(alice, "dump-db")) == (201, 403, 201)
    assert run(other, "dump-db") == 201, "another org's roles are its own"


def test_another_version_with_other_labels_is_no_way_around_a_rule(
    api_server: ApiServer, alice: Client
) -> None:
    alice.patch("/api/v1/roles/operator", {"rules": ["deny manage templates/env=prod"]})
    olga = api_server.person("acme", "olga", BuiltInRole.OPERATOR)
    harmless = PROD.replace("env: prod", "env: dev")
    assert olga.post("/api/v1/templates", {"source": harmless}).status == 403
    assert olga.post("/api/v1/templates", {"source": PROD.replace("dump-db", "new")}).status == 403
    assert alice.post("/api/v1/templates", {"source": harmless}).status == 201
    versions = [
        olga.post("/api/v1/automations", {"template": "dump-db", "version": n}).status
        for n in (1, 2)
    ]
    assert versions == [404, 201]
    assert olga.delete("/api/v1/templates/dump-db").status == 204


def test_what_one_may_not_see_is_as_absent_as_what_never_was(
    api_server: ApiServer, alice: Client
) -> None:
    theirs = alice.post("/api/v1/automations", {"template": "dump-db"}).json["id"]
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    alice.patch("/api/v1/users/bob@example.com", {"rules": ["deny manage templates/dump-db"]})
    assert names(bob, "/api/v1/templates") == ["restart-web"]
    assert names(bob, "/api/v1/automations", "id") == []
    absent = "0" * len(theirs)
    pairs = [
        (f"/api/v1/templates/dump-db{rest}", f"/api/v1/templates/absent{rest}")
        for rest in ("", "/versions", "/versions/1", "/diff?from=1")
    ]
    pairs += [
        (f"/api/v1/automations/{theirs}{rest}", f"/api/v1/automations/{absent}{rest}")
        for rest in ("", "/log", "/events")
    ]

    for hidden, missing in pairs:
        answers = bob.get(hidden), bob.get(missing)
        assert [answer.status for answer in answers] == [404, 404], hidden
        text = answers[0].content.replace(b"dump-db", b"absent")
        assert text.replace(theirs.encode(), absent.encode()) == answers[1].content, hidden

    assert run(bob, "dump-db") == run(bob, "absent") == 404
    for verb in ("cancel", "rerun"):
        assert bob.post(f"/api/v1/automations/{theirs}/{verb}").status == 404
    assert alice.get(f"/api/v1/automations/{theirs}").json["is_cancel_requested"] is False


def test_another_rule_holds_from_the_next_request_on(api_server: ApiServer, alice: Client) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert bob.get("/api/v1/workers").status == 200
    alice.patch("/api/v1/roles/member", {"rules": ["deny view workers"]})
    assert bob.get("/api/v1/workers").status == 403
    alice.patch("/api/v1/roles/member", {"rules": []})
    assert bob.get("/api/v1/workers").status == 200


def test_a_live_stream_ends_when_rights_change(api_server: ApiServer, alice: Client) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    stream = bob.stream("/api/v1/events")
    first = next(stream)
    assert first.startswith(b"retry")
    assert b"changed" in first
    alice.patch("/api/v1/users/bob@example.com", {"rules": ["deny view automations"]})
    api_server.services.pubsub.changed(org_topic(api_server.actor("alice@example.com").org_id))
    assert list(stream) == []


def test_a_role_that_somebody_has_stays(api_server: ApiServer, alice: Client) -> None:
    make(alice, "dba", "allow view templates")
    api_server.person("acme", "bob", "dba")
    refusal = alice.delete("/api/v1/roles/dba")
    assert (refusal.status, refusal.code) == (409, "conflict")
    assert alice.patch("/api/v1/users/bob@example.com", {"role": "member"}).status == 200
    assert alice.delete("/api/v1/roles/dba").status == 204
    assert alice.get("/api/v1/roles/dba").status == 404
    assert alice.patch("/api/v1/users/bob@example.com", {"role": "dba"}).status == 400


@pytest.mark.parametrize("name", ["member", "dba"])
def test_a_name_is_taken_once(alice: Client, name: str) -> None:
    alice.post("/api/v1/roles", {"name": "dba"})
    assert alice.post("/api/v1/roles", {"name": name}).status == 409


def test_built_in_roles_stay_and_admin_is_never_changed(alice: Client) -> None:
    assert alice.delete("/api/v1/roles/member").status == 409
    assert alice.patch("/api/v1/roles/admin", {"rules": ["deny manage users"]}).status == 409
    assert alice.patch("/api/v1/roles/member", {"description": "x"}).status == 400


def test_an_org_cannot_shut_itself_out(alice: Client) -> None:
    assert alice.patch("/api/v1/users/alice@example.com", {"role": "member"}).status == 409
    assert alice.patch("/api/v1/users/alice@example.com", {"is_disabled": True}).status == 409
    assert alice.delete("/api/v1/users/alice@example.com").status == 409
    rules = {"rules": ["deny manage users", "deny manage roles"]}
    assert alice.patch("/api/v1/users/alice@example.com", rules).status == 200
    assert alice.get("/api/v1/can?action=manage&resource=users").json["is_allowed"] is True
    assert alice.post("/api/v1/roles", {"name": "still-works"}).status == 201


def test_a_role_of_another_org_is_no_role_here(api_server: ApiServer, alice: Client) -> None:
    make(api_server.session("gina@example.com"), "dba", "allow view templates")
    assert alice.get("/api/v1/roles/dba").status == 404
    body = {"email": "bob@example.com", "password": PASSWORD, "role": "dba"}
    refusal = alice.post("/api/v1/users", body)
    assert (refusal.status, refusal.json["errors"][0]["path"]) == (400, "role")


# Is this allowed, and by which rule


def ask(client: Client, user: str, action: str, resource: str) -> tuple[bool, str, str]:
    answer = client.get(f"/api/v1/can?user={user}&action={action}&resource={resource}")
    assert answer.status == 200, answer.content
    return answer.json["is_allowed"], answer.json["rule"], answer.json["source"]


def test_the_rule_that_decides_is_named(api_server: ApiServer, alice: Client) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    alice.patch("/api/v1/roles/member", {"rules": ["deny execute templates/env=prod"]})
    alice.patch("/api/v1/users/bob@example.com", {"rules": ["allow view secrets"]})
    bob = "bob@example.com"

    assert ask(alice, bob, "execute", "templates/restart-web") == (
        True,
        "allow execute templates",
        "role member",
    )

    denied = (False, "deny execute templates/env=prod", "role member")
    assert ask(alice, bob, "execute", "templates/dump-db") == denied
    assert ask(alice, bob, "view", "secrets") == (
        True,
        "allow view secrets",
        "user bob@example.com",
    )

    assert ask(alice, bob, "delete", "users") == (False, "", "")
    assert ask(alice, bob, "create", "templates/not-yet") == (False, "", "")
    assert ask(api_server.session(bob), "", "view", "workers") == (
        True,
        "allow view workers",
        "role member",
    )


def test_can_says_what_the_server_does(api_server: ApiServer, alice: Client) -> None:
    alice.patch("/api/v1/roles/member", {"rules": ["deny execute templates/env=prod"]})
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    for template in ("restart-web", "dump-db"):
        assert ask(alice, "bob@example.com", "execute", f"templates/{template}")[0] == (
            run(bob, template) == 201
        )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("user=gina@example.com&action=view&resource=templates", 404),
        ("user=absent@example.com&action=view&resource=templates", 404),
        ("action=view&resource=templates/absent", 404),
        ("action=execute&resource=audit", 400),
        ("action=fly&resource=audit", 400),
        ("action=view&resource=templates/env=prod", 400),
        ("action=view", 400),
    ],
)
def test_what_is_no_question_gets_no_answer(alice: Client, query: str, status: int) -> None:
    assert alice.get(f"/api/v1/can?{query}").status == status


def test_changes_to_roles_stand_in_the_record_with_what_was_before(alice: Client) -> None:
    make(alice, "dba", "allow view templates")
    alice.patch("/api/v1/roles/dba", {"rules": ["allow view audit"]})
    alice.delete("/api/v1/roles/dba")
    entries = [
        entry
        for entry in alice.get("/api/v1/audit").json["items"]
        if entry["resource"] == "roles/dba"
    ]
    assert [entry["verb"] for entry in entries] == ["delete", "update", "create"]
    assert entries[1]["data"] == {"rules": ["allow view audit"], "before": ["allow view templates"]}
