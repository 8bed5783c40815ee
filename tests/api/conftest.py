from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.receivers import WebhookReceiver, webhook_receiver
from tests.api.running_server import ApiServer


@pytest.fixture
def new_api_server(tmp_path: Path) -> Iterator[ApiServer]:
    """Return a server that nobody has set up."""
    api_server = ApiServer(tmp_path / "data")
    yield api_server
    api_server.close()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a server with the orgs acme and globex, made once.

    Hashing passwords takes its time.
    """
    folder = tmp_path_factory.mktemp("furnished") / "data"
    api_server = ApiServer(folder)
    api_server.set_up()
    api_server.close()
    return folder


@pytest.fixture
def api_server(tmp_path: Path, furnished: Path) -> Iterator[ApiServer]:
    """Return a server with the orgs acme and globex; Alice and Gina are their admins."""
    shutil.copytree(furnished, tmp_path / "data")
    api_server = ApiServer(tmp_path / "data")
    yield api_server
    api_server.close()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Something on loopback that takes webhooks, and can refuse them."""
    with webhook_receiver() as receiver:
        yield receiver
