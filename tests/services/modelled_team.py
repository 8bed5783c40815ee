"""A team beside its model: every change is made to both, so that they can be compared."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAllowed
from opsicle.kit.ids import new_id
from opsicle.server.store import (
    account_owners,
    audit,
    channels,
    chat_links,
    groups,
    rule_sets,
)
from opsicle.server.store.account_owners import OwnerRow
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow
from tests.services.approval_model import (
    CHAT_USER,
    GROUP,
    NAMES,
    OWN_ROLE,
    OWNER,
    PEOPLE,
    ROBOT,
    Model,
    Rule,
)
from tests.services.core import Core
from tests.services.team import Team, channel_row, template_source

ROLES = ["admin", "manager", "approver", "member", "operator"]
RULES = ["allow execute templates", "allow view approvals"]
BLIND = json.dumps(["deny view templates/careful"])


def without_approval(command: str) -> str:
    return template_source("careful", command=command).replace(
        "  approvalPolicy: {policyRef: p}\n", ""
    )


class ModelledTeam:
    """A team and the model of who may decide in it, and random changes to both alike."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.rng = rng
        self.team = Team(Core(folder))
        self.model = Model()
        self._set_up()

    def _set_up(self) -> None:
        team, core = self.team, self.team.core
        team.people[ROBOT] = core.person(team.org_id, ROBOT, BuiltInRole.MEMBER)

        owner_id, robot_id = team.people[OWNER].user_id, team.people[ROBOT].user_id
        team.tamper(
            "UPDATE memberships SET owner_id = :owner_id WHERE user_id = :id",
            owner_id=owner_id,
            id=robot_id,
        )
        owner = OwnerRow(robot_id, 0, owner_id)
        core.database.write(lambda db: account_owners.insert(db, team.org_id, owner))

        now = core.clock.now()
        self.channel_id = new_id(now)
        carol = team.people["carol"]
        row = channel_row(team.org_id, self.channel_id, "bot", "telegram", now, carol.user_id)

        rules = json.dumps([*RULES, "allow execute approvals"])
        core.database.write(lambda db: channels.insert(db, row, None))
        core.database.write(
            lambda db: rule_sets.insert(
                db, RuleSetKind.GROUP, team.org_id, RuleSetRow(GROUP, "", "[]", now, now)
            )
        )
        core.database.write(
            lambda db: rule_sets.insert(
                db, RuleSetKind.ROLE, team.org_id, RuleSetRow(OWN_ROLE, "", rules, now, now)
            )
        )

        core.allow_shared(team.org_id)
        self.home_id = core.org("home")

        team.policy(self.model.rule.source())
        core.push(team.people["alice"], without_approval(self.model.commands[0]))
        core.push_again(
            team.people["alice"], template_source("careful", command=self.model.commands[1])
        )

    @property
    def now(self) -> float:
        return self.team.core.clock.monotonic()

    def push_policy(self) -> None:
        self.model.rule = self._rule()
        self.team.policy(self.model.rule.source())

    def push_default(self) -> None:
        """Push a policy that applies by itself, to all or to robots, or delete the one there is."""
        if self.model.default and not self.rng.randrange(3):
            self.model.default = None
            self.team.core.policies.delete(self.team.people["carol"], "baseline")
            return

        self.model.default, self.model.default_is_for_robots = (
            self._rule(),
            bool(self.rng.randrange(2)),
        )
        scope = (
            "{requesters: {serviceAccounts: true}}"
            if self.model.default_is_for_robots
            else "{everything: true}"
        )

        self.team.core.policies.push(
            self.team.people["carol"],
            "apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {name: baseline}\n"
            f"spec: {{appliesTo: [{scope}], gates: [{self.model.default.source()}]}}\n",
        )

    def name_or_not(self) -> None:
        """Take the policy's name out of the template as an admin, or put it there again."""
        self.model.is_named = not self.model.is_named
        self._push_by("carol")

    def push_template(self) -> None:
        """Push as an operator, who cannot take the approval away with it."""
        alice = self.team.people["alice"]
        lax = "{spec: {gates: [{name: g, approvers: {roles: [operator]}, allowRequester: true}]}}"
        refused = [template_source("careful", "none", "id")]
        if self.model.is_named or self.model.default:
            refused.append(template_source("careful", lax, "id"))
        if self.model.is_named:
            refused.append(without_approval("id"))
        for source in refused:
            with pytest.raises(NotAllowed, match="who must approve"):
                self.team.core.push_again(alice, source)
        self._push_by("alice")

    def _push_by(self, who: str) -> None:
        command = f"echo {self.rng.random()}"
        self.model.commands.append(command)
        source = (
            template_source("careful", command=command)
            if self.model.is_named
            else without_approval(command)
        )
        self.team.core.push_again(self.team.people[who], source)

    def _rule(self) -> Rule:
        named = frozenset(self.rng.sample([*ROLES, OWN_ROLE], 2))
        coins = [bool(self.rng.randrange(2)) for _ in range(3)]
        return Rule(named, *coins, not self.rng.randrange(4), self.rng.choice([1, 1, 2]))

    def change(self) -> None:
        what = self.rng.choice(["role", "role", "manager", "in", "blind", "own role", "sharing"])
        who = self.rng.choice(NAMES)
        if what == "role":
            usual = [*ROLES, OWN_ROLE, "reporter"]
            self.model.roles[who] = self.rng.choice(usual[1:] if who == ROBOT else usual)
            self.model.role_since[who] = self.now
            self.team.change(who, role=self.model.roles[who])
        elif what == "manager":
            boss = self.rng.choice([name for name in PEOPLE if name != who])
            self.model.manager[who] = boss
            self.team.change(who, manager_id=self.team.people[boss].user_id)
        elif what == "in":
            self.model.is_in[who] = bool(self.rng.randrange(3))
            self.team.change(who, is_disabled=not self.model.is_in[who])
        elif what == "blind":
            self.model.is_blind[who] = not self.rng.randrange(3)
            self.team.change(who, rules=BLIND if self.model.is_blind[who] else "[]")
        else:
            (self._change_own_role if what == "own role" else self._change_sharing)()

    def _change_own_role(self) -> None:
        did_decide, self.model.own_role_decides = (
            self.model.own_role_decides,
            bool(self.rng.randrange(2)),
        )
        is_gain = self.model.own_role_decides and not did_decide
        self.model.own_role_since = self.now if is_gain else self.model.own_role_since
        rules = [*RULES, *(["allow execute approvals"] if self.model.own_role_decides else [])]

        def work(db: object) -> None:
            old = rule_sets.find(db, RuleSetKind.ROLE, self.team.org_id, OWN_ROLE)
            seq = audit.next_seq(db, self.team.org_id) if is_gain else old.deciding_seq
            new = msgspec.structs.replace(old, rules=json.dumps(rules), deciding_seq=seq)
            rule_sets.update(db, RuleSetKind.ROLE, self.team.org_id, old, new)
            self.team.note(db)

        self.team.core.database.write(work)

    def _change_sharing(self) -> None:
        self.model.lets_shared_workers = bool(self.rng.randrange(2))
        self.team.core.allow_shared(self.team.org_id, self.model.lets_shared_workers)

    def join_or_leave(self, who: str = "") -> None:
        who, org_id = who or self.rng.choice(NAMES), self.team.org_id
        user_id, now = self.team.people[who].user_id, self.team.core.clock.now()
        if who in self.model.joined and self.rng.randrange(2):
            del self.model.joined[who]
            self.team.core.database.write(lambda db: groups.remove(db, org_id, GROUP, user_id))
        else:  # again is no change: who is in it has joined when they first did
            self.model.joined.setdefault(who, self.now)

            def join(db: object) -> None:
                groups.add(db, org_id, GROUP, user_id, now, audit.next_seq(db, org_id))
                self.team.note(db)

            self.team.core.database.write(join)

    def link(self) -> None:
        """Link the chat user whom policies name to somebody else, or to nobody."""
        old, self.model.linked = self.model.linked, self.rng.choice([*PEOPLE, ""])
        org_id, now, people = self.team.org_id, self.team.core.clock.now(), self.team.people

        def work(db: object) -> None:
            if old:
                chat_links.delete(db, self.channel_id, people[old].user_id)
            if new := self.model.linked:
                row = chat_links.LinkRow(
                    self.channel_id, CHAT_USER, org_id, people[new].user_id, CHAT_USER, now
                )
                chat_links.put(db, row)

        self.team.core.database.write(work)
