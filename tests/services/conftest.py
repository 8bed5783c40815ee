"""Fixtures of the services: a core, and an org in which things have to be approved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import Work
from opsicle.wire.user_api import Automation
from tests.services.core import Core, TestWorker
from tests.services.fanning import Fanning
from tests.services.resuming import Failed, begun
from tests.services.team import Team, template_source


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path)
    yield core
    core.close()


@pytest.fixture
def alice(core: Core) -> Actor:
    alice = core.person(core.org("acme"), "alice", BuiltInRole.OPERATOR)
    core.push(alice)
    return alice


@pytest.fixture
def worker(core: Core, alice: Actor) -> TestWorker:
    return core.worker(alice.org_id, "w1")


@pytest.fixture
def work(core: Core, alice: Actor, worker: TestWorker) -> Work:
    """Start a job on a worker."""
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    return work


@pytest.fixture
def fanning(core: Core, alice: Actor) -> Fanning:
    """Return an org of three workers that fit; nothing runs yet."""
    return Fanning(core, alice)


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    """Return an org whose template `careful` names the approval policy `p`, not pushed yet."""
    team = Team(Core(tmp_path))
    team.core.push(team.people["alice"], template_source("careful"))
    yield team
    team.core.close()


@pytest.fixture
def asked(team: Team) -> Automation:
    """Return an automation of Alice's that waits for Bob, her manager."""
    team.policy()
    return team.ask()


@pytest.fixture
def failed(team: Team) -> Failed:
    """One that has failed at its third phase of four, `restart`."""
    case, work = begun(team)
    case.end(work, "succeeded", "skipped", "failed", "succeeded")
    return case
