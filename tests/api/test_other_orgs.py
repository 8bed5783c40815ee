"""Nothing of one org is found out from another, whatever the way.

Paths, filters, cursors, bodies, streams, exports.

The rule is everywhere the same: another org's thing and one that never was get the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import gevent
import pytest

from opsicle.domain.access import BuiltInRole, Resource
from opsicle.server.http.routing import Access
from tests.api.absent_things import absent, without_ids
from tests.api.route_bodies import BODIES
from tests.api.route_walk import (
    MAY,
    PUBLIC,
    A,
    Things,
    call,
    filled,
    prepare,
)
from tests.api.running_server import PASSWORD, Answer, ApiServer, Client
from tests.api.test_policies import policy
from tests.api.test_templates import source
from tests.support import wait_until


@pytest.fixture
def acme(api_server: ApiServer) -> Things:
    return prepare(api_server, "acme", "alice@example.com", "restart-web")


@pytest.fixture
def globex(api_server: ApiServer) -> Things:
    return prepare(api_server, "globex", "gina@example.com", "globex-only")


def by_id(api_server: ApiServer, things: Things) -> Things:
    """Return the same things under their other names."""
    user = api_server.services.users.get(api_server.actor(things["user"]), things["user"])
    return things | {"user": user.id, "worker": f"{things['org']}-worker"}


def token(api_server: ApiServer, client: Client, **request: object) -> Client:
    made = client.post("/api/v1/tokens", {"name": "program", **request})
    assert made.status == 201, made.content
    return api_server.client(made.json["token"])


def callers(api_server: ApiServer) -> dict[str, Client]:
    """Return everybody who can come in at acme, and somebody who cannot."""
    people: dict[str, Client] = {
        role: api_server.person("acme", f"a-{role}", role) for role in BuiltInRole
    }

    alice = api_server.session("alice@example.com")
    assert (
        alice.post("/api/v1/service-accounts", {"name": "deploy", "role": "operator"}).status == 201
    )

    every_scope = [f"manage {resource}" for resource in Resource]
    return people | {
        "service account": token(api_server, alice, account="deploy@acme.service"),
        "token with every scope": token(api_server, alice, scopes=every_scope),
        "token for looking": token(
            api_server, alice, scopes=["view automations", "view templates", "view approvals"]
        ),
        "server operator": alice,
        "anonymous": api_server.client(),
    }


def is_about_orgs(route_key: str) -> bool:
    """Return whether a route names a thing of an org; server operators know which orgs exist."""
    if route_key == "POST /hooks/<org>/<trigger>":  # whose names are no secret: decision 0038
        return False
    return (
        "<" in route_key
        and "/server/orgs/<org>" not in route_key
        and "<announcement>" not in route_key
    )


def test_whoever_calls_whatever_route_finds_out_nothing_of_another_org(
    api_server: ApiServer, acme: Things, globex: Things
) -> None:
    count = 0
    for who, client in callers(api_server).items():
        for things in (globex, by_id(api_server, globex)):
            for route_key in filter(is_about_orgs, MAY):
                if MAY[route_key] is A.SERVER_MANAGE and "<user>" in route_key:
                    continue  # accounts are the server's
                foreign, missing = (
                    call(client, route_key, things),
                    call(client, route_key, absent(things)),
                )
                assert foreign.status == missing.status, (who, route_key, foreign.content)
                assert foreign.status in (401, 403, 404), (who, route_key, foreign.content)
                assert without_ids(foreign, things) == without_ids(missing, absent(things)), (
                    who,
                    route_key,
                )
                count += 1
    assert count > 1000


@pytest.fixture
def secrets_of_globex(api_server: ApiServer, globex: Things) -> list[str]:
    """Texts of which none may come to anybody in acme."""
    actor = api_server.actor("gina@example.com")
    return [
        actor.org_id,
        actor.user_id,
        *(value for name, value in globex.items() if name != "version"),
    ]


def everything(client: Client, path: str) -> tuple[int, str]:
    """Return an answer whole, be it ever so long."""
    answer, pieces = client._begin("GET", path, None, {})
    return answer.status, b"".join(pieces).decode()


def listing_routes(api_server: ApiServer) -> Iterator[tuple[str, list[str]]]:
    """Return the routes that show more than one thing, with what narrows them down."""
    for route in api_server.application.routes:
        is_stream = route.endpoint.content_type == "text/event-stream"
        if (
            route.endpoint.method == "GET"
            and "<" not in route.endpoint.path
            and route.may is not Access.PUBLIC
            and not is_stream
        ):
            yield (
                route.endpoint.path,
                [name for name, kind in (route.endpoint.query or {}).items() if kind is str],
            )


def test_no_list_export_filter_or_cursor_shows_anything_of_another_org(
    api_server: ApiServer, acme: Things, globex: Things, secrets_of_globex: list[str]
) -> None:
    client, asked = api_server.session("alice@example.com"), 0
    for path, names in listing_routes(api_server):
        if path.startswith("/api/v1/server/") or path == "/metrics":
            continue  # of all orgs, for who runs the server
        for name in ("", *names):
            for value in secrets_of_globex if name else ("",):
                status, content = everything(
                    client, f"{path}?{name}={quote(value)}" if name else path
                )
                shown = content.replace(value, "") if value else content
                assert status in (200, 400, 404), (path, name, value, content)
                assert not [text for text in secrets_of_globex if text in shown], (
                    path,
                    name,
                    value,
                )
                asked += 1
                if name and name != "cursor":
                    never = "absent@example.com" if "@" in value else "0" * len(value)
                    other_status, other = everything(client, f"{path}?{name}={quote(never)}")
                    assert (status, shown) == (other_status, other.replace(never, "")), (
                        path,
                        name,
                        value,
                    )
    assert asked > 300


def joined_globex(api_server: ApiServer) -> Client:
    """Alice, who is now of globex too, there."""
    gina = api_server.session("gina@example.com")
    link = gina.post("/api/v1/invitations", {"email": "alice@example.com", "role": "admin"}).json[
        "url"
    ]
    body = {"token": link.partition("token=")[2], "password": PASSWORD}
    answer = api_server.client().post("/api/v1/invitations/accept", body)
    assert answer.status in (200, 201), answer.content
    return api_server.client(answer.json["token"])


def test_one_who_belongs_to_both_orgs_sees_each_only_from_within(
    api_server: ApiServer, acme: Things, globex: Things, secrets_of_globex: list[str]
) -> None:
    inside, outside = joined_globex(api_server), api_server.session("alice@example.com", "acme")
    for name in ("automation_id", "approval_id"):
        path = f"/api/v1/{name.removesuffix('_id')}s/{globex[name]}"
        assert (inside.get(path).status, outside.get(path).status) == (200, 404)
    content = (
        everything(outside, "/api/v1/automations")[1]
        + everything(outside, "/api/v1/audit/export")[1]
    )
    assert not [text for text in secrets_of_globex if text in content and text != "globex"]


@pytest.mark.parametrize("kind", ["policy", "secret"])
def test_a_template_that_names_anothers_orgs_policy_or_secret_finds_none(
    api_server: ApiServer, globex: Things, kind: str
) -> None:
    alice = api_server.session("alice@example.com")
    answers = []
    for name in (globex[kind], absent(globex)[kind].replace("0", "x")):
        text = source("naming", more=f"  approvalPolicy: {{policyRef: {name}}}")
        if kind == "secret":
            text = source("naming") + f"        secrets: [{name}]\n"
        assert alice.post("/api/v1/templates", {"source": text}).status == 201
        answer = alice.post("/api/v1/automations", {"template": "naming"})
        answers.append((answer.status, answer.content.replace(name.encode(), b"ID")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 409


def test_a_policy_that_names_people_and_groups_of_another_org_is_asked_of_nobody(
    api_server: ApiServer, globex: Things
) -> None:
    alice, gina = api_server.session("alice@example.com"), api_server.session("gina@example.com")
    gina.call("PUT", f"/api/v1/groups/{globex['group']}/members/gina@example.com", {})
    for who in (
        "users: [gina@example.com]",
        f"groups: [{globex['group']}]",
        f"roles: [{globex['role']}]",
    ):
        text = policy("production").replace("manager: true", who)
        assert who in text
        assert alice.post("/api/v1/policies", {"source": text}).status == 201
        alice.post(
            "/api/v1/templates",
            {"source": source(more="  approvalPolicy: {policyRef: production}")},
        )
        asked = alice.post("/api/v1/automations", {"template": "restart-web"})
        assert (asked.status, "nobody" in asked.json["detail"]) == (409, True), who


def test_an_idempotency_key_is_its_users_and_its_orgs_own(
    api_server: ApiServer, acme: Things
) -> None:
    gina = api_server.session("gina@example.com")
    assert gina.post("/api/v1/templates", {"source": source()}).status == 201
    olga = api_server.person("acme", "olga", BuiltInRole.OPERATOR)
    there, alice = joined_globex(api_server), api_server.session("alice@example.com", "acme")

    def run(client: Client) -> Answer:
        return client.call(
            "POST",
            "/api/v1/automations",
            {"template": "restart-web"},
            **{"Idempotency-Key": "same"},
        )

    first = run(alice).json["id"]
    others = [run(client) for client in (gina, olga, there)]
    assert [answer.status for answer in others] == [201] * 3
    assert len({first, *(answer.json["id"] for answer in others)}) == 4
    assert run(alice).json["id"] == first


def test_a_live_view_of_an_org_hears_nothing_of_another(
    api_server: ApiServer, acme: Things, globex: Things
) -> None:
    heard: list[bytes] = []

    def listen() -> None:
        heard.extend(api_server.session("alice@example.com").stream("/api/v1/events"))

    listener = gevent.spawn(listen)
    wait_until(lambda: len(heard) == 1, what="the first event", pause=gevent.sleep)
    gina, alice = api_server.session("gina@example.com"), api_server.session("alice@example.com")
    assert gina.post("/api/v1/automations", {"template": "globex-only"}).status == 201
    assert gina.post(f"/api/v1/approvals/{globex['approval_id']}/approve", {}).status == 200
    listener.join(timeout=0.3)
    assert len(heard) == 1
    assert alice.post("/api/v1/automations", {"template": "restart-web"}).status == 201
    wait_until(lambda: len(heard) == 2, what="the own org's event", pause=gevent.sleep)
    listener.kill()


def test_every_route_without_an_id_that_changes_something_changes_ones_own_org(
    api_server: ApiServer, acme: Things, globex: Things
) -> None:
    """Whatever an admin of acme does without naming a thing, globex's record stays as it was."""
    gina, alice = api_server.session("gina@example.com"), api_server.session("alice@example.com")
    before = gina.get("/api/v1/audit?limit=200").json["items"]
    did = 0
    for route_key, may in MAY.items():
        method, path = route_key.split(" ", 1)
        if (
            method == "GET"
            or "<" in path
            or may is PUBLIC
            or path.startswith(("/api/v1/logout", "/api/v1/server"))
        ):
            continue
        did += alice.call(method, filled(path, {}), BODIES.get(route_key, {})).status < 300
    assert did >= 8
    assert gina.get("/api/v1/audit?limit=200").json["items"] == before
