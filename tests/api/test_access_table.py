"""Every route, by every role, of both orgs, walked from the server's own route table.

`MAY` in route_walk.py says what each route asks of the caller. It is written down there a second
time on purpose: a route that is not in it, or that asks for something else, fails.
"""

from __future__ import annotations

import pytest

from opsicle.domain.access import TABLE, Action, BuiltInRole
from opsicle.domain.rights import Rights, grants_of
from opsicle.domain.rules import OWN_ROLE_RULES, parse_rule
from opsicle.security.certificates import WorkerIdentity
from opsicle.server.http.request import WORKER_IDENTITY
from opsicle.server.http.routing import Access
from opsicle.wire.access_api import CreateRoleRequest
from opsicle.wire.worker_api import Enrolment
from tests.api.absent_things import absent, without_ids
from tests.api.route_walk import (
    ALSO,
    MAY,
    PUBLIC,
    WORKER_ROUTES,
    A,
    Things,
    call,
    key,
    prepare,
)
from tests.api.running_server import Answer, ApiServer, Client

HOOK = "POST /hooks/<org>/<trigger>"
"""Asks for a trigger's own secret, whoever calls."""


@pytest.fixture
def acme(api_server: ApiServer) -> Things:
    return prepare(api_server, "acme", "alice@example.com", "restart-web")


@pytest.fixture
def globex(api_server: ApiServer) -> Things:
    return prepare(api_server, "globex", "gina@example.com", "globex-only")


def test_every_route_stands_in_the_table_and_asks_for_what_it_says(api_server: ApiServer) -> None:
    assert {key(route): route.may for route in api_server.application.routes} == MAY
    worker_table = api_server.applications.for_workers.routes
    assert {key(route) for route in worker_table} == WORKER_ROUTES
    assert {route.may for route in worker_table} == {Access.WORKER}


def test_every_route_is_described_with_what_it_asks_for(api_server: ApiServer) -> None:
    paths = api_server.client().get("/api/openapi.json").json["paths"]
    described = {
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods
    }
    assert described == {route_key.replace("<", "{").replace(">", "}") for route_key in MAY}


def test_every_role_can_do_what_the_permission_table_says_and_nothing_else(
    api_server: ApiServer, acme: Things
) -> None:
    wrong = []
    for role in BuiltInRole:
        person = api_server.person("acme", f"the-{role}", role)
        for route_key, may in MAY.items():
            if may is PUBLIC:
                continue
            # Whoever is allowed must not end the session with which the next route is called.
            client = (
                api_server.session(f"the-{role}@example.com")
                if route_key == "POST /api/v1/logout"
                else person
            )
            values = acme if route_key.startswith("GET") else absent(acme)
            answer = call(client, route_key, values)
            is_allowed = may in TABLE and role in TABLE[may].roles
            if (answer.status != 403) != is_allowed or answer.status in (401, 500):
                wrong.append((role, route_key, answer.status, answer.content[:200]))
            if is_allowed and route_key.startswith("GET") and answer.status != 200:
                wrong.append((role, route_key, answer.status, answer.content[:200]))
    assert wrong == []


@pytest.mark.parametrize("action", TABLE)
def test_a_role_with_one_rule_can_do_that_and_nothing_else(
    api_server: ApiServer, acme: Things, action: Action
) -> None:
    """The same walk for roles of the org's own, one for each line of the table."""
    rule = f"allow {TABLE[action].verb} {TABLE[action].resource}"
    covered = Rights((grants_of([*OWN_ROLE_RULES, parse_rule(rule)], "role"),)).actions
    made = CreateRoleRequest(name="one-rule", rules=[rule])
    api_server.services.roles.create(api_server.actor("alice@example.com"), made)
    person = api_server.person("acme", "somebody", "one-rule")

    wrong = []

    for route_key, may in MAY.items():
        if may is PUBLIC:
            continue

        client = (
            api_server.session("somebody@example.com")
            if route_key == "POST /api/v1/logout"
            else person
        )
        answer = call(client, route_key, acme if route_key.startswith("GET") else absent(acme))

        is_allowed = {may, ALSO.get(route_key, may)} <= covered
        gives_more = answer.status == 403 and b"more than you may" in answer.content
        if (answer.status != 403 or gives_more) != is_allowed or answer.status in (401, 500):
            wrong.append((route_key, answer.status, answer.content[:200]))

    assert wrong == []


def test_nobody_can_do_anything_without_logging_in(api_server: ApiServer, acme: Things) -> None:
    for route_key, may in MAY.items():
        answer = call(api_server.client(), route_key, acme)
        if route_key == HOOK:
            assert answer.status == 401
        elif may is PUBLIC:
            assert (answer.status in (200, 400, 503)) or route_key == "POST /api/v1/setup", (
                route_key
            )
        else:
            assert (answer.status, answer.code) == (401, "not_authenticated"), route_key


@pytest.mark.parametrize("token", ["", "x", "opss_", "opsu_" + "0" * 46, "opss_" + "é" * 46])
def test_a_token_that_is_none_opens_nothing(api_server: ApiServer, token: str) -> None:
    client = Client(api_server.application, {"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/whoami").status == 401


def test_anothers_orgs_things_are_as_absent_as_what_never_was(
    api_server: ApiServer, globex: Things
) -> None:
    gina, alice = api_server.session("gina@example.com"), api_server.session("alice@example.com")
    for route_key in (
        route_key
        for route_key, may in MAY.items()
        if "<" in route_key and may is not A.SERVER_MANAGE
        if route_key != HOOK  # whose names are no secret: decision 0038
    ):
        foreign = call(alice, route_key, globex)
        missing = call(alice, route_key, absent(globex))
        assert foreign.status == missing.status == 404, (route_key, foreign.content)
        assert without_ids(foreign, globex) == without_ids(missing, absent(globex)), route_key
        if route_key.startswith("GET"):
            assert call(gina, route_key, globex).status == 200, (
                f"{route_key}: there is nothing to be hidden"
            )


def test_anothers_orgs_template_cannot_be_run(api_server: ApiServer, globex: Things) -> None:
    alice = api_server.session("alice@example.com")
    foreign = call(alice, "POST /api/v1/automations", {}, {"template": "globex-only"})
    missing = call(alice, "POST /api/v1/automations", {}, {"template": "absent-only"})
    assert foreign.status == missing.status == 404
    assert foreign.content.replace(b"globex", b"absent") == missing.content


def test_lists_show_nothing_of_another_org(
    api_server: ApiServer, acme: Things, globex: Things
) -> None:
    alice = api_server.session("alice@example.com")
    hidden = {*globex.values(), api_server.actor("gina@example.com").org_id} - {"1"}
    lists = [
        route_key
        for route_key, may in MAY.items()
        if route_key.startswith("GET /api/v1/")
        and "<" not in route_key
        and may is not A.SERVER_MANAGE
    ]
    assert len(lists) >= 7
    for route_key in lists:
        content = call(alice, route_key, {}).content.decode()
        assert not [value for value in hidden if value in content], route_key


@pytest.mark.parametrize("role", [BuiltInRole.MEMBER, BuiltInRole.REPORTER, BuiltInRole.OPERATOR])
def test_only_operators_and_requesters_cancel(
    api_server: ApiServer, acme: Things, role: BuiltInRole
) -> None:
    person = api_server.person("acme", "someone", role)
    answer = call(person, "POST /api/v1/automations/<automation_id>/cancel", acme)
    assert answer.status == (200 if role in TABLE[A.AUTOMATIONS_CANCEL_ANY].roles else 403)


def test_requesters_cancel_their_own(api_server: ApiServer, acme: Things) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    mine = call(bob, "POST /api/v1/automations", {}).json["id"]
    assert (
        call(bob, "POST /api/v1/automations/<automation_id>/cancel", {"automation_id": mine}).status
        == 200
    )


def as_worker(api_server: ApiServer, worker: Enrolment, org: str, verb: str, job_id: str) -> Answer:
    """Return what the workers' listener answers to a worker that asks for this job."""
    identity = WorkerIdentity(org, worker.worker_id, "1")
    client = Client(api_server.applications.for_workers, environ={WORKER_IDENTITY: identity})
    return client.post(f"/worker/v1/jobs/{job_id}/{verb}", WORKER_BODIES[verb])


WORKER_BODIES: dict[str, dict[str, object]] = {
    "pause": {"fence": 1, "phase": 0},
    "file": {"fence": 1, "sha256": "0" * 64},
    "start": {"fence": 1},
    "refuse": {"fence": 1, "reason": "forged"},
    "log": {"fence": 1},
    "artifact": {"fence": 1, "phase": 0, "path": "x", "problem": "forged"},
    "finish": {"fence": 1, "outcome": {"state": "succeeded", "phases": []}, "log_bytes": 0},
}


def test_anothers_orgs_job_is_to_a_worker_as_absent_as_what_never_was(
    api_server: ApiServer, globex: Things
) -> None:
    assert {f"POST /worker/v1/jobs/<job_id>/{verb}" for verb in WORKER_BODIES} == {
        route_key for route_key in WORKER_ROUTES if "<" in route_key
    }
    owner, anonymous = api_server.worker("globex", "owner"), api_server.worker("acme", "stranger")

    _, (work,) = api_server.poll(owner, "globex")

    for verb in WORKER_BODIES:
        foreign = as_worker(api_server, anonymous, "acme", verb, work.job_id)
        missing = as_worker(api_server, anonymous, "acme", verb, "0" * 26)
        assert foreign.status == missing.status >= 400, (verb, foreign.content)
        assert foreign.content.replace(work.job_id.encode(), b"ID") == missing.content.replace(
            b"0" * 26, b"ID"
        ), verb

    assert as_worker(api_server, owner, "globex", "start", work.job_id).status == 200


def test_the_workers_listener_lets_in_nobody_without_a_workers_certificate(
    api_server: ApiServer,
) -> None:
    token = api_server.session("alice@example.com").headers
    client = Client(api_server.applications.for_workers, token)
    for route_key in WORKER_ROUTES:
        answer = call(client, route_key, {"job_id": "0" * 26})
        assert (answer.status, answer.code) == (401, "not_authenticated"), route_key


def test_the_users_listener_serves_nothing_of_the_workers(api_server: ApiServer) -> None:
    for route_key in WORKER_ROUTES:
        assert call(api_server.client(), route_key, {"job_id": "0" * 26}).status == 404
