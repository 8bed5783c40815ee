from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.access.actor import Actor
from tests.services.core import Core


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
