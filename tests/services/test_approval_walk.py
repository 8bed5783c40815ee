"""A random walk through pushes, decisions, restarts and clock steps (trust.md, P1).

Beside it runs a model that knows nothing of the engine: it keeps, for each automation, what was
asked and who has said what, and says by itself whether work may come out. Whatever a worker is
handed must be allowed by the model.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAllowed, OpsicleError
from opsicle.kit.ids import new_id
from opsicle.server.store import account_owners, audit, channels, chat_links, groups, roles
from opsicle.server.store.account_owners import OwnerRow
from opsicle.wire.user_api import RunRequest
from tests.services.approval_model import (
    CHAT_USER,
    GROUP,
    LIFETIME,
    NAMES,
    OWN_ROLE,
    OWNER,
    PEOPLE,
    ROBOT,
    Asked,
    Model,
    Rule,
    principal,
)
from tests.services.approving import Office, template_source
from tests.services.core import Core, TestWorker

SCALE = int(os.environ.get("OPSICLE_TEST_SCALE", "1"))
STEPS = 250
ROLES = ["admin", "manager", "approver", "member", "operator"]
RULES = ["allow execute templates", "allow view approvals"]
BLIND = json.dumps(["deny view templates/careful"])


def without_approval(command: str) -> str:
    return template_source("careful", command=command).replace(
        "  approvalPolicy: {policyRef: p}\n", ""
    )


class Walk:
    """The office and the model, side by side."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.dice = dice
        self.office = Office(Core(folder))
        self.model = Model()
        self.asked: list[Asked] = []
        self.ran: list[str] = []
        self.did: Counter[str] = Counter()
        self._furnish()

    def _furnish(self) -> None:
        office, core = self.office, self.office.core
        office.people[ROBOT] = core.person(office.org_id, ROBOT, BuiltInRole.MEMBER)
        owner_id, robot_id = office.people[OWNER].user_id, office.people[ROBOT].user_id
        office.tamper(
            "UPDATE memberships SET owner_id = :owner_id WHERE user_id = :id",
            owner_id=owner_id,
            id=robot_id,
        )
        owner = OwnerRow(robot_id, 0, owner_id)
        core.database.write(lambda db: account_owners.insert(db, office.org_id, owner))
        now = core.clock.now()
        self.channel_id = new_id(now)
        carol = office.people["carol"]
        row = channels.ChannelRow(
            self.channel_id,
            office.org_id,
            "bot",
            "telegram",
            "{}",
            1,
            0,
            True,
            now,
            now,
            carol.user_id,
            "",
            "",
        )
        rules = json.dumps([*RULES, "allow execute approvals"])
        core.database.write(lambda db: channels.insert(db, row, None))
        core.database.write(
            lambda db: groups.insert(db, office.org_id, groups.GroupRow(GROUP, "", "[]", now, now))
        )
        core.database.write(
            lambda db: roles.insert(db, office.org_id, roles.RoleRow(OWN_ROLE, "", rules, now, now))
        )
        core.allow_shared(office.org_id)
        self.home_id = core.org("provider-home")
        office.policy(self.model.rule.source())
        core.push(office.people["alice"], without_approval(self.model.commands[0]))
        core.push_again(
            office.people["alice"], template_source("careful", command=self.model.commands[1])
        )

    @property
    def now(self) -> float:
        return self.office.core.clock.monotonic()

    def step(self) -> None:
        steps = {
            self.ask: 7,
            self.decide: 18,
            self.work: 6,
            self.push_policy: 1,
            self.push_template: 1,
        }
        steps |= {
            self.change: 3,
            self.alter: 1,
            self.wait: 3,
            self.join_or_leave: 2,
            self.link: 1,
            self.withdraw: 1,
        }
        steps |= {self.join_late: 2, self.leave_late: 1, self.push_default: 1, self.name_or_not: 1}
        self.office.core.clock.advance(1)
        step = self.dice.choices(list(steps), weights=list(steps.values()))[0]
        self.did[step.__name__] += 1
        step()
        if not self.dice.randrange(12):
            self.office.restart()

    def ask(self) -> None:
        """Run the newest version, or the one from before there was an approval.

        It makes no difference: approval is asked by the newest version's policy.
        """
        by, version = self.dice.choice(NAMES), self.dice.choice([None, None, 1])
        rule = self.model.asked_of(by)
        is_possible = rule is None or self.model.able(rule, by, self.now) >= rule.required
        request = RunRequest(template="careful", version=version)
        try:
            automation = self.office.core.automations.create(self.office.people[by], request)
        except OpsicleError:
            assert not is_possible
            return
        assert is_possible
        assert automation.state == ("awaiting_approval" if rule else "queued")
        names_policy = self.model.is_named and version is None
        command = self.model.commands[(version or 0) - 1]
        self.asked.append(Asked(automation, rule, by, self.now, command, names_policy))

    def decide(self) -> None:
        pending = [asked for asked in self.asked[-4:] if asked.rule]
        if not pending:
            return
        asked = self.dice.choice(pending)
        able = [name for name in NAMES if self.model.may(asked.rule, name, asked.by, asked.at)]
        self._decide(asked, self.dice.choice(able if able and self.dice.randrange(2) else NAMES))

    def _decide(self, asked: Asked, who: str) -> None:
        is_yes = bool(self.dice.randrange(5))
        is_done = asked.is_over or self.now - asked.at >= LIFETIME or asked.is_agreed
        has_said = principal(who) in {principal(each) for each in asked.agreed | asked.refused}
        is_right = (
            not is_done and self.model.may(asked.rule, who, asked.by, asked.at) and not has_said
        )
        try:
            (self.office.approve if is_yes else self.office.reject)(who, asked.automation)
        except OpsicleError:
            assert not is_right or asked.is_altered or asked.is_disturbed
            asked.is_over |= asked.is_altered
            return
        has_said_so = who in (asked.agreed if is_yes else asked.refused)
        assert is_right or has_said_so or (asked.is_disturbed and (is_done or asked.is_altered))
        if is_right:
            (asked.agreed if is_yes else asked.refused).add(who)
            asked.is_over = not is_yes
            self.did["decisions"] += 1

    def work(self) -> None:
        """Let a worker poll, the org's own or a shared one: it gets only what the model allows."""
        worker, may_serve = self._worker()
        by_id = {asked.automation.id: asked for asked in self.asked}
        handed: set[str] = set()
        for work in worker.poll().work:
            assert work.automation_id in by_id, "nobody has asked for this"
            asked = by_id[work.automation_id]
            assert may_serve, "handed to a worker whom the org does not let serve it"
            assert asked.is_agreed, "handed out without agreement"
            assert not asked.is_over, "handed out after its end"
            assert self.model.holds(asked), "handed out though what was agreed to no longer holds"
            assert work.phases[0].commands == (asked.command,), "something else than what was shown"
            assert work.variables == {"OPSICLE_VAR_TARGET": "production"}, "with other values"
            assert work.requester == self.office.people[asked.by].email, (
                "for somebody else than who asked"
            )
            handed.add(work.automation_id)
            worker.start(work)
        for asked in self.asked:
            if may_serve and not asked.is_over and asked.is_agreed:
                is_handed = asked.automation.id in handed
                assert is_handed == self.model.holds(asked) or (
                    asked.is_disturbed and not is_handed
                )
                asked.is_over = is_handed or not asked.is_disturbed
        self.ran += handed

    def _worker(self) -> tuple[TestWorker, bool]:
        core, name = self.office.core, f"w{self.now}"
        if self.dice.randrange(3):
            return core.worker(self.office.org_id, name, slots=99), True
        return core.shared_worker(self.home_id, name, slots=99), self.model.lets_shared_workers

    def push_policy(self) -> None:
        self.model.rule = self._rule()
        self.office.policy(self.model.rule.source())

    def push_default(self) -> None:
        """Push a policy that applies by itself, to all or to robots, or delete the one there is."""
        if self.model.default and not self.dice.randrange(3):
            self.model.default = None
            self.office.core.policies.delete(self.office.people["carol"], "house")
            return
        self.model.default, self.model.default_is_for_robots = (
            self._rule(),
            bool(self.dice.randrange(2)),
        )
        scope = (
            "{requesters: {serviceAccounts: true}}"
            if self.model.default_is_for_robots
            else "{everything: true}"
        )
        self.office.core.policies.push(
            self.office.people["carol"],
            "apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {name: house}\n"
            f"spec: {{appliesTo: [{scope}], gates: [{self.model.default.source()}]}}\n",
        )

    def name_or_not(self) -> None:
        """Take the policy's name out of the template as an admin, or put it there again."""
        self.model.is_named = not self.model.is_named
        self._push_by("carol")

    def _push_by(self, who: str) -> None:
        command = f"echo {self.dice.random()}"
        self.model.commands.append(command)
        source = (
            template_source("careful", command=command)
            if self.model.is_named
            else without_approval(command)
        )
        self.office.core.push_again(self.office.people[who], source)

    def _rule(self) -> Rule:
        named = frozenset(self.dice.sample([*ROLES, OWN_ROLE], 2))
        coins = [bool(self.dice.randrange(2)) for _ in range(3)]
        return Rule(named, *coins, not self.dice.randrange(4), self.dice.choice([1, 1, 2]))

    def push_template(self) -> None:
        """Push as an operator, who cannot take the approval away with it."""
        alice = self.office.people["alice"]
        lax = "{spec: {gates: [{name: g, approvers: {roles: [operator]}, allowRequester: true}]}}"
        refused = [template_source("careful", "none", "id")]
        if self.model.is_named or self.model.default:
            refused.append(template_source("careful", lax, "id"))
        if self.model.is_named:
            refused.append(without_approval("id"))
        for source in refused:
            with pytest.raises(NotAllowed, match="who must approve"):
                self.office.core.push_again(alice, source)
        self._push_by("alice")

    def change(self) -> None:
        what = self.dice.choice(["role", "role", "manager", "in", "blind", "own role", "sharing"])
        who = self.dice.choice(NAMES)
        if what == "role":
            usual = [*ROLES, OWN_ROLE, "reporter"]
            self.model.roles[who] = self.dice.choice(usual[1:] if who == ROBOT else usual)
            self.model.role_since[who] = self.now
            self.office.change(who, role=self.model.roles[who])
        elif what == "manager":
            boss = self.dice.choice([name for name in PEOPLE if name != who])
            self.model.manager[who] = boss
            self.office.change(who, manager_id=self.office.people[boss].user_id)
        elif what == "in":
            self.model.is_in[who] = bool(self.dice.randrange(3))
            self.office.change(who, is_disabled=not self.model.is_in[who])
        elif what == "blind":
            self.model.is_blind[who] = not self.dice.randrange(3)
            self.office.change(who, rules=BLIND if self.model.is_blind[who] else "[]")
        else:
            (self._change_own_role if what == "own role" else self._change_sharing)()

    def _change_own_role(self) -> None:
        did_decide, self.model.own_role_decides = (
            self.model.own_role_decides,
            bool(self.dice.randrange(2)),
        )
        is_gain = self.model.own_role_decides and not did_decide
        self.model.own_role_since = self.now if is_gain else self.model.own_role_since
        rules = [*RULES, *(["allow execute approvals"] if self.model.own_role_decides else [])]

        def work(db: object) -> None:
            old = roles.find(db, self.office.org_id, OWN_ROLE)
            seq = audit.next_seq(db, self.office.org_id) if is_gain else old.deciding_seq
            new = msgspec.structs.replace(old, rules=json.dumps(rules), deciding_seq=seq)
            roles.update(db, self.office.org_id, old, new)
            self.office.note(db)

        self.office.core.database.write(work)

    def _change_sharing(self) -> None:
        self.model.lets_shared_workers = bool(self.dice.randrange(2))
        self.office.core.allow_shared(self.office.org_id, self.model.lets_shared_workers)

    def join_late(self) -> None:
        """Let somebody join the group that is asked, and try to decide on what was asked before."""
        late = [
            asked
            for asked in self.asked
            if asked.rule and asked.rule.with_group and not asked.is_over
        ]
        if late:
            who = self.dice.choice(NAMES)
            self.join_or_leave(who)
            self._decide(self.dice.choice(late), who)

    def leave_late(self) -> None:
        """Let somebody who has agreed leave the group before it starts."""
        agreed = [who for asked in self.asked if not asked.is_over for who in asked.agreed]
        if agreed:
            self.join_or_leave(self.dice.choice(agreed))

    def join_or_leave(self, who: str = "") -> None:
        who, org_id = who or self.dice.choice(NAMES), self.office.org_id
        user_id, now = self.office.people[who].user_id, self.office.core.clock.now()
        if who in self.model.joined and self.dice.randrange(2):
            del self.model.joined[who]
            self.office.core.database.write(lambda db: groups.remove(db, org_id, GROUP, user_id))
        else:  # again is no change: who is in it has joined when they first did
            self.model.joined.setdefault(who, self.now)

            def join(db: object) -> None:
                groups.add(db, org_id, GROUP, user_id, now, audit.next_seq(db, org_id))
                self.office.note(db)

            self.office.core.database.write(join)

    def link(self) -> None:
        """Link the chat user whom policies name to somebody else, or to nobody."""
        old, self.model.linked = self.model.linked, self.dice.choice([*PEOPLE, ""])
        org_id, now, people = self.office.org_id, self.office.core.clock.now(), self.office.people

        def work(db: object) -> None:
            if old:
                chat_links.delete(db, self.channel_id, people[old].user_id)
            if new := self.model.linked:
                row = chat_links.LinkRow(
                    self.channel_id, CHAT_USER, org_id, people[new].user_id, CHAT_USER, now
                )
                chat_links.put(db, row)

        self.office.core.database.write(work)

    def withdraw(self) -> None:
        if not self.asked:
            return
        asked, who = self.dice.choice(self.asked[-6:]), self.dice.choice(NAMES)
        is_done = asked.is_over or self.now - asked.at >= LIFETIME or asked.is_agreed
        try:
            self.office.core.approvals.withdraw(
                self.office.people[who], asked.automation.approval_id or ""
            )
        except OpsicleError:
            is_marked = (
                asked.is_altered or asked.is_disturbed
            )  # that may have been noticed, and have ended it
            assert is_done or who != asked.by or is_marked
            return
        is_owner = (who, asked.by) == (OWNER, ROBOT)
        assert who == asked.by or is_owner or asked.is_altered
        asked.is_over = True

    def alter(self) -> None:
        """Somebody writes to the database behind the server's back."""
        open_ones = [asked for asked in self.asked if not asked.is_over]
        if open_ones:
            asked = self.dice.choice(open_ones)
            sql = "UPDATE automations SET values_json = :values WHERE id = :id"
            self.office.tamper(
                sql, values=f'{{"target":"{self.dice.random()}"}}', id=asked.automation.id
            )
            asked.is_altered = True

    def wait(self) -> None:
        self.office.core.clock.advance(self.dice.choice([1, 60, 250]))
        self.office.core.approvals.keep_time()
        for asked in self.asked:
            if not asked.is_over and self.now - asked.at >= LIFETIME and not asked.is_agreed:
                expected = "cancelled" if asked.is_altered else "expired"
                assert asked.is_disturbed or self.office.state(asked.automation) == expected
                asked.is_over = True


@pytest.mark.parametrize("round_", range(4 * SCALE))
def test_whatever_happens_only_what_is_approved_runs(tmp_path: Path, round_: int) -> None:
    seed = int(os.environ.get("OPSICLE_TEST_SEED", "0")) or random.randrange(2**32)
    print(f"OPSICLE_TEST_SEED={seed}")
    walk = Walk(tmp_path, random.Random(seed))
    try:
        for _ in range(STEPS):
            walk.step()
    finally:
        walk.office.core.close()
        print(dict(walk.did), len(walk.asked), "asked,", len(walk.ran), "ran")
    assert len(walk.ran) == len(set(walk.ran))
