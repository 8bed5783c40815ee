"""What the tests of the worker share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.carrying_out import Machine
from tests.worker.fake_server import FakeServer


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "workspaces")


@pytest.fixture
def fake_server(tmp_path: Path) -> Iterator[FakeServer]:
    fake_server = FakeServer(tmp_path)
    fake_server.start()
    yield fake_server
    fake_server.stop()
