"""A random walk through pushes, decisions, restarts and clock steps.

Beside it runs a model that knows nothing of the engine: it keeps, for each automation, what was
asked and who has said what, and says by itself whether work may come out. Whatever a worker is
handed must be allowed by the model.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from opsicle.domain.errors import OpsicleError
from opsicle.wire.user_api import RunRequest
from tests.services.approval_model import (
    LIFETIME,
    NAMES,
    OWNER,
    ROBOT,
    Asked,
    principal,
)
from tests.services.core import TestWorker
from tests.services.modelled_team import ModelledTeam

"""A small part for a look, many times as much for a night."""


class Walk(ModelledTeam):
    """A modelled team in which automations are asked for, decided on and handed out."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        super().__init__(folder, rng)
        self.asked: list[Asked] = []
        self.ran: list[str] = []
        self.did: Counter[str] = Counter()

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

        self.team.core.clock.advance(1)
        step = self.rng.choices(list(steps), weights=list(steps.values()))[0]
        self.did[step.__name__] += 1
        step()

        if not self.rng.randrange(12):
            self.team.restart()

    def ask(self) -> None:
        """Run the newest version, or the one from before there was an approval.

        It makes no difference: approval is asked by the newest version's policy.
        """
        by, version = self.rng.choice(NAMES), self.rng.choice([None, None, 1])
        rule = self.model.asked_of(by)
        is_possible = rule is None or self.model.able(rule, by, self.now) >= rule.required
        request = RunRequest(template="careful", version=version)

        try:
            automation = self.team.core.automations.create(self.team.people[by], request)
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

        asked = self.rng.choice(pending)
        able = [name for name in NAMES if self.model.may(asked.rule, name, asked.by, asked.at)]
        self._decide(asked, self.rng.choice(able if able and self.rng.randrange(2) else NAMES))

    def _decide(self, asked: Asked, who: str) -> None:
        is_yes = bool(self.rng.randrange(5))
        is_done = asked.is_over or self.now - asked.at >= LIFETIME or asked.is_agreed
        has_said = principal(who) in {principal(each) for each in asked.agreed | asked.refused}
        is_right = (
            not is_done and self.model.may(asked.rule, who, asked.by, asked.at) and not has_said
        )

        try:
            (self.team.approve if is_yes else self.team.reject)(who, asked.automation)
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
            assert work.environment == {"OPSICLE_VAR_TARGET": "production"}, "with other values"
            assert work.requester == self.team.people[asked.by].email, (
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
        core, name = self.team.core, f"w{self.now}"
        if self.rng.randrange(3):
            return core.worker(self.team.org_id, name, slots=99), True
        return core.shared_worker(self.home_id, name, slots=99), self.model.lets_shared_workers

    def join_late(self) -> None:
        """Let somebody join the group that is asked, and try to decide on what was asked before."""
        late = [
            asked
            for asked in self.asked
            if asked.rule and asked.rule.with_group and not asked.is_over
        ]
        if late:
            who = self.rng.choice(NAMES)
            self.join_or_leave(who)
            self._decide(self.rng.choice(late), who)

    def leave_late(self) -> None:
        """Let somebody who has agreed leave the group before it starts."""
        agreed = [who for asked in self.asked if not asked.is_over for who in asked.agreed]
        if agreed:
            self.join_or_leave(self.rng.choice(agreed))

    def withdraw(self) -> None:
        if not self.asked:
            return

        asked, who = self.rng.choice(self.asked[-6:]), self.rng.choice(NAMES)
        is_done = asked.is_over or self.now - asked.at >= LIFETIME or asked.is_agreed

        try:
            self.team.core.approvals.withdraw(
                self.team.people[who], asked.automation.approval_id or ""
            )
        except OpsicleError:
            # An altered one may have been noticed, which has ended it.
            is_marked = asked.is_altered or asked.is_disturbed
            assert is_done or who != asked.by or is_marked
            return

        is_owner = (who, asked.by) == (OWNER, ROBOT)
        assert who == asked.by or is_owner or asked.is_altered
        asked.is_over = True

    def alter(self) -> None:
        """Alter an automation's values behind the server's back."""
        open_ones = [asked for asked in self.asked if not asked.is_over]
        if open_ones:
            asked = self.rng.choice(open_ones)
            sql = "UPDATE automations SET values_json = :values WHERE id = :id"
            self.team.tamper(
                sql, values=f'{{"target":"{self.rng.random()}"}}', id=asked.automation.id
            )
            asked.is_altered = True

    def wait(self) -> None:
        self.team.core.clock.advance(self.rng.choice([1, 60, 250]))
        self.team.core.approvals.keep_time()
        for asked in self.asked:
            if not asked.is_over and self.now - asked.at >= LIFETIME and not asked.is_agreed:
                expected = "cancelled" if asked.is_altered else "expired"
                assert asked.is_disturbed or self.team.state(asked.automation) == expected
                asked.is_over = True
