"""Approval policies: who must agree, how many of them, how long they have.

Reading documents is in `policy_parser`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain.values import Scalar

DEFAULT_EXPIRES_AFTER_SECONDS = 86_400


class GateOrder(StrEnum):
    """Whether the gates open one after another, or all at once."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


class Chat(msgspec.Struct, frozen=True):
    """Somebody, or some room, of a chat service.

    `channel` is telegram or slack, `id` its name there.
    """

    channel: str
    id: str


class Approvers(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who may decide: everybody named in any of these.

    `users` are e-mail addresses; `chat_users` linked accounts.
    """

    manager: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    chat_users: tuple[Chat, ...] = ()


class Escalation(msgspec.Struct, frozen=True):
    """Whom a gate asks as well once it has been open for `after` seconds."""

    after: int
    to: Approvers


class Condition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The variable or label has one of these values, or (`none_of`) another than these.

    One of the two names is set, and one of the two lists of values.
    """

    variable: str = ""
    label: str = ""
    any_of: tuple[Scalar, ...] = ()
    none_of: tuple[Scalar, ...] = ()


class Gate(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One group of people of whom `required` must agree.

    Times are in seconds from when the gate opens.

    Without `when`, or if every line of it holds, the gate is asked; else it is skipped. `chats` are
    rooms that are told as well, whoever may decide.
    """

    name: str
    approvers: Approvers
    required: int = 1
    rejections_to_end: int = 1
    require_reason: bool = False
    require_mfa: bool = False
    allow_requester: bool = False
    expires_after: int = DEFAULT_EXPIRES_AFTER_SECONDS
    remind_after: int | None = None
    escalate: tuple[Escalation, ...] = ()
    when: tuple[Condition, ...] = ()
    chats: tuple[Chat, ...] = ()


class Requesters(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who asks: anybody named in any of these. `users` are e-mail addresses."""

    service_accounts: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Scope(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a policy applies to by itself: all that is set must fit. `everything` stands alone.

    `labels` are those of the template, `runs_on` those that it asks of its worker, each with the
    values that fit.
    """

    everything: bool = False
    labels: dict[str, tuple[str, ...]] = {}
    runs_on: dict[str, tuple[str, ...]] = {}
    requesters: Requesters | None = None


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who must agree before an automation may be queued.

    `name` is empty for one that stands in a template.

    It applies by itself to what fits any of `applies_to` and names no policy; without any, only to
    what names it.
    """

    gates: tuple[Gate, ...]
    name: str = ""
    order: GateOrder = GateOrder.SEQUENTIAL
    applies_to: tuple[Scope, ...] = ()


class PolicyUse(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True
):
    """What a template says of approvals.

    The name of a policy of its org, one of its own, or that none is to apply.

    Nothing of it means that what it said cannot be read any more: nobody can satisfy that.
    """

    policy_ref: str = ""
    policy: Policy | None = None
    is_waived: bool = False
    """`approvalPolicy: none`: not even a policy that applies by itself."""
