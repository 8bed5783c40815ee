"""Waiting work outlives a machine's clock that is set wrong, and put right within ten minutes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.manifests import WorkOrder
from opsicle.kit.clock import SETTLING_SECONDS, SteadyClock
from tests.services.approving import Office, template_source
from tests.services.clocks import ManualClock
from tests.services.core import Core

HOURS = 3600.0
BOSS = "{name: boss, approvers: {manager: true}, expiresAfter: 7200}"


@pytest.fixture
def machine() -> ManualClock:
    return ManualClock()


@pytest.fixture
def office(tmp_path: Path, machine: ManualClock) -> Iterator[Office]:
    core = Core(tmp_path, clock=SteadyClock(machine))  # type: ignore[arg-type]
    office = Office(core)
    office.policy(BOSS)
    core.push(office.people["carol"], template_source("careful"))
    yield office
    core.close()


@pytest.mark.parametrize("hours", [10, -10, 24 * 365])
def test_a_jump_that_is_taken_back_expires_no_approval(
    office: Office, machine: ManualClock, hours: float
) -> None:
    automation = office.ask()
    machine.step(hours * HOURS)
    office.core.approvals.keep_time()
    machine.advance(SETTLING_SECONDS / 2)
    office.core.approvals.keep_time()
    assert office.state(automation) == "awaiting_approval"

    machine.step(-hours * HOURS)
    office.core.approvals.keep_time()
    office.approve("bob", automation)

    assert office.state(automation) == "queued"


def test_a_jump_that_stays_counts(office: Office, machine: ManualClock) -> None:
    automation = office.ask()
    machine.step(10 * HOURS)
    office.core.approvals.keep_time()
    machine.advance(SETTLING_SECONDS)

    office.core.approvals.keep_time()

    assert office.state(automation) == "expired"


@pytest.mark.parametrize("hours", [10, -10])
def test_an_order_has_the_time_that_workers_have(
    office: Office, machine: ManualClock, hours: float
) -> None:
    automation = office.ask()
    office.approve("bob", automation)
    right = machine.now()
    machine.step(hours * HOURS)

    (work,) = office.core.worker(office.org_id, "one").poll().work

    order = msgspec.json.decode(work.order, type=WorkOrder)
    assert abs(order.issued_at - right) < timedelta(seconds=1)
