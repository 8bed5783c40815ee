"""Messages about who may do what.

A rule is one line of text; see `docs/roles.md`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.bounds import Description, Email, Name, Rules, Word


class Role(msgspec.Struct, kw_only=True):
    """A role. `built_in_rules` come with the program, `rules` are the org's.

    `member_count` is how many have it. `leaves_stuck`, in the answer to a change: the templates of
    approvals that nobody can give since.
    """

    name: str
    description: str
    is_built_in: bool
    built_in_rules: list[str]
    rules: list[str]
    member_count: int
    leaves_stuck: list[str] = []
    updated_at: datetime | None = None


class CreateRoleRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new role of the org."""

    name: Word
    description: Description = ""
    rules: Rules = []


class UpdateRoleRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes a role. Only what is given changes; `rules` take the place of those before."""

    description: Description | msgspec.UnsetType = msgspec.UNSET
    rules: Rules | msgspec.UnsetType = msgspec.UNSET


class PermissionAnswer(msgspec.Struct, kw_only=True):
    """Whether somebody may do something.

    `rule` decided it, "" if there is none about it; `source` says whose it is.
    """

    user: str
    action: str
    resource: str
    is_allowed: bool
    why: str
    rule: str = ""
    source: str = ""


class TemplateRunner(msgspec.Struct, kw_only=True):
    """Somebody who may run a template. `why` is whose rule lets them, as in `group oncall`."""

    id: str
    email: str
    name: str
    why: str


class GroupMember(msgspec.Struct, kw_only=True):
    """A person of a group, and since when."""

    id: str
    email: str
    name: str
    joined_at: datetime


class Group(msgspec.Struct, kw_only=True):
    """A group of people.

    Those who are disabled are not shown and count for nothing. `leaves_stuck`, in the answer to a
    change: the templates of approvals that nobody can give since.
    """

    name: str
    description: str
    rules: list[str]
    members: list[GroupMember]
    leaves_stuck: list[str] = []
    created_at: datetime
    updated_at: datetime


class CreateGroupRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new group without members."""

    name: Word
    description: Description = ""
    rules: Rules = []


class UpdateGroupRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes a group. Only what is given changes; `rules` take the place of those before."""

    description: Description | msgspec.UnsetType = msgspec.UNSET
    rules: Rules | msgspec.UnsetType = msgspec.UNSET


class CreateServiceAccountRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new service account; `owner` is an e-mail address, empty for oneself."""

    name: Name
    role: Word = "member"
    owner: Email = ""
