"""What tests of two built files share: the file of an earlier commit, and that of now."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from building import zipapp
from building.previous import built_at
from building.project import BuildError

Use = Callable[[Path], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Let what is started from now on be this file."""
    return lambda file: monkeypatch.setenv("OPSICLE_UNDER_TEST", str(file))


@pytest.fixture(scope="module")
def old(request: pytest.FixtureRequest) -> Path:
    """Return the file of the commit that the module names `BEFORE`."""
    try:
        return built_at(request.module.BEFORE)
    except BuildError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def new() -> Path:
    """Return the file of the sources as they are."""
    return zipapp.build(zipapp.host_platform(), anew=False)
