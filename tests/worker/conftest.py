"""What the tests of the worker share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.carrying_out import Machine
from tests.worker.fake_server import FakeServer


@pytest.fixture(scope="session", autouse=True)
def end_all_when_terminated() -> Iterator[None]:
    """Let SIGTERM end the tests as Ctrl-C does.

    With the fixtures' ends, so that no worker and no job is left.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "workspaces")


@pytest.fixture
def fake_server(tmp_path: Path) -> Iterator[FakeServer]:
    fake_server = FakeServer(tmp_path)
    fake_server.start()
    yield fake_server
    fake_server.stop()
