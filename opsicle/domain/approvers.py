"""Who may decide on a gate. Which gates are asked at all says `conditions.py`.

Nobody decides on what they asked for themselves unless the gate says so: not through a service account of theirs
either, nor as the owner of the one that asked; and a group counts only for those who were in it when it was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from opsicle.domain.policies import Approvers, Chat, Gate

NEVER = -1
"""Seconds since a gate has opened that has not: none of its escalations is due."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the org as they are now.

    `groups` says since when they belong to each; `owner_id` is set for a service account; `chats` are accounts of chat
    services that are linked to them; `may_decide` is whether their role lets them decide on anything.
    """

    user_id: str
    email: str
    name: str = ""
    role: str
    may_decide: bool
    groups: Mapping[str, datetime] = {}
    owner_id: str = ""
    chats: frozenset[Chat] = frozenset()

    @property
    def principal(self) -> str:
        """The human being who answers for this account."""
        return self.owner_id or self.user_id


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked, and when. `owner_id` is set for a service account; the manager is the one of today."""

    user_id: str
    manager_id: str = ""
    owner_id: str = ""
    asked_at: datetime

    @property
    def principal(self) -> str:
        """The human being who answers for this account."""
        return self.owner_id or self.user_id


def may_decide(gate: Gate, person: Person, asker: Asker, elapsed: int) -> bool:
    """Whether this person may decide on a gate that has been open for `elapsed` seconds."""
    if not person.may_decide:
        return False
    if person.principal == asker.principal and not gate.allow_requester:
        return False
    return any(is_named(approvers, person, asker) for approvers in _asked(gate, elapsed))


def is_named(approvers: Approvers, person: Person, asker: Asker) -> bool:
    """Whether this person is among those who are named."""
    return (
        (approvers.manager and bool(asker.manager_id) and person.user_id == asker.manager_id)
        or person.email.lower() in approvers.users
        or person.role in approvers.roles
        or any(name in person.groups and person.groups[name] <= asker.asked_at for name in approvers.groups)
        or not person.chats.isdisjoint(approvers.chat_users)
    )


def deciders(gate: Gate, people: Iterable[Person], asker: Asker, elapsed: int) -> list[Person]:
    """Everybody who may decide on the gate."""
    return [person for person in people if may_decide(gate, person, asker, elapsed)]


def impassable(gates: Iterable[Gate], people: Iterable[Person], asker: Asker) -> str:
    """Why a gate could never be passed, with its name; "" if all could. Escalations that are to come count."""
    everyone = list(people)
    for gate in gates:
        able = {person.principal for person in deciders(gate, everyone, asker, gate.expires_after)}
        if len(able) < gate.required:
            return f"gate {gate.name}: {_why_impassable(gate, len(able), asker)}"
    return ""


def _asked(gate: Gate, elapsed: int) -> list[Approvers]:
    return [gate.approvers, *(step.to for step in gate.escalate if step.after <= elapsed)]


def _why_impassable(gate: Gate, able: int, asker: Asker) -> str:
    named = gate.approvers
    if able:
        return f"{gate.required} must agree, and there {'is' if able == 1 else 'are'} only {able} who may"
    if named == Approvers(manager=True) and not asker.manager_id:
        return "it asks the requester's manager, and none is set"
    return "there is nobody who may decide on it"
