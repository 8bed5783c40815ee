from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.core import Core


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path)
    yield core
    core.close()
