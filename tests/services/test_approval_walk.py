"""A random walk of pushes, edits, changes of people, decisions, restarts and clock steps (trust.md, P1).

Beside it runs a model that knows nothing of the engine: it keeps, for each automation, what was asked and who has said
what, and says by itself whether work may come out. Whatever a worker is handed must be allowed by the model.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opsicle.domain.access import Role
from opsicle.domain.errors import OpsicleError
from opsicle.wire.user_api import Automation
from tests.services.approving import Office, template_source
from tests.services.core import Core

SCALE = int(os.environ.get("OPSICLE_TEST_SCALE", "1"))
STEPS = 120
LIFETIME = 600

DECIDERS = {Role.ADMIN, Role.MANAGER, Role.OPERATOR, Role.APPROVER, Role.MEMBER}
NAMES = ("alice", "bob", "carol", "dave", "mallory")


@dataclass
class Rule:
    """What a version of the policy says: these may agree, so many of them."""

    roles: frozenset[str]
    with_manager: bool
    required: int

    def source(self) -> str:
        who = f"manager: {str(self.with_manager).lower()}, roles: [{', '.join(sorted(self.roles))}]"
        return f"{{name: g, approvers: {{{who}}}, required: {self.required}, expiresAfter: {LIFETIME}}}"


@dataclass
class Asked:
    """One automation as the model knows it."""

    automation: Automation
    rule: Rule
    by: str
    at: float
    command: str
    is_altered: bool = False
    agreed: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    is_over: bool = False


class Model:
    """Who may approve what, in few words."""

    def __init__(self) -> None:
        self.roles = {"alice": "operator", "bob": "manager", "carol": "admin", "dave": "approver", "mallory": "member"}
        self.is_in = dict.fromkeys(NAMES, True)
        self.manager: dict[str, str] = {"alice": "bob"}
        self.rule = Rule(frozenset({"admin"}), with_manager=True, required=1)
        self.command = "echo 0"

    def may(self, rule: Rule, who: str, by: str) -> bool:
        is_named = self.roles[who] in rule.roles or (rule.with_manager and self.manager.get(by) == who)
        return self.is_in[who] and self.roles[who] in DECIDERS and who != by and is_named

    def able(self, rule: Rule, by: str) -> int:
        return sum(self.may(rule, who, by) for who in NAMES)

    def holds(self, asked: Asked) -> bool:
        """Whether what was agreed to may run now."""
        if asked.is_altered or not self.is_in[asked.by] or self.roles[asked.by] == "reporter":
            return False
        return all(
            sum(self.may(rule, who, asked.by) for who in asked.agreed) >= rule.required
            for rule in (asked.rule, self.rule)
        )


class Walk:
    """The office and the model, side by side."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.dice = dice
        self.office = Office(Core(folder))
        self.model = Model()
        self.asked: list[Asked] = []
        self.ran: list[str] = []
        self.office.core.push(self.office.people["alice"], template_source("careful", command=self.model.command))
        self.office.policy(self.model.rule.source())

    @property
    def now(self) -> float:
        return self.office.core.clock.monotonic()

    def step(self) -> None:
        steps = {self.ask: 6, self.decide: 12, self.work: 5, self.push_policy: 2, self.push_template: 1}
        steps |= {self.change: 3, self.alter: 1, self.wait: 3}
        self.dice.choices(list(steps), weights=list(steps.values()))[0]()
        if not self.dice.randrange(12):
            self.office.restart()

    def ask(self) -> None:
        by = self.dice.choice(NAMES)
        is_possible = self.model.able(self.model.rule, by) >= self.model.rule.required
        try:
            automation = self.office.ask(by=by)
        except OpsicleError:
            assert not is_possible
            return
        assert is_possible
        self.asked.append(Asked(automation, self.model.rule, by, self.now, self.model.command))

    def decide(self) -> None:
        if not self.asked:
            return
        asked, who = self.dice.choice(self.asked[-6:]), self.dice.choice(NAMES)
        is_yes = bool(self.dice.randrange(4))
        is_done = asked.is_over or self.now - asked.at >= LIFETIME or len(asked.agreed) >= asked.rule.required
        is_right = not is_done and self.model.may(asked.rule, who, asked.by) and who not in asked.agreed
        try:
            (self.office.approve if is_yes else self.office.reject)(who, asked.automation)
        except OpsicleError:
            assert not is_right or asked.is_altered
            return
        assert is_right or who in (asked.agreed if is_yes else asked.refused)
        if not is_yes and is_right:
            asked.refused.add(who)
            asked.is_over = True
        if is_yes and is_right:
            asked.agreed.add(who)

    def work(self) -> None:
        """A worker comes, and is handed only what the model allows."""
        worker = self.office.core.worker(self.office.org_id, f"w{self.now}-{self.dice.random()}", slots=99)
        by_id = {asked.automation.id: asked for asked in self.asked}
        handed = set()
        for work in worker.poll().work:
            asked = by_id[work.automation_id]
            assert len(asked.agreed) >= asked.rule.required, "handed out without agreement"
            assert not asked.is_over, "handed out after its end"
            assert self.model.holds(asked), "handed out though what was agreed to no longer holds"
            assert work.phases[0].commands == (asked.command,), "something else than what was shown"
            handed.add(work.automation_id)
            worker.start(work)
        for asked in self.asked:
            is_ready = not asked.is_over and len(asked.agreed) >= asked.rule.required
            if is_ready:
                assert (asked.automation.id in handed) == self.model.holds(asked)
                asked.is_over = True
        self.ran += handed

    def push_policy(self) -> None:
        roles = frozenset(self.dice.sample(["admin", "manager", "approver", "member", "operator"], 2))
        self.model.rule = Rule(roles, bool(self.dice.randrange(2)), self.dice.choice([1, 1, 2]))
        self.office.policy(self.model.rule.source())

    def push_template(self) -> None:
        self.model.command = f"echo {self.dice.random()}"
        self.office.core.push_again(self.office.people["alice"], template_source("careful", command=self.model.command))

    def change(self) -> None:
        who = self.dice.choice(NAMES)
        what = self.dice.choice(["role", "manager", "in"])
        if what == "role":
            self.model.roles[who] = self.dice.choice(["admin", "manager", "approver", "member", "operator", "reporter"])
            self.office.change(who, role=Role(self.model.roles[who]))
        elif what == "manager":
            boss = self.dice.choice([name for name in NAMES if name != who])
            self.model.manager[who] = boss
            self.office.change(who, manager_id=self.office.people[boss].user_id)
        else:
            self.model.is_in[who] = bool(self.dice.randrange(3))
            self.office.change(who, is_disabled=not self.model.is_in[who])

    def alter(self) -> None:
        """Somebody writes to the database behind the server's back."""
        open_ones = [asked for asked in self.asked if not asked.is_over]
        if open_ones:
            asked = self.dice.choice(open_ones)
            sql = "UPDATE automations SET values_json = :values WHERE id = :id"
            self.office.tamper(sql, values=f'{{"target":"{self.dice.random()}"}}', id=asked.automation.id)
            asked.is_altered = True

    def wait(self) -> None:
        self.office.core.clock.advance(self.dice.choice([1, 60, 250]))
        self.office.core.approvals.keep_time()
        for asked in self.asked:
            if not asked.is_over and self.now - asked.at >= LIFETIME and len(asked.agreed) < asked.rule.required:
                assert self.office.state(asked.automation) == "expired"
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
    assert len(walk.ran) == len(set(walk.ran))
