"""An org in which things have to be approved.

Alice runs, Bob is her manager, Carol is an admin, Mallory is neither.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from opsicle.domain.access import BuiltInRole
from opsicle.domain.approvals import Verdict
from opsicle.server.access.actor import Actor, SystemActor
from opsicle.server.store import audit, channels, memberships
from opsicle.server.store.channels import ChannelRow
from opsicle.wire.approval_api import Approval, DecisionRequest
from opsicle.wire.user_api import Automation
from tests.services.core import Core

MANAGER = "{name: boss, approvers: {manager: true}}"


def policy_source(gates: str, name: str = "p", order: str = "sequential") -> str:
    spec = f"{{order: {order}, gates: [{gates}]}}"
    return f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def template_source(name: str, policy: str = "{policyRef: p}", command: str = "echo hi") -> str:
    return f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: {name}}}
spec:
  approvalPolicy: {policy}
  variables: [{{id: target, type: string, default: production}}, {{id: password, type: secret}}]
  template:
    phases: [{{name: act, commands: ["{command}"]}}]
"""


def channel_row(
    org_id: str, channel_id: str, name: str, kind: str, now: datetime, updater_id: str
) -> ChannelRow:
    """Return the row of a channel that is on, as its service would have made it."""
    return ChannelRow(
        id=channel_id,
        org_id=org_id,
        name=name,
        kind=kind,
        config="{}",
        version=1,
        credential_version=0,
        is_enabled=True,
        created_at=now,
        updated_at=now,
        updater_id=updater_id,
        updater_email="",
        updater_name="",
    )


@dataclass
class Team:
    """The people of an org, and what they do."""

    core: Core
    people: dict[str, Actor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.org_id = self.core.org("acme")

        roles = {
            "alice": BuiltInRole.OPERATOR,
            "bob": BuiltInRole.MANAGER,
            "carol": BuiltInRole.ADMIN,
            "dave": BuiltInRole.APPROVER,
            "mallory": BuiltInRole.MEMBER,
            "rita": BuiltInRole.REPORTER,
        }
        self.people |= self.core.persons(self.org_id, roles)

        self.change("alice", manager_id=self.people["bob"].user_id)
        self._open_channels()

    def _open_channels(self) -> None:
        """Let people be told by e-mail, and rooms by a chat.

        Nothing is sent, what waits to be is looked at.
        """
        now, user_id = self.core.clock.now(), self.people["carol"].user_id

        def work(db: object) -> None:
            for kind in ("email", "telegram"):
                channels.insert(db, channel_row(self.org_id, kind, kind, kind, now, user_id), None)

        self.core.database.write(work)

    def change(self, name: str, **changes: object) -> None:
        """Change a membership past the services, with the audit entry that they would make."""

        def work(db: object) -> None:
            row = memberships.find(db, self.org_id, self.people[name].user_id)
            if "role" in changes:
                changes["role_seq"] = audit.next_seq(db, self.org_id)
            memberships.update(db, self.org_id, msgspec.structs.replace(row, **changes))
            self.note(db)

        self.core.database.write(work)

    def note(self, db: object) -> None:
        """Make an entry in the record, as every change does."""
        audit.append(
            db, self.core.clock.now(), self.org_id, SystemActor("test"), "update", "users/somebody"
        )

    def policy(self, gates: str = MANAGER, name: str = "p", order: str = "sequential") -> None:
        self.core.policies.push(self.people["carol"], policy_source(gates, name, order))

    def ask(self, template: str = "careful", by: str = "alice", **values: object) -> Automation:
        return self.core.run(self.people[by], template, **values)

    def approve(self, who: str, automation: Automation, **more: str) -> Approval:
        return self._decide(who, automation, Verdict.APPROVE, DecisionRequest(**more))

    def reject(self, who: str, automation: Automation, **more: str) -> Approval:
        return self._decide(who, automation, Verdict.REJECT, DecisionRequest(**more))

    def _decide(
        self, who: str, automation: Automation, verdict: Verdict, request: DecisionRequest
    ) -> Approval:
        """Decide, and look at what came of it, as the route does."""
        approval_id = automation.approval_id or ""
        self.core.approvals.decide(self.people[who], approval_id, verdict, request)
        return self.core.approvals.get(self.people[who], approval_id)

    def show(self, who: str, automation: Automation) -> Approval:
        return self.core.approvals.get(self.people[who], automation.approval_id or "")

    def state(self, automation: Automation) -> str:
        return self.core.state(self.people["alice"], automation)

    def why(self, automation: Automation) -> str:
        return self.core.automations.get(self.people["alice"], automation.id).explanation

    def notified(self, kind: str) -> list[set[str]]:
        """Return the names of those who are told of each such thing by e-mail, oldest first.

        One moment has one such thing.
        """
        names = {person.user_id: name for name, person in self.people.items()}
        told = defaultdict(set)
        for at, user_id in self.deliveries(kind, "created_at, user_id", "email"):
            told[at].add(names[user_id])
        return list(told.values())

    def deliveries(self, kind: str, columns: str, channel: str) -> list[tuple[str, ...]]:
        """Return these columns of what goes out of such a kind through a channel, oldest first."""
        sql = f"SELECT {columns} FROM deliveries WHERE kind = ? AND channel_id = ? ORDER BY id"
        return self.core.database.read(lambda db: db.execute(sql, (kind, channel)).fetchall())

    def tamper(self, sql: str, **parameters: object) -> None:
        """Change the database behind the server's back."""
        self.core.database.write(lambda db: db.execute(sql, parameters).fetchall())

    def restart(self) -> None:
        self.core = self.core.restart()
