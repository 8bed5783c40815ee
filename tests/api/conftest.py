from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.running_server import House


@pytest.fixture
def new_house(tmp_path: Path) -> Iterator[House]:
    """A server that nobody has set up."""
    house = House(tmp_path / "data")
    yield house
    house.close()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server with the orgs acme and globex, made once: hashing passwords takes its time."""
    folder = tmp_path_factory.mktemp("furnished") / "data"
    house = House(folder)
    house.set_up()
    house.close()
    return folder


@pytest.fixture
def house(tmp_path: Path, furnished: Path) -> Iterator[House]:
    """A server with the orgs acme and globex; Alice and Gina are their admins."""
    shutil.copytree(furnished, tmp_path / "data")
    house = House(tmp_path / "data")
    yield house
    house.close()
