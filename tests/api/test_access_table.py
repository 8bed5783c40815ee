"""Every route, by every role, of both orgs, walked from the server's own route table.

`MAY` says what each route asks of the caller. It is written down here a second time on purpose: a route that is not
in it, or that asks for something else, fails.
"""

from __future__ import annotations

import re

import pytest

from opsicle.domain.access import PERMISSIONS, TABLE, Action, Role
from opsicle.domain.channels import WebhookConfig
from opsicle.domain.rights import Rights, grants_of
from opsicle.domain.rules import OWN_ROLE_RULES, parse_rule
from opsicle.pki.certificates import WorkerIdentity
from opsicle.server.api.http import Access, Route
from opsicle.server.api.request import WORKER_IDENTITY
from opsicle.wire.access_api import CreateGroupRequest, CreateRoleRequest
from opsicle.wire.channel_api import CreateChannelRequest
from opsicle.wire.org_api import InviteRequest
from opsicle.wire.secret_api import CreateSecretRequest
from opsicle.wire.user_api import CreateApiTokenRequest, RunRequest
from opsicle.wire.worker_api import Enrolment, PollRequest
from tests.api.house import PASSWORD, Answer, Client, House
from tests.api.test_policies import policy
from tests.api.test_templates import source

A, PUBLIC = Action, Access.PUBLIC

MAY: dict[str, Action | Access] = {
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /api/openapi.json": PUBLIC,
    "GET /api/v1/ca": PUBLIC,
    "POST /api/v1/setup": PUBLIC,
    "POST /api/v1/login": PUBLIC,
    "POST /api/v1/enrol": PUBLIC,
    "GET /api/v1/orgs": A.ORGS_VIEW,
    "POST /api/v1/orgs": A.ORGS_CREATE,
    "GET /api/v1/orgs/<org>": A.ORGS_VIEW,
    "PATCH /api/v1/orgs/<org>": A.ORGS_MANAGE,
    "POST /api/v1/orgs/<org>/switch": A.ACCOUNT_USE,
    "GET /api/v1/provider/orgs": A.PROVIDER_MANAGE,
    "GET /api/v1/provider/admins": A.PROVIDER_MANAGE,
    "POST /api/v1/provider/orgs/<org>/invitations": A.PROVIDER_MANAGE,
    "GET /api/v1/provider/workers": A.PROVIDER_MANAGE,
    "GET /api/v1/provider/workers/<worker>": A.PROVIDER_MANAGE,
    "POST /api/v1/provider/workers/<worker>/drain": A.PROVIDER_MANAGE,
    "POST /api/v1/provider/workers/<worker>/undrain": A.PROVIDER_MANAGE,
    "POST /api/v1/provider/workers/<worker>/revoke": A.PROVIDER_MANAGE,
    "POST /api/v1/provider/admins": A.PROVIDER_MANAGE,
    "DELETE /api/v1/provider/admins/<user>": A.PROVIDER_MANAGE,
    "POST /api/v1/logout": A.ACCOUNT_VIEW,
    "GET /api/v1/whoami": A.ACCOUNT_VIEW,
    "GET /api/v1/invitations": A.USERS_MANAGE,
    "POST /api/v1/invitations": A.USERS_MANAGE,
    "DELETE /api/v1/invitations/<invitation>": A.USERS_MANAGE,
    "POST /api/v1/invitations/look": PUBLIC,
    "POST /api/v1/invitations/accept": PUBLIC,
    "GET /api/v1/totp": A.ACCOUNT_USE,
    "POST /api/v1/totp": A.ACCOUNT_USE,
    "POST /api/v1/totp/confirm": A.ACCOUNT_USE,
    "POST /api/v1/totp/recovery-codes": A.ACCOUNT_USE,
    "POST /api/v1/totp/disable": A.ACCOUNT_USE,
    "POST /api/v1/step-up": A.ACCOUNT_USE,
    "GET /api/v1/sessions": A.ACCOUNT_USE,
    "DELETE /api/v1/sessions/<session_id>": A.ACCOUNT_USE,
    "POST /api/v1/password": A.ACCOUNT_USE,
    "POST /api/v1/password/reset": PUBLIC,
    "POST /api/v1/password/forgotten": PUBLIC,
    "POST /api/v1/users/<user>/reset": A.USERS_MANAGE,
    "DELETE /api/v1/users/<user>/totp": A.USERS_MANAGE,
    "DELETE /api/v1/users/<user>/sessions": A.USERS_MANAGE,
    "GET /api/v1/tokens": A.ACCOUNT_USE,
    "POST /api/v1/tokens": A.ACCOUNT_USE,
    "DELETE /api/v1/tokens/<token_id>": A.ACCOUNT_USE,
    "GET /api/v1/users": A.USERS_VIEW,
    "POST /api/v1/users": A.USERS_MANAGE,
    "GET /api/v1/users/<user>": A.USERS_VIEW,
    "PATCH /api/v1/users/<user>": A.USERS_MANAGE,
    "DELETE /api/v1/users/<user>": A.USERS_MANAGE,
    "GET /api/v1/roles": A.ROLES_VIEW,
    "POST /api/v1/roles": A.ROLES_MANAGE,
    "GET /api/v1/roles/<role>": A.ROLES_VIEW,
    "PATCH /api/v1/roles/<role>": A.ROLES_MANAGE,
    "DELETE /api/v1/roles/<role>": A.ROLES_MANAGE,
    "GET /api/v1/service-accounts": A.USERS_VIEW,
    "POST /api/v1/service-accounts": A.ACCOUNT_USE,
    "DELETE /api/v1/service-accounts/<user>": A.ACCOUNT_USE,
    "GET /api/v1/groups": A.GROUPS_VIEW,
    "POST /api/v1/groups": A.GROUPS_MANAGE,
    "GET /api/v1/groups/<group>": A.GROUPS_VIEW,
    "PATCH /api/v1/groups/<group>": A.GROUPS_MANAGE,
    "DELETE /api/v1/groups/<group>": A.GROUPS_MANAGE,
    "PUT /api/v1/groups/<group>/members/<user>": A.GROUPS_MANAGE,
    "DELETE /api/v1/groups/<group>/members/<user>": A.GROUPS_MANAGE,
    "GET /api/v1/can": A.ACCOUNT_VIEW,
    "POST /api/v1/templates/validate": A.TEMPLATES_VIEW,
    "GET /api/v1/templates": A.TEMPLATES_VIEW,
    "POST /api/v1/templates": A.TEMPLATES_PUSH,
    "GET /api/v1/templates/<name>": A.TEMPLATES_VIEW,
    "DELETE /api/v1/templates/<name>": A.TEMPLATES_DELETE,
    "GET /api/v1/templates/<name>/versions": A.TEMPLATES_VIEW,
    "GET /api/v1/templates/<name>/versions/<version>": A.TEMPLATES_VIEW,
    "GET /api/v1/templates/<name>/diff": A.TEMPLATES_VIEW,
    "POST /api/v1/automations": A.AUTOMATIONS_CREATE,
    "GET /api/v1/automations": A.AUTOMATIONS_VIEW,
    "GET /api/v1/automations/<automation_id>": A.AUTOMATIONS_VIEW,
    "POST /api/v1/automations/<automation_id>/cancel": A.AUTOMATIONS_VIEW,
    "POST /api/v1/automations/<automation_id>/rerun": A.AUTOMATIONS_CREATE,
    "GET /api/v1/automations/<automation_id>/log": A.AUTOMATIONS_VIEW,
    "GET /api/v1/automations/<automation_id>/events": A.AUTOMATIONS_VIEW,
    "GET /api/v1/events": A.AUTOMATIONS_VIEW,
    "POST /api/v1/workers/tokens": A.WORKERS_MANAGE,
    "GET /api/v1/workers": A.WORKERS_VIEW,
    "GET /api/v1/workers/<worker>": A.WORKERS_VIEW,
    "POST /api/v1/workers/<worker>/drain": A.WORKERS_MANAGE,
    "POST /api/v1/workers/<worker>/undrain": A.WORKERS_MANAGE,
    "POST /api/v1/workers/<worker>/revoke": A.WORKERS_MANAGE,
    "GET /api/v1/secrets": A.SECRETS_VIEW,
    "POST /api/v1/secrets": A.SECRETS_MANAGE,
    "GET /api/v1/secrets/<secret>": A.SECRETS_VIEW,
    "PUT /api/v1/secrets/<secret>": A.SECRETS_MANAGE,
    "DELETE /api/v1/secrets/<secret>": A.SECRETS_MANAGE,
    "GET /api/v1/policies": A.POLICIES_VIEW,
    "POST /api/v1/policies": A.POLICIES_MANAGE,
    "GET /api/v1/policies/<policy>": A.POLICIES_VIEW,
    "DELETE /api/v1/policies/<policy>": A.POLICIES_MANAGE,
    "GET /api/v1/policies/<policy>/versions": A.POLICIES_VIEW,
    "GET /api/v1/policies/<policy>/versions/<version>": A.POLICIES_VIEW,
    "GET /api/v1/templates/<name>/approval": A.TEMPLATES_VIEW,
    "GET /api/v1/approvals": A.APPROVALS_VIEW,
    "GET /api/v1/approvals/<approval_id>": A.APPROVALS_VIEW,
    "POST /api/v1/approvals/<approval_id>/approve": A.APPROVALS_DECIDE,
    "POST /api/v1/approvals/<approval_id>/reject": A.APPROVALS_DECIDE,
    "POST /api/v1/approvals/<approval_id>/withdraw": A.APPROVALS_VIEW,
    "GET /api/v1/channels": A.CHANNELS_VIEW,
    "POST /api/v1/channels": A.CHANNELS_MANAGE,
    "GET /api/v1/channels/<channel>": A.CHANNELS_VIEW,
    "PATCH /api/v1/channels/<channel>": A.CHANNELS_MANAGE,
    "DELETE /api/v1/channels/<channel>": A.CHANNELS_MANAGE,
    "POST /api/v1/channels/<channel>/test": A.CHANNELS_MANAGE,
    "GET /api/v1/deliveries": A.CHANNELS_VIEW,
    "GET /api/v1/deliveries/<delivery_id>": A.CHANNELS_VIEW,
    "POST /api/v1/deliveries/<delivery_id>/retry": A.CHANNELS_MANAGE,
    "GET /api/v1/chat-links": A.ACCOUNT_USE,
    "POST /api/v1/chat-links": A.ACCOUNT_USE,
    "DELETE /api/v1/chat-links/<channel>": A.ACCOUNT_USE,
    "GET /api/v1/preferences": A.ACCOUNT_USE,
    "PUT /api/v1/preferences": A.ACCOUNT_USE,
    "GET /api/v1/audit": A.AUDIT_VIEW,
    "GET /api/v1/audit/export": A.AUDIT_VIEW,
    "GET /api/v1/audit/verify": A.AUDIT_VIEW,
    "GET /api/v1/audit/key": PUBLIC,
}

WORKER_ROUTES = {
    "POST /worker/v1/poll",
    "POST /worker/v1/renew",
    "POST /worker/v1/jobs/<job_id>/start",
    "POST /worker/v1/jobs/<job_id>/refuse",
    "POST /worker/v1/jobs/<job_id>/log",
    "POST /worker/v1/jobs/<job_id>/finish",
}

HOOKS = {"kind": "webhook", "url": "https://hooks.example.com/"}

BODIES: dict[str, object] = {
    "POST /api/v1/totp/confirm": {"totp": "x"},
    "POST /api/v1/totp/recovery-codes": {"totp": "x"},
    "POST /api/v1/totp/disable": {"totp": "x"},
    "POST /api/v1/step-up": {"totp": "x"},
    "POST /api/v1/password": {"current_password": "x", "password": "short"},
    "POST /api/v1/tokens": {"name": "x"},
    "POST /api/v1/orgs": {"code": "initech"},
    "PATCH /api/v1/orgs/<org>": {"name": "x"},
    "POST /api/v1/invitations": {"email": "new@example.com", "role": "member"},
    "POST /api/v1/provider/orgs/<org>/invitations": {"email": "new@example.com"},
    "POST /api/v1/provider/admins": {"email": "new@example.com"},
    "POST /api/v1/users": {"email": "new@example.com", "password": PASSWORD, "role": "member"},
    "PATCH /api/v1/users/<user>": {"name": "x"},
    "POST /api/v1/groups": {"name": "new"},
    "POST /api/v1/service-accounts": {"name": "new"},
    "PATCH /api/v1/groups/<group>": {"description": "x"},
    "POST /api/v1/roles": {"name": "new"},
    "PATCH /api/v1/roles/<role>": {"description": "x"},
    "POST /api/v1/templates": {"source": source("new")},
    "POST /api/v1/templates/validate": {"source": source("new")},
    "POST /api/v1/automations": {"template": "restart-web"},
    "POST /api/v1/workers/tokens": {},
    "POST /api/v1/policies": {"source": policy("new")},
    "POST /api/v1/secrets": {"name": "new", "value": "hunter2-hunter2"},
    "PUT /api/v1/secrets/<secret>": {"value": "hunter2-hunter2"},
    "POST /api/v1/channels": {"name": "new", "config": HOOKS, "credential": "0123456789abcdef"},
    "PATCH /api/v1/channels/<channel>": {"is_enabled": True},
    "POST /api/v1/chat-links": {"channel": "x"},
    "PUT /api/v1/preferences": {"channel": "x", "notice": "automation_finished", "is_on": True},
}


QUERIES = {"GET /api/v1/can": "?action=view&resource=templates"}


def key(route: Route) -> str:
    return f"{route.method} {route.path}"


def filled(path: str, values: dict[str, str]) -> str:
    return re.sub("<([a-z_]+)>", lambda match: values[match[1]], path)


Things = dict[str, str]
"""One of each thing that an org can have, as the placeholders of paths name them."""


def furnish(house: House, org: str, admin: str, name: str) -> Things:
    actor = house.actor(admin)
    house.services.templates.push(actor, source(name))
    automation = house.services.automations.create(actor, RunRequest(template=name), "")
    gate = "{name: g, approvers: {roles: [admin]}, allowRequester: true}"
    asks = source(f"{name}-asks", more=f"  approvalPolicy: {{spec: {{gates: [{gate}]}}}}")
    house.services.templates.push(actor, asks)
    asked = house.services.automations.create(actor, RunRequest(template=f"{name}-asks"), "")
    assert asked.approval_id
    token = house.services.tokens.create(actor, CreateApiTokenRequest(name="x"))
    worker = house.worker(org, f"{org}-worker")
    secret = CreateSecretRequest(name=f"{org}-secret", value="correct horse")
    house.services.secrets.create(actor, secret)
    house.services.policies.push(actor, policy(f"{org}-policy"))
    role = house.services.roles.create(actor, CreateRoleRequest(name=f"{org}-role"))
    group = house.services.groups.create(actor, CreateGroupRequest(name=f"{org}-group"))
    invited = house.services.invitations.invite(
        actor, InviteRequest(email=f"{org}-guest@example.com", role=Role.MEMBER)
    )
    config = WebhookConfig(url="https://hooks.example.com/")
    channel = CreateChannelRequest(name=f"{org}-hooks", config=config, credential="0123456789abcdef")
    house.services.telling.channels.create(actor, channel)
    delivery = house.services.telling.channels.test(actor, channel.name)
    return {
        "org": org,
        "group": group.name,
        "role": role.name,
        "invitation": invited.invitation.id,
        "session_id": actor.session_id,
        "token_id": token.details.id,
        "user": admin,
        "name": name,
        "version": "1",
        "automation_id": automation.id,
        "worker": worker.worker_id,
        "secret": secret.name,
        "policy": f"{org}-policy",
        "approval_id": asked.approval_id,
        "channel": channel.name,
        "delivery_id": delivery.id,
    }


@pytest.fixture
def acme(house: House) -> Things:
    return furnish(house, "acme", "alice@example.com", "restart-web")


@pytest.fixture
def globex(house: House) -> Things:
    return furnish(house, "globex", "gina@example.com", "globex-only")


def call(client: Client, route_key: str, values: dict[str, str], body: object = None) -> Answer:
    method, path = route_key.split(" ", 1)
    given = BODIES.get(route_key, {} if method != "GET" else None) if body is None else body
    return client.call(
        method, filled(path, values) + QUERIES.get(route_key, ""), given if method in ("POST", "PATCH", "PUT") else None
    )


def test_every_route_stands_in_the_table_and_asks_for_what_it_says(house: House) -> None:
    assert {key(route): route.may for route in house.application.routes} == MAY
    worker_table = house.frontage._workers._application.routes
    assert {key(route) for route in worker_table} == WORKER_ROUTES
    assert {route.may for route in worker_table} == {Access.WORKER}


def test_every_route_is_described_with_what_it_asks_for(house: House) -> None:
    paths = house.client().get("/api/openapi.json").json["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described == {route_key.replace("<", "{").replace(">", "}") for route_key in MAY}


def test_every_role_can_do_what_the_permission_table_says_and_nothing_else(house: House, acme: Things) -> None:
    wrong = []
    for role in Role:
        person = house.person("acme", f"the-{role}", role)
        for route_key, may in MAY.items():
            if may is PUBLIC:
                continue
            # Whoever is allowed must not end the session with which the next route is called.
            client = house.session(f"the-{role}@example.com") if route_key == "POST /api/v1/logout" else person
            values = acme if route_key.startswith("GET") else absent(acme)
            answer = call(client, route_key, values)
            is_allowed = role in PERMISSIONS[may]
            if (answer.status != 403) != is_allowed or answer.status in (401, 500):
                wrong.append((role, route_key, answer.status, answer.content[:200]))
            if is_allowed and route_key.startswith("GET") and answer.status != 200:
                wrong.append((role, route_key, answer.status, answer.content[:200]))
    assert wrong == []


@pytest.mark.parametrize("action", TABLE)
def test_a_role_with_one_rule_can_do_that_and_nothing_else(house: House, acme: Things, action: Action) -> None:
    """The same walk for roles of the org's own, one for each line of the table."""
    rule = f"allow {TABLE[action].verb} {TABLE[action].resource}"
    covered = Rights((grants_of([*OWN_ROLE_RULES, parse_rule(rule)], "role"),)).actions
    made = CreateRoleRequest(name="one-rule", rules=[rule])
    house.services.roles.create(house.actor("alice@example.com"), made)
    person = house.person("acme", "somebody", "one-rule")
    wrong = []
    for route_key, may in MAY.items():
        if may is PUBLIC:
            continue
        client = house.session("somebody@example.com") if route_key == "POST /api/v1/logout" else person
        answer = call(client, route_key, acme if route_key.startswith("GET") else absent(acme))
        is_allowed = may in covered
        gives_more = answer.status == 403 and b"more than you may" in answer.content
        if (answer.status != 403 or gives_more) != is_allowed or answer.status in (401, 500):
            wrong.append((route_key, answer.status, answer.content[:200]))
    assert wrong == []


def test_nobody_can_do_anything_without_logging_in(house: House, acme: Things) -> None:
    for route_key, may in MAY.items():
        answer = call(house.client(), route_key, acme)
        if may is PUBLIC:
            assert (answer.status in (200, 400, 503)) or route_key == "POST /api/v1/setup", route_key
        else:
            assert (answer.status, answer.code) == (401, "not_authenticated"), route_key


@pytest.mark.parametrize("token", ["", "x", "opss_", "opsu_" + "0" * 46, "opss_" + "é" * 46])
def test_a_token_that_is_none_opens_nothing(house: House, token: str) -> None:
    client = Client(house.application, {"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/whoami").status == 401


def absent(things: Things) -> dict[str, str]:
    """The same placeholders, filled with what no org has, each of the same form."""
    return {
        name: "1" if name == "version" else "absent@example.com" if "@" in value else "0" * len(value)
        for name, value in things.items()
    }


def without_ids(answer: Answer, values: dict[str, str]) -> str:
    text = answer.content.decode()
    for value in sorted(values.values(), key=len, reverse=True):
        if len(value) > 1:
            text = text.replace(value, "ID")
    return text


def test_anothers_orgs_things_are_as_absent_as_what_never_was(house: House, globex: Things) -> None:
    gina, alice = house.session("gina@example.com"), house.session("alice@example.com")
    for route_key in (route_key for route_key, may in MAY.items() if "<" in route_key and may is not A.PROVIDER_MANAGE):
        foreign = call(alice, route_key, globex)
        missing = call(alice, route_key, absent(globex))
        assert foreign.status == missing.status == 404, (route_key, foreign.content)
        assert without_ids(foreign, globex) == without_ids(missing, absent(globex)), route_key
        if route_key.startswith("GET"):
            assert call(gina, route_key, globex).status == 200, f"{route_key}: there is nothing to be hidden"


def test_anothers_orgs_template_cannot_be_run(house: House, globex: Things) -> None:
    alice = house.session("alice@example.com")
    foreign = call(alice, "POST /api/v1/automations", {}, {"template": "globex-only"})
    missing = call(alice, "POST /api/v1/automations", {}, {"template": "absent-only"})
    assert foreign.status == missing.status == 404
    assert foreign.content.replace(b"globex", b"absent") == missing.content


def test_lists_show_nothing_of_another_org(house: House, acme: Things, globex: Things) -> None:
    alice = house.session("alice@example.com")
    hidden = {*globex.values(), house.actor("gina@example.com").org_id} - {"1"}
    lists = [
        route_key
        for route_key, may in MAY.items()
        if route_key.startswith("GET /api/v1/") and "<" not in route_key and may is not A.PROVIDER_MANAGE
    ]
    assert len(lists) >= 7
    for route_key in lists:
        content = call(alice, route_key, {}).content.decode()
        assert not [value for value in hidden if value in content], route_key


@pytest.mark.parametrize("role", [Role.MEMBER, Role.REPORTER, Role.OPERATOR])
def test_only_operators_and_requesters_cancel(house: House, acme: Things, role: Role) -> None:
    person = house.person("acme", "someone", role)
    answer = call(person, "POST /api/v1/automations/<automation_id>/cancel", acme)
    assert answer.status == (200 if role in PERMISSIONS[A.AUTOMATIONS_CANCEL_ANY] else 403)


def test_requesters_cancel_their_own(house: House, acme: Things) -> None:
    bob = house.person("acme", "bob", Role.MEMBER)
    mine = call(bob, "POST /api/v1/automations", {}).json["id"]
    assert call(bob, "POST /api/v1/automations/<automation_id>/cancel", {"automation_id": mine}).status == 200


def as_worker(house: House, worker: Enrolment, org: str, verb: str, job_id: str) -> Answer:
    """What the workers' listener answers to a worker that asks for this job."""
    identity = WorkerIdentity(org, worker.worker_id, "1")
    client = Client(house.frontage._workers._application, environ={WORKER_IDENTITY: identity})
    return client.post(f"/worker/v1/jobs/{job_id}/{verb}", WORKER_BODIES[verb])


WORKER_BODIES: dict[str, dict[str, object]] = {
    "start": {"fence": 1},
    "refuse": {"fence": 1, "reason": "forged"},
    "log": {"fence": 1},
    "finish": {"fence": 1, "outcome": {"state": "succeeded", "phases": []}, "log_bytes": 0},
}


def test_anothers_orgs_job_is_to_a_worker_as_absent_as_what_never_was(house: House, globex: Things) -> None:
    owner, stranger = house.worker("globex", "owner"), house.worker("acme", "stranger")
    identity = WorkerIdentity("globex", owner.worker_id, "1")
    poll = PollRequest(
        boot_id="b", version="1", labels={}, slots=1, free_slots=1, runtimes=("subprocess",), wait_seconds=0
    )
    reply = house.services.dispatch.poll(house.services.workers.authenticate(identity, "10.0.0.1"), poll)
    (work,) = reply.work
    for verb in WORKER_BODIES:
        foreign = as_worker(house, stranger, "acme", verb, work.job_id)
        missing = as_worker(house, stranger, "acme", verb, "0" * 26)
        assert foreign.status == missing.status >= 400, (verb, foreign.content)
        assert foreign.content.replace(work.job_id.encode(), b"ID") == missing.content.replace(b"0" * 26, b"ID"), verb
    assert as_worker(house, owner, "globex", "start", work.job_id).status == 200


def test_the_workers_listener_lets_in_nobody_without_a_workers_certificate(house: House) -> None:
    token = house.session("alice@example.com").headers
    client = Client(house.frontage._workers._application, token)
    for route_key in WORKER_ROUTES:
        answer = call(client, route_key, {"job_id": "0" * 26})
        assert (answer.status, answer.code) == (401, "not_authenticated"), route_key


def test_the_users_listener_serves_nothing_of_the_workers(house: House) -> None:
    for route_key in WORKER_ROUTES:
        assert call(house.client(), route_key, {"job_id": "0" * 26}).status == 404
