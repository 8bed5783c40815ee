from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.security import passwords
from tests.api.channel_setup import make_email
from tests.api.receivers import (
    MailServer,
    WebhookReceiver,
    certified,
    mail_server,
    webhook_receiver,
)
from tests.api.running_server import ADMINS, ApiServer, Client
from tests.api.slack_api import SlackApi, slack_api
from tests.api.telegram_api import TelegramApi, TelegramUser, telegram_api
from tests.product import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Run a server with its admin alice, for tests of the command line."""
    with Installation(tmp_path_factory.mktemp("place")) as installation:
        yield installation


QUICK_KIB = 64


@pytest.fixture(scope="package", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Let a hash of a password take little of what one takes that has to stand up to guessing.

    In this process alone: real servers take the real time, and the unit tests look at the costs.
    """
    quick = passwords._CURRENT.replace(f"m={passwords._MEMORY_KIB}", f"m={QUICK_KIB}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "DUMMY", passwords.DUMMY.replace(passwords._CURRENT, quick))
        patch.setattr(passwords, "_CURRENT", quick)
        patch.setattr(passwords, "_MEMORY_KIB", QUICK_KIB)
        yield


@pytest.fixture
def new_api_server(tmp_path: Path) -> Iterator[ApiServer]:
    """Return a server that nobody has set up."""
    api_server = ApiServer(tmp_path / "data")
    yield api_server
    api_server.close()


@pytest.fixture(scope="package")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory, _quick_passwords: None) -> Path:
    """Return the data folder of a server with the orgs acme and globex, made once."""
    folder = tmp_path_factory.mktemp("furnished") / "data"
    api_server = ApiServer(folder)
    api_server.set_up()
    api_server.close()
    return folder


@pytest.fixture
def api_server(tmp_path: Path, prepared_folder: Path) -> Iterator[ApiServer]:
    """Return a server with the orgs acme and globex; Alice and Gina are their admins."""
    shutil.copytree(prepared_folder, tmp_path / "data")
    api_server = ApiServer(tmp_path / "data")
    yield api_server
    api_server.close()


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    """Return the admin of acme, logged in."""
    return api_server.session(ADMINS["acme"])


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Something on loopback that takes webhooks, and can refuse them."""
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def telegram() -> Iterator[TelegramApi]:
    """Return a stand-in for Telegram, one for all tests of a file."""
    with telegram_api() as telegram:
        yield telegram


@pytest.fixture
def phone(telegram: TelegramApi, request: pytest.FixtureRequest) -> TelegramUser:
    """Return somebody's Telegram account, another one in every test."""
    return TelegramUser(telegram, abs(hash(request.node.nodeid)) % 10**9 + 1)


@pytest.fixture
def slack() -> Iterator[SlackApi]:
    """Return a stand-in for Slack."""
    with slack_api() as slack:
        yield slack


@pytest.fixture
def server(alice: Client, tmp_path: Path) -> Iterator[MailServer]:
    """Run a mail server that acme's channel uses."""
    certificate = certified(tmp_path, "localhost")
    with mail_server(certificate.context) as server:
        make_email(alice, server, certificate.ca_pem)
        yield server
