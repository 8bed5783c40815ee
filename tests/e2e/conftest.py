"""What the end-to-end tests share: an installation, an earlier commit's file and that of now."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from building.previous import built_at
from building.project import BuildError
from tests.built_file import built_file
from tests.e2e.restored_sites import Site
from tests.product import Installation
from tests.support import seeded_random

Use = Callable[[Path], None]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Run a server with its admin alice, and whatever the test adds to it."""
    with Installation(tmp_path / "place") as installation:
        yield installation


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Run a server with a worker, of which copies are made."""
    with Installation(tmp_path / "site") as installation:
        site = Site(installation, tmp_path)
        site.note_ports()
        yield site
        site.go.touch()


@pytest.fixture
def seed() -> random.Random:
    """Return what the test decides by at random."""
    return seeded_random()


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
    return built_file()
