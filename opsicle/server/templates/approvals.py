"""Who may change who must approve a template, by pushing a version of it or by deleting it.

It takes the right to manage policies to take an approval away or to change it, to say that none is
to apply, to name one where a policy of the org applies by itself, and to change what decides
whether a gate is asked: a variable or a label that a condition reads, or a label by which a policy
applies.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.conditions import names_read
from opsicle.domain.errors import Conflict, NotAllowed
from opsicle.domain.policies import Policy, PolicyUse
from opsicle.domain.policy_parser import WAIVED
from opsicle.domain.policy_parser import digest as policy_digest
from opsicle.domain.scopes import applies, names_of
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template, Variable
from opsicle.server.access.actor import Actor
from opsicle.server.identity.step_up import StepUp
from opsicle.server.policies.in_force import defaults, named_policy, place_of
from opsicle.server.store import documents
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind


class ApprovalChange(msgspec.Struct, frozen=True):
    """What a push or a deletion makes of who must approve a template.

    `takes` says why it takes a right, "" if none.
    """

    before: PolicyUse | None
    after: PolicyUse | None
    takes: str = ""

    @property
    def recorded(self) -> dict[str, object]:
        """For the audit record; nothing if all stays as it was."""
        if self.before == self.after:
            return {"approval_rules": self.takes} if self.takes else {}
        return {"approval_before": _named(self.before), "approval": _named(self.after)}

    def require(self, actor: Actor, step_up: StepUp, name: str) -> None:
        """Raise NotAllowed or StepUpRequired unless the actor may do this."""
        self.require_right(actor, name)
        if self.takes:
            step_up.require(actor)

    def require_right(self, actor: Actor, name: str) -> None:
        """Raise NotAllowed unless the actor may do this, once a fresh code has been shown."""
        if self.takes and not actor.may(Action.POLICIES_MANAGE):
            raise NotAllowed(
                f"this would change who must approve {name}, "
                f"which takes {Action.POLICIES_MANAGE}: {self.takes}",
                hint="Leave that as it is in the newest version, or ask an admin of your org.",
            )


def change_of(db: Connection, org_id: str, name: str, after: Template | None) -> ApprovalChange:
    """Return what becomes of the approval if `after` (None: deletion) is the next version."""
    row = documents.find(db, DocumentKind.TEMPLATE, org_id, name)
    before = decode_template(row.document) if row else None
    old, new = _use_of(before), _use_of(after)
    return ApprovalChange(old, new, next(_reasons(db, org_id, before, after), ""))


def _reasons(
    db: Connection, org_id: str, before: Template | None, after: Template | None
) -> Iterator[str]:
    old, new = _use_of(before), _use_of(after)
    if _is_named(old) and old != new:
        yield f"it asks for approval by {_named(old)}"
    if after is None:
        return

    if new and new.is_waived:
        yield f"`approvalPolicy: {WAIVED}`, where no policy is to apply"
    known = [each.policy for each in defaults(db, org_id)]
    covering = [policy for policy in known if applies(policy, place_of(after), None)]
    if _is_named(new) and not _is_named(old) and covering:
        yield f"{names_of(covering)} applies to it as long as it names no policy itself"
    if before is None:
        return

    lost = [
        policy
        for policy in known
        if policy not in covering and applies(policy, place_of(before), None)
    ]
    if lost and not _is_named(new):
        yield (
            f"{names_of(lost)} would no longer apply to it, "
            "by the labels that it has and asks of its worker"
        )

    read = _read_by(db, org_id, new) if new and _is_named(new) else covering
    yield from _what_conditions_read(read, before, after)


def _what_conditions_read(read: list[Policy], before: Template, after: Template) -> Iterator[str]:
    """Name what decides whether a gate is asked and would be another than in the newest version."""
    for policy in read:
        variables, labels = names_read(policy)
        for name in sorted(variables):
            if _meaning(before, name) != _meaning(after, name):
                yield f"a condition of its approval reads the variable `{name}`, which would change"
        for name in sorted(labels):
            if before.guaranteed_labels.get(name) != after.guaranteed_labels.get(name):
                yield (
                    f"a condition of its approval reads the label `{name}` of `runsOn`, "
                    "which would change"
                )


def _meaning(template: Template, name: str) -> Variable | None:
    """Return a variable without what is only shown of it."""
    found = next((each for each in template.variables if each.id == name), None)
    return msgspec.structs.replace(found, label="", description="") if found else None


def _read_by(db: Connection, org_id: str, use: PolicyUse) -> list[Policy]:
    try:
        return [named_policy(db, org_id, use).policy]
    except Conflict:
        return []


def _use_of(template: Template | None) -> PolicyUse | None:
    return template.approval_policy if template else None


def _is_named(use: PolicyUse | None) -> bool:
    return use is not None and not use.is_waived


def _named(use: PolicyUse | None) -> str:
    if use is None or use.is_waived:
        return "waived" if use else "none"
    return (
        f"policy {use.policy_ref}"
        if use.policy is None
        else f"its own, {policy_digest(use.policy)}"
    )
