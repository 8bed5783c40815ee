"""What the tests of running jobs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.carrying_out import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "workspaces")
