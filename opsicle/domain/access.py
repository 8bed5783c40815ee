"""Who may do what: the one permission table, from which routes, tests and documentation are made."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a member of an org is there."""

    ADMIN = "admin"
    MANAGER = "manager"
    OPERATOR = "operator"
    APPROVER = "approver"
    MEMBER = "member"
    REPORTER = "reporter"


class Action(StrEnum):
    """Something a caller may or may not do, as `noun.verb`."""

    ACCOUNT_USE = "account.use"
    PROVIDER_MANAGE = "provider.manage"
    ORGS_VIEW = "orgs.view"
    ORGS_CREATE = "orgs.create"
    ORGS_MANAGE = "orgs.manage"
    TEMPLATES_VIEW = "templates.view"
    TEMPLATES_PUSH = "templates.push"
    TEMPLATES_DELETE = "templates.delete"
    AUTOMATIONS_VIEW = "automations.view"
    AUTOMATIONS_CREATE = "automations.create"
    AUTOMATIONS_CANCEL_ANY = "automations.cancel_any"
    WORKERS_VIEW = "workers.view"
    WORKERS_MANAGE = "workers.manage"
    USERS_VIEW = "users.view"
    USERS_MANAGE = "users.manage"
    SECRETS_VIEW = "secrets.view"
    SECRETS_MANAGE = "secrets.manage"
    AUDIT_VIEW = "audit.view"
    POLICIES_VIEW = "policies.view"
    POLICIES_MANAGE = "policies.manage"
    APPROVALS_VIEW = "approvals.view"
    APPROVALS_DECIDE = "approvals.decide"
    CHANNELS_VIEW = "channels.view"
    CHANNELS_MANAGE = "channels.manage"


_EVERYONE = frozenset(Role)
_NO_ROLE: frozenset[Role] = frozenset()
_ADMIN = frozenset({Role.ADMIN})
_OPERATORS = frozenset({Role.ADMIN, Role.OPERATOR})
_DOERS = _EVERYONE - {Role.REPORTER}

PERMISSIONS: dict[Action, frozenset[Role]] = {
    Action.ACCOUNT_USE: _EVERYONE,
    Action.PROVIDER_MANAGE: _NO_ROLE,
    Action.ORGS_VIEW: _EVERYONE,
    Action.ORGS_CREATE: _NO_ROLE,
    Action.ORGS_MANAGE: _ADMIN,
    Action.TEMPLATES_VIEW: _EVERYONE,
    Action.TEMPLATES_PUSH: _OPERATORS,
    Action.TEMPLATES_DELETE: _OPERATORS,
    Action.AUTOMATIONS_VIEW: _EVERYONE,
    Action.AUTOMATIONS_CREATE: _DOERS,
    Action.AUTOMATIONS_CANCEL_ANY: _OPERATORS,
    Action.WORKERS_VIEW: _EVERYONE,
    Action.WORKERS_MANAGE: _OPERATORS,
    Action.USERS_VIEW: _EVERYONE,
    Action.USERS_MANAGE: _ADMIN,
    Action.SECRETS_VIEW: _OPERATORS,
    Action.SECRETS_MANAGE: _ADMIN,
    Action.AUDIT_VIEW: _ADMIN | {Role.REPORTER},
    Action.POLICIES_VIEW: _EVERYONE,
    Action.POLICIES_MANAGE: _ADMIN,
    Action.APPROVALS_VIEW: _EVERYONE,
    Action.APPROVALS_DECIDE: _DOERS,
    Action.CHANNELS_VIEW: _ADMIN,
    Action.CHANNELS_MANAGE: _ADMIN,
}
"""Deny unless it stands here. Requesters may also cancel what they themselves have triggered."""


def may(role: Role, action: Action) -> bool:
    """Whether a member with this role may do this in their own org."""
    return role in PERMISSIONS[action]


def beyond_role(*, is_provider_admin: bool, has_open_orgs: bool) -> frozenset[Action]:
    """What somebody may do that no role of an org gives: run the server, found orgs."""
    allowed: set[Action] = set()
    if is_provider_admin:
        allowed |= {Action.PROVIDER_MANAGE, Action.ORGS_CREATE}
    if has_open_orgs:
        allowed.add(Action.ORGS_CREATE)
    return frozenset(allowed)
