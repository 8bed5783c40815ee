"""Who may decide on a gate. Which gates are asked at all says `conditions.py`.

Nobody decides on what they asked for themselves unless the gate says so: not through a service
account of theirs either, nor as somebody who answers or ever answered for the one that asked.
Groups, roles and the right to decide count only for those who had them when it was asked, by the
order of the record's entries and not by any clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from opsicle.domain.accounts import Account
from opsicle.domain.policies import Approvers, Chat, Gate


class ApproverPerson(Account, frozen=True, kw_only=True):
    """A member of the org as they are now.

    `chats` are accounts of chat services that are linked to them; `may_decide` is whether their
    rights let them decide on anything. Numbers are those of entries of the record: since which one
    they have their role, belong to each group, and may decide.
    """

    email: str
    name: str = ""
    role: str
    may_decide: bool
    role_seq: int = 0
    deciding_seq: int = 0
    groups: Mapping[str, int] = {}
    chats: frozenset[Chat] = frozenset()


class ApprovalRequester(Account, frozen=True, kw_only=True):
    """Who asked, with who answered for them then. The manager is the one of today.

    `asked_seq` is the number of the newest entry of the record when it was asked.
    """

    manager_id: str = ""
    asked_seq: int

    def with_principal(self, principal_id: str) -> ApprovalRequester:
        """Return the same, knowing also who answered for the account when it was bound."""
        return msgspec.structs.replace(
            self, past_owner_ids=self.past_owner_ids | ({principal_id} - {""})
        )


def may_decide(
    gate: Gate, person: ApproverPerson, requester: ApprovalRequester, elapsed: int
) -> bool:
    """Return whether this person may decide on a gate that has been open for `elapsed` seconds."""
    if not person.may_decide or person.deciding_seq > requester.asked_seq:
        return False
    if person.is_same_person(requester) and not gate.allow_requester:
        return False
    return any(is_named(approvers, person, requester) for approvers in _asked(gate, elapsed))


def is_named(approvers: Approvers, person: ApproverPerson, requester: ApprovalRequester) -> bool:
    """Return whether this person is among those who are named."""
    return (
        (
            approvers.manager
            and bool(requester.manager_id)
            and person.user_id == requester.manager_id
        )
        or person.email.lower() in approvers.users
        or (person.role in approvers.roles and person.role_seq <= requester.asked_seq)
        or any(
            name in person.groups and person.groups[name] <= requester.asked_seq
            for name in approvers.groups
        )
        or not person.chats.isdisjoint(approvers.chat_users)
    )


def deciders(
    gate: Gate, people: Iterable[ApproverPerson], requester: ApprovalRequester, elapsed: int
) -> list[ApproverPerson]:
    """Return everybody who may decide on the gate."""
    return [person for person in people if may_decide(gate, person, requester, elapsed)]


def gates_problem(
    gates: Iterable[Gate], people: Iterable[ApproverPerson], requester: ApprovalRequester
) -> str:
    """Return why a gate could never be passed, with its name; "" if all could.

    Escalations that are to come count.
    """
    everyone = list(people)
    for gate in gates:
        able = {
            person.principal for person in deciders(gate, everyone, requester, gate.expires_after)
        }
        if len(able) < gate.required:
            return f"gate {gate.name}: {gate_problem(gate, len(able), requester)}"
    return ""


def gate_problem(gate: Gate, able: int, requester: ApprovalRequester) -> str:
    """Return why a gate cannot be passed on which only so many may decide."""
    named = gate.approvers
    if able:
        return (
            f"{gate.required} must agree, "
            f"and there {'is' if able == 1 else 'are'} only {able} who may"
        )
    if named == Approvers(manager=True) and not requester.manager_id:
        return "it asks the requester's manager, and none is set"
    return "there is nobody who may decide on it"


def _asked(gate: Gate, elapsed: int) -> list[Approvers]:
    return [gate.approvers, *(step.to for step in gate.escalate if step.after <= elapsed)]
