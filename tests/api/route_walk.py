"""What every route asks for, one of each thing that an org can have, and how to call a route."""

from __future__ import annotations

import re

from msgspec.structs import replace

from opsicle.domain.access import SERVER_ACTIONS, Action, BuiltInRole
from opsicle.server.http.routing import Access, Route
from opsicle.wire.access_api import CreateGroupRequest, CreateRoleRequest
from opsicle.wire.announcement_api import CreateAnnouncementRequest
from opsicle.wire.channel_api import CreateChannelRequest
from opsicle.wire.fleet_api import CreateJoinTokenRequest
from opsicle.wire.org_api import InviteRequest
from opsicle.wire.secret_api import CreateSecretRequest
from opsicle.wire.user_api import CreateApiTokenRequest, RunRequest
from tests.api.kept_files import given, left_behind
from tests.api.route_bodies import BODIES, QUERIES
from tests.api.running_server import Answer, ApiServer, Client
from tests.api.test_policies import policy
from tests.api.test_templates import source
from tests.services.calling import trigger_source
from tests.services.scheduling import HOURLY, schedule_source
from tests.services.targeting import target_request

A, PUBLIC = Action, Access.PUBLIC
MAY: dict[str, Action | Access] = {
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": A.SERVER_MANAGE,
    "GET /api/openapi.json": PUBLIC,
    "GET /api/v1/ca": PUBLIC,
    "GET /api/v1/setup": PUBLIC,
    "POST /api/v1/setup": PUBLIC,
    "POST /api/v1/login": PUBLIC,
    "GET /api/v1/enrol": PUBLIC,
    "POST /api/v1/enrol": PUBLIC,
    "GET /api/v1/orgs": A.ORGS_VIEW,
    "POST /api/v1/orgs": A.ORGS_CREATE,
    "GET /api/v1/orgs/<org>": A.ORGS_VIEW,
    "PATCH /api/v1/orgs/<org>": A.ORGS_MANAGE,
    "POST /api/v1/orgs/<org>/switch": A.ACCOUNT_USE,
    "GET /api/v1/server/orgs": A.SERVER_MANAGE,
    "GET /api/v1/server/orgs/<org>": A.SERVER_MANAGE,
    "PATCH /api/v1/server/orgs/<org>": A.SERVER_MANAGE,
    "POST /api/v1/server/orgs/<org>/suspend": A.SERVER_MANAGE,
    "POST /api/v1/server/orgs/<org>/resume": A.SERVER_MANAGE,
    "POST /api/v1/server/orgs/<org>/delete": A.SERVER_MANAGE,
    "GET /api/v1/server/announcements": A.SERVER_MANAGE,
    "POST /api/v1/server/announcements": A.SERVER_MANAGE,
    "DELETE /api/v1/server/announcements/<announcement>": A.SERVER_MANAGE,
    "GET /api/v1/usage": A.ORGS_MANAGE,
    "GET /api/v1/server/operators": A.SERVER_MANAGE,
    "POST /api/v1/server/orgs/<org>/invitations": A.SERVER_MANAGE,
    "GET /api/v1/server/workers": A.SERVER_MANAGE,
    "GET /api/v1/server/join-tokens": A.SERVER_MANAGE,
    "DELETE /api/v1/server/join-tokens/<join_token>": A.SERVER_MANAGE,
    "GET /api/v1/server/workers/<worker>": A.SERVER_MANAGE,
    "PATCH /api/v1/server/workers/<worker>": A.SERVER_MANAGE,
    "POST /api/v1/server/workers/<worker>/drain": A.SERVER_MANAGE,
    "POST /api/v1/server/workers/<worker>/undrain": A.SERVER_MANAGE,
    "POST /api/v1/server/workers/<worker>/revoke": A.SERVER_MANAGE,
    "POST /api/v1/server/operators": A.SERVER_MANAGE,
    "DELETE /api/v1/server/operators/<user>": A.SERVER_MANAGE,
    "GET /api/v1/server": A.SERVER_MANAGE,
    "POST /api/v1/server/release": A.SERVER_MANAGE,
    "POST /api/v1/logout": A.ACCOUNT_VIEW,
    "GET /api/v1/whoami": A.ACCOUNT_VIEW,
    "GET /api/v1/invitations": A.USERS_MANAGE,
    "POST /api/v1/invitations": A.USERS_MANAGE,
    "GET /api/v1/invitations/delivery": A.USERS_MANAGE,
    "POST /api/v1/invitations/<invitation>/renew": A.USERS_MANAGE,
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
    "GET /api/v1/template-schema": A.TEMPLATES_VIEW,
    "POST /api/v1/template-drafts": A.TEMPLATES_PUSH,
    "GET /api/v1/template-drafts/<draft_id>": A.TEMPLATES_PUSH,
    "GET /api/v1/templates": A.TEMPLATES_VIEW,
    "POST /api/v1/templates": A.TEMPLATES_PUSH,
    "GET /api/v1/templates/<name>": A.TEMPLATES_VIEW,
    "DELETE /api/v1/templates/<name>": A.TEMPLATES_DELETE,
    "GET /api/v1/templates/<name>/versions": A.TEMPLATES_VIEW,
    "GET /api/v1/templates/<name>/versions/<version>": A.TEMPLATES_VIEW,
    "GET /api/v1/templates/<name>/diff": A.TEMPLATES_VIEW,
    "GET /api/v1/templates/<name>/recent-runs": A.AUTOMATIONS_VIEW,
    "GET /api/v1/templates/<name>/runners": A.USERS_VIEW,
    "POST /api/v1/automations": A.AUTOMATIONS_CREATE,
    "POST /api/v1/automations/preview": A.AUTOMATIONS_CREATE,
    "GET /api/v1/automations": A.AUTOMATIONS_VIEW,
    "GET /api/v1/recent-runs": A.AUTOMATIONS_VIEW,
    "POST /api/v1/triggers/<trigger>/sample-calls": A.TRIGGERS_MANAGE,
    "GET /api/v1/planned-starts": A.AUTOMATIONS_VIEW,
    "GET /api/v1/automations/<automation_id>": A.AUTOMATIONS_VIEW,
    "GET /api/v1/automations/<automation_id>/orders": A.AUTOMATIONS_VIEW,
    "POST /api/v1/automations/<automation_id>/cancel": A.AUTOMATIONS_VIEW,
    "POST /api/v1/automations/<automation_id>/release": A.AUTOMATIONS_VIEW,
    "POST /api/v1/automations/<automation_id>/rerun": A.AUTOMATIONS_CREATE,
    "POST /api/v1/automations/<automation_id>/resume": A.AUTOMATIONS_CREATE,
    "GET /api/v1/automations/<automation_id>/log": A.AUTOMATIONS_VIEW,
    "GET /api/v1/automations/<automation_id>/log/lines": A.AUTOMATIONS_VIEW,
    "GET /api/v1/automations/<automation_id>/log/search": A.AUTOMATIONS_VIEW,
    "GET /api/v1/logs/search": A.AUTOMATIONS_VIEW,
    "GET /api/v1/automations/<automation_id>/events": A.AUTOMATIONS_VIEW,
    "GET /api/v1/artifacts/<artifact_id>": A.AUTOMATIONS_VIEW,
    "GET /api/v1/artifacts/<artifact_id>/view": A.AUTOMATIONS_VIEW,
    "POST /api/v1/files": A.AUTOMATIONS_CREATE,
    "GET /api/v1/files/<file_id>": A.AUTOMATIONS_VIEW,
    "GET /api/v1/events": A.AUTOMATIONS_VIEW,
    "POST /api/v1/workers/tokens": A.WORKERS_MANAGE,
    "GET /api/v1/join-tokens": A.WORKERS_MANAGE,
    "DELETE /api/v1/join-tokens/<join_token>": A.WORKERS_MANAGE,
    "GET /api/v1/workers": A.WORKERS_VIEW,
    "GET /api/v1/workers/<worker>": A.WORKERS_VIEW,
    "GET /api/v1/workers/<worker>/jobs": A.AUTOMATIONS_VIEW,
    "PATCH /api/v1/workers/<worker>": A.WORKERS_MANAGE,
    "POST /api/v1/workers/<worker>/drain": A.WORKERS_MANAGE,
    "POST /api/v1/workers/<worker>/undrain": A.WORKERS_MANAGE,
    "POST /api/v1/workers/<worker>/revoke": A.WORKERS_MANAGE,
    "GET /api/v1/secrets": A.SECRETS_VIEW,
    "POST /api/v1/secrets": A.SECRETS_MANAGE,
    "GET /api/v1/secrets/<secret>": A.SECRETS_VIEW,
    "GET /api/v1/secrets/<secret>/uses": A.SECRETS_VIEW,
    "PUT /api/v1/secrets/<secret>": A.SECRETS_UPDATE,
    "DELETE /api/v1/secrets/<secret>": A.SECRETS_MANAGE,
    "GET /api/v1/policies": A.POLICIES_VIEW,
    "POST /api/v1/policies": A.POLICIES_MANAGE,
    "GET /api/v1/policies/<policy>": A.POLICIES_VIEW,
    "DELETE /api/v1/policies/<policy>": A.POLICIES_MANAGE,
    "GET /api/v1/policies/<policy>/versions": A.POLICIES_VIEW,
    "GET /api/v1/policies/<policy>/versions/<version>": A.POLICIES_VIEW,
    "GET /api/v1/schedules": A.SCHEDULES_VIEW,
    "POST /api/v1/schedules": A.SCHEDULES_MANAGE,
    "GET /api/v1/schedules/<schedule>": A.SCHEDULES_VIEW,
    "DELETE /api/v1/schedules/<schedule>": A.SCHEDULES_MANAGE,
    "GET /api/v1/schedules/<schedule>/versions": A.SCHEDULES_VIEW,
    "GET /api/v1/schedules/<schedule>/versions/<version>": A.SCHEDULES_VIEW,
    "POST /api/v1/schedules/<schedule>/pause": A.SCHEDULES_MANAGE,
    "POST /api/v1/schedules/<schedule>/resume": A.SCHEDULES_MANAGE,
    "GET /api/v1/schedules/<schedule>/next": A.SCHEDULES_VIEW,
    "POST /api/v1/schedules/<schedule>/run": A.AUTOMATIONS_CREATE,
    "GET /api/v1/targets": A.TARGETS_VIEW,
    "POST /api/v1/targets": A.TARGETS_MANAGE,
    "GET /api/v1/targets/<target>": A.TARGETS_VIEW,
    "DELETE /api/v1/targets/<target>": A.TARGETS_MANAGE,
    "POST /api/v1/targets/<target>/check": A.TARGETS_USE,
    "GET /api/v1/target-last-runs": A.AUTOMATIONS_VIEW,
    "GET /api/v1/targets/<target>/automations": A.AUTOMATIONS_VIEW,
    "GET /api/v1/targets/<target>/versions": A.TARGETS_VIEW,
    "GET /api/v1/targets/<target>/versions/<version>": A.TARGETS_VIEW,
    "GET /api/v1/triggers": A.TRIGGERS_VIEW,
    "POST /api/v1/triggers": A.TRIGGERS_MANAGE,
    "GET /api/v1/triggers/<trigger>": A.TRIGGERS_VIEW,
    "DELETE /api/v1/triggers/<trigger>": A.TRIGGERS_MANAGE,
    "GET /api/v1/triggers/<trigger>/versions": A.TRIGGERS_VIEW,
    "GET /api/v1/triggers/<trigger>/versions/<version>": A.TRIGGERS_VIEW,
    "POST /api/v1/triggers/<trigger>/pause": A.TRIGGERS_MANAGE,
    "POST /api/v1/triggers/<trigger>/resume": A.TRIGGERS_MANAGE,
    "POST /api/v1/triggers/<trigger>/secret": A.TRIGGERS_MANAGE,
    "GET /api/v1/triggers/<trigger>/calls": A.TRIGGERS_VIEW,
    "POST /hooks/<org>/<trigger>": PUBLIC,
    "GET /api/v1/templates/<name>/approval": A.TEMPLATES_VIEW,
    "GET /api/v1/approvals": A.APPROVALS_VIEW,
    "GET /api/v1/approvals/<approval_id>": A.APPROVALS_VIEW,
    "POST /api/v1/approvals/<approval_id>/approve": A.APPROVALS_DECIDE,
    "POST /api/v1/approvals/<approval_id>/reject": A.APPROVALS_DECIDE,
    "POST /api/v1/approvals/<approval_id>/withdraw": A.APPROVALS_VIEW,
    "GET /api/v1/channel-kinds": A.CHANNELS_VIEW,
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
    "PUT /api/v1/display": A.ACCOUNT_USE,
    "GET /api/v1/audit": A.AUDIT_VIEW,
    "GET /api/v1/audit/export": A.AUDIT_VIEW,
    "GET /api/v1/audit/verify": A.AUDIT_VIEW,
    "GET /api/v1/audit/key": PUBLIC,
}

ALSO: dict[str, Action] = {
    "GET /api/v1/automations/<automation_id>/orders": A.APPROVALS_VIEW,
    "GET /api/v1/target-last-runs": A.TARGETS_VIEW,
}
"""What a route asks for beside that: an order says who decided, and what ran is on targets."""

WORKER_ROUTES = {
    "POST /worker/v1/poll",
    "POST /worker/v1/renew",
    "POST /worker/v1/leave",
    "POST /worker/v1/jobs/<job_id>/pause",
    "POST /worker/v1/jobs/<job_id>/file",
    "POST /worker/v1/jobs/<job_id>/start",
    "POST /worker/v1/jobs/<job_id>/refuse",
    "POST /worker/v1/jobs/<job_id>/log",
    "POST /worker/v1/jobs/<job_id>/artifact",
    "POST /worker/v1/jobs/<job_id>/finish",
}


def key(route: Route) -> str:
    return f"{route.endpoint.method} {route.endpoint.path}"


def filled(path: str, values: dict[str, str]) -> str:
    return re.sub("<([a-z_]+)>", lambda match: values[match[1]], path)


Things = dict[str, str]
"""One of each thing that an org can have, as the placeholders of paths name them."""


def prepare(api_server: ApiServer, org: str, admin: str, name: str) -> Things:
    actor = api_server.actor(admin)
    api_server.services.templates.push(actor, source(name))
    automation = api_server.services.automations.create(actor, RunRequest(template=name), "")

    gate = "{name: g, approvers: {roles: [admin]}, allowRequester: true}"
    asks = source(f"{name}-asks", more=f"  approvalPolicy: {{spec: {{gates: [{gate}]}}}}")
    api_server.services.templates.push(actor, asks)
    draft = api_server.services.drafts.keep(actor, source(name, command="tried"))
    asked = api_server.services.automations.create(actor, RunRequest(template=f"{name}-asks"), "")
    assert asked.approval_id

    token = api_server.services.tokens.create(actor, CreateApiTokenRequest(name="x"))
    worker = api_server.worker(org, f"{org}-worker")
    join_token = api_server.services.join_tokens.create(actor, CreateJoinTokenRequest()).id
    leaving = api_server.services.automations.create(actor, RunRequest(template=name), "")
    artifact_id = left_behind(api_server, actor.org_id, leaving.id, worker.worker_id)
    secret = CreateSecretRequest(name=f"{org}-secret", value="correct horse")
    api_server.services.secrets.create(actor, secret)
    api_server.services.policies.push(actor, policy(f"{org}-policy"))
    scheduled = schedule_source(HOURLY, name=f"{org}-schedule", template=name)
    api_server.services.schedules.push(actor, scheduled)
    triggered = trigger_source(name=f"{org}-trigger", template=name)
    api_server.services.triggers.push(actor, triggered)
    api_server.services.targets.push(actor, target_request(name=f"{org}-target"))
    role = api_server.services.roles.create(actor, CreateRoleRequest(name=f"{org}-role"))
    group = api_server.services.groups.create(actor, CreateGroupRequest(name=f"{org}-group"))
    invited = api_server.services.invitations.invite(
        actor, InviteRequest(email=f"{org}-guest@example.com", role=BuiltInRole.MEMBER)
    )

    config = {"kind": "webhook", "url": "https://hooks.example.com/"}
    channel = CreateChannelRequest(
        name=f"{org}-hooks", config=config, credential="0123456789abcdef"
    )
    api_server.services.channel_services.channels.create(actor, channel)
    delivery = api_server.services.channel_services.channels.test(actor, channel.name)

    announced = CreateAnnouncementRequest(text="to be seen by its people", org=org)
    operator = replace(actor, rights=actor.rights.with_server_actions(SERVER_ACTIONS))
    announcement = api_server.services.announcements.create(operator, announced)

    return {
        "org": org,
        "announcement": announcement.id,
        "group": group.name,
        "role": role.name,
        "invitation": invited.invitation.id,
        "session_id": actor.session_id,
        "token_id": token.details.id,
        "user": admin,
        "name": name,
        "version": "1",
        "draft_id": draft.id,
        "automation_id": automation.id,
        "artifact_id": artifact_id,
        "file_id": given(api_server, actor.org_id, leaving.id),
        "worker": worker.worker_id,
        "join_token": join_token,
        "secret": secret.name,
        "policy": f"{org}-policy",
        "schedule": f"{org}-schedule",
        "trigger": f"{org}-trigger",
        "target": f"{org}-target",
        "approval_id": asked.approval_id,
        "channel": channel.name,
        "delivery_id": delivery.id,
    }


def call(client: Client, route_key: str, values: dict[str, str], body: object = None) -> Answer:
    method, path = route_key.split(" ", 1)
    given = BODIES.get(route_key, {} if method != "GET" else None) if body is None else body
    return client.call(
        method,
        filled(path, values) + QUERIES.get(route_key, ""),
        given if method in ("POST", "PATCH", "PUT") else None,
    )
