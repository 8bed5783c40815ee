from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.access import Role
from opsicle.kit import ids
from opsicle.server.services.actor import Actor
from tests.services.core import Core


@pytest.fixture(autouse=True)
def _ids_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every clock here begins at the same moment, but ids only grow: those of a test before would be of the future."""
    monkeypatch.setattr(ids, "_sequence", ids._Sequence())


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path)
    yield core
    core.close()


@pytest.fixture
def alice(core: Core) -> Actor:
    alice = core.person(core.org("acme"), "alice", Role.OPERATOR)
    core.push(alice)
    return alice
