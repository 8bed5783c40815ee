"""Who may do what: the one permission table, which routes, tests and documentation read."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class BuiltInRole(StrEnum):
    """What a member of an org is there."""

    ADMIN = "admin"
    MANAGER = "manager"
    OPERATOR = "operator"
    APPROVER = "approver"
    MEMBER = "member"
    REPORTER = "reporter"


class Action(StrEnum):
    """Something a caller may or may not do, as `noun.verb`."""

    ACCOUNT_VIEW = "account.view"
    ACCOUNT_USE = "account.use"
    SERVER_MANAGE = "server.manage"
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
    ROLES_VIEW = "roles.view"
    ROLES_MANAGE = "roles.manage"
    GROUPS_VIEW = "groups.view"
    GROUPS_MANAGE = "groups.manage"
    SECRETS_VIEW = "secrets.view"
    SECRETS_UPDATE = "secrets.update"
    SECRETS_MANAGE = "secrets.manage"
    AUDIT_VIEW = "audit.view"
    POLICIES_VIEW = "policies.view"
    POLICIES_MANAGE = "policies.manage"
    APPROVALS_VIEW = "approvals.view"
    APPROVALS_DECIDE = "approvals.decide"
    CHANNELS_VIEW = "channels.view"
    CHANNELS_MANAGE = "channels.manage"
    SCHEDULES_VIEW = "schedules.view"
    SCHEDULES_MANAGE = "schedules.manage"
    TRIGGERS_VIEW = "triggers.view"
    TRIGGERS_MANAGE = "triggers.manage"
    TARGETS_VIEW = "targets.view"
    TARGETS_USE = "targets.use"
    TARGETS_MANAGE = "targets.manage"


class Verb(StrEnum):
    """What a rule lets people do with a resource.

    `manage` stands for all that can be done with it.
    """

    VIEW = "view"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    EXECUTE = "execute"
    MANAGE = "manage"


class Resource(StrEnum):
    """What a rule is about."""

    ACCOUNT = "account"
    ORGS = "orgs"
    TEMPLATES = "templates"
    AUTOMATIONS = "automations"
    WORKERS = "workers"
    USERS = "users"
    ROLES = "roles"
    GROUPS = "groups"
    SECRETS = "secrets"
    AUDIT = "audit"
    POLICIES = "policies"
    APPROVALS = "approvals"
    CHANNELS = "channels"
    SCHEDULES = "schedules"
    TRIGGERS = "triggers"
    TARGETS = "targets"


class Permission(NamedTuple):
    """One line of the table.

    How rules spell an action, which built-in roles have it, and what it is, in words.
    """

    verb: Verb
    resource: Resource
    roles: frozenset[BuiltInRole]
    meaning: str


_EVERYONE = frozenset(BuiltInRole)
_ADMIN = frozenset({BuiltInRole.ADMIN})
_OPERATORS = frozenset({BuiltInRole.ADMIN, BuiltInRole.OPERATOR})
_MANAGERS = frozenset({BuiltInRole.ADMIN, BuiltInRole.MANAGER})
_MAY_ACT = _EVERYONE - {BuiltInRole.REPORTER}

TABLE: dict[Action, Permission] = {
    Action.ACCOUNT_VIEW: Permission(
        Verb.VIEW, Resource.ACCOUNT, _EVERYONE, "see who one is and what one may do, log out"
    ),
    Action.ACCOUNT_USE: Permission(
        Verb.MANAGE,
        Resource.ACCOUNT,
        _EVERYONE,
        "one's own sessions, tokens, password, authenticator app",
    ),
    Action.ORGS_VIEW: Permission(
        Verb.VIEW, Resource.ORGS, _EVERYONE, "see the orgs one belongs to, and switch"
    ),
    Action.ORGS_MANAGE: Permission(
        Verb.MANAGE, Resource.ORGS, _ADMIN, "change the org's name and settings"
    ),
    Action.TEMPLATES_VIEW: Permission(
        Verb.VIEW, Resource.TEMPLATES, _EVERYONE, "see templates and their versions"
    ),
    Action.TEMPLATES_PUSH: Permission(
        Verb.CREATE, Resource.TEMPLATES, _OPERATORS, "push templates and new versions"
    ),
    Action.TEMPLATES_DELETE: Permission(
        Verb.DELETE, Resource.TEMPLATES, _OPERATORS, "take templates out of use"
    ),
    Action.AUTOMATIONS_CREATE: Permission(
        Verb.EXECUTE, Resource.TEMPLATES, _MAY_ACT, "run templates, rerun and resume"
    ),
    Action.AUTOMATIONS_VIEW: Permission(
        Verb.VIEW, Resource.AUTOMATIONS, _EVERYONE, "see automations and their logs"
    ),
    Action.AUTOMATIONS_CANCEL_ANY: Permission(
        Verb.UPDATE, Resource.AUTOMATIONS, _OPERATORS, "cancel what others have triggered"
    ),
    Action.WORKERS_VIEW: Permission(Verb.VIEW, Resource.WORKERS, _EVERYONE, "see workers"),
    Action.WORKERS_MANAGE: Permission(
        Verb.MANAGE, Resource.WORKERS, _OPERATORS, "enrol, drain and revoke workers"
    ),
    Action.USERS_VIEW: Permission(Verb.VIEW, Resource.USERS, _EVERYONE, "see people"),
    Action.USERS_MANAGE: Permission(
        Verb.MANAGE,
        Resource.USERS,
        _MANAGERS,
        "add, change and remove people who may no more than oneself",
    ),
    Action.ROLES_VIEW: Permission(
        Verb.VIEW, Resource.ROLES, _EVERYONE, "see roles and what they may do"
    ),
    Action.ROLES_MANAGE: Permission(
        Verb.MANAGE, Resource.ROLES, _ADMIN, "make, change and remove roles"
    ),
    Action.GROUPS_VIEW: Permission(
        Verb.VIEW, Resource.GROUPS, _EVERYONE, "see groups and who belongs to them"
    ),
    Action.GROUPS_MANAGE: Permission(
        Verb.MANAGE, Resource.GROUPS, _ADMIN, "make and change groups, let people join and leave"
    ),
    Action.SECRETS_VIEW: Permission(
        Verb.VIEW, Resource.SECRETS, _OPERATORS, "see the names of secrets"
    ),
    Action.SECRETS_UPDATE: Permission(
        Verb.UPDATE, Resource.SECRETS, _ADMIN, "give a secret its next value"
    ),
    Action.SECRETS_MANAGE: Permission(
        Verb.MANAGE, Resource.SECRETS, _ADMIN, "keep, change and remove secrets"
    ),
    Action.AUDIT_VIEW: Permission(
        Verb.VIEW,
        Resource.AUDIT,
        _ADMIN | {BuiltInRole.REPORTER},
        "read, export and verify the record",
    ),
    Action.POLICIES_VIEW: Permission(
        Verb.VIEW, Resource.POLICIES, _EVERYONE, "see approval policies"
    ),
    Action.POLICIES_MANAGE: Permission(
        Verb.MANAGE, Resource.POLICIES, _ADMIN, "make and change approval policies"
    ),
    Action.APPROVALS_VIEW: Permission(Verb.VIEW, Resource.APPROVALS, _EVERYONE, "see approvals"),
    Action.APPROVALS_DECIDE: Permission(
        Verb.EXECUTE, Resource.APPROVALS, _MAY_ACT, "approve or reject, where a policy names one"
    ),
    Action.CHANNELS_VIEW: Permission(
        Verb.VIEW, Resource.CHANNELS, _ADMIN, "see channels and what they deliver"
    ),
    Action.CHANNELS_MANAGE: Permission(Verb.MANAGE, Resource.CHANNELS, _ADMIN, "set up channels"),
    Action.SCHEDULES_VIEW: Permission(Verb.VIEW, Resource.SCHEDULES, _EVERYONE, "see schedules"),
    Action.SCHEDULES_MANAGE: Permission(
        Verb.MANAGE,
        Resource.SCHEDULES,
        _OPERATORS,
        "push, pause and delete schedules of templates that one may run",
    ),
    Action.TRIGGERS_VIEW: Permission(
        Verb.VIEW, Resource.TRIGGERS, _EVERYONE, "see triggers, and how they were called"
    ),
    Action.TRIGGERS_MANAGE: Permission(
        Verb.MANAGE,
        Resource.TRIGGERS,
        _OPERATORS,
        "push, pause and delete triggers of templates that one may run, and give them new secrets",
    ),
    Action.TARGETS_VIEW: Permission(Verb.VIEW, Resource.TARGETS, _EVERYONE, "see targets"),
    Action.TARGETS_USE: Permission(
        Verb.EXECUTE, Resource.TARGETS, _MAY_ACT, "run on targets what one may run, and check them"
    ),
    Action.TARGETS_MANAGE: Permission(
        Verb.MANAGE, Resource.TARGETS, _OPERATORS, "push and delete targets"
    ),
}
"""Deny unless it stands here. Requesters may also cancel what they themselves have triggered."""

SERVER_ACTIONS = frozenset({Action.SERVER_MANAGE, Action.ORGS_CREATE})
"""What no role and no rule of an org can give; see `server_actions`."""


FROZEN = frozenset(
    action
    for action, line in TABLE.items()
    if line.verb is not Verb.VIEW
    and action
    not in (
        Action.ACCOUNT_USE,
        Action.ORGS_MANAGE,
        Action.AUTOMATIONS_CREATE,
        Action.AUTOMATIONS_CANCEL_ANY,
        Action.APPROVALS_DECIDE,
    )
)
"""What nobody does in an org that is suspended. Starting and approving are not here, as they are
refused in their transactions, and whoever may start may also cancel."""


def server_actions(*, is_server_operator: bool, has_open_orgs: bool) -> frozenset[Action]:
    """Return what somebody may do that no role of an org gives: run the server, found orgs."""
    allowed: set[Action] = set()
    if is_server_operator:
        allowed |= {Action.SERVER_MANAGE, Action.ORGS_CREATE}
    if has_open_orgs:
        allowed.add(Action.ORGS_CREATE)
    return frozenset(allowed)


def verbs_of(resource: Resource) -> list[Verb]:
    """Return what can be done with a resource, in the table's order."""
    return [permission.verb for permission in TABLE.values() if permission.resource is resource]


def action_for(verb: Verb, resource: Resource) -> Action | None:
    """Return the action that lets one do this.

    Where the table tells no finer, the one that manages the resource.
    """
    of_resource = {
        permission.verb: action
        for action, permission in TABLE.items()
        if permission.resource is resource
    }
    return of_resource.get(verb) or of_resource.get(Verb.MANAGE)
