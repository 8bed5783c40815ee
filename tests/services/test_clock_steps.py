"""Waiting work outlives a machine's clock that is set wrong, and put right within ten minutes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.manifests import WorkOrder
from opsicle.kit.clock import SETTLING_SECONDS, SteadyClock
from tests.services.clocks import ManualClock
from tests.services.core import Core
from tests.services.team import Team, template_source

HOURS = 3600.0
BOSS = "{name: boss, approvers: {manager: true}, expiresAfter: 7200}"


@pytest.fixture
def machine() -> ManualClock:
    return ManualClock()


@pytest.fixture
def team(tmp_path: Path, machine: ManualClock) -> Iterator[Team]:
    core = Core(tmp_path, clock=SteadyClock(machine))  # type: ignore[arg-type]
    team = Team(core)
    team.policy(BOSS)
    core.push(team.people["carol"], template_source("careful"))
    yield team
    core.close()


@pytest.mark.parametrize("hours", [10, -10, 24 * 365])
def test_a_jump_that_is_taken_back_expires_no_approval(
    team: Team, machine: ManualClock, hours: float
) -> None:
    automation = team.ask()
    machine.step(hours * HOURS)
    team.core.approvals.keep_time()
    machine.advance(SETTLING_SECONDS / 2)
    team.core.approvals.keep_time()
    assert team.state(automation) == "awaiting_approval"

    machine.step(-hours * HOURS)
    team.core.approvals.keep_time()
    team.approve("bob", automation)

    assert team.state(automation) == "queued"


def test_a_jump_that_stays_counts(team: Team, machine: ManualClock) -> None:
    automation = team.ask()
    machine.step(10 * HOURS)
    team.core.approvals.keep_time()
    machine.advance(SETTLING_SECONDS)

    team.core.approvals.keep_time()

    assert team.state(automation) == "expired"


@pytest.mark.parametrize("hours", [10, -10])
def test_an_order_has_the_time_that_workers_have(
    team: Team, machine: ManualClock, hours: float
) -> None:
    automation = team.ask()
    team.approve("bob", automation)
    right = machine.now()
    machine.step(hours * HOURS)

    (work,) = team.core.worker(team.org_id, "one").poll().work

    order = msgspec.json.decode(work.order, type=WorkOrder)
    assert abs(order.issued_at - right) < timedelta(seconds=1)
