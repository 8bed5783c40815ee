"""Where a worker looks for its server: what that names, and where to once it is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from opsicle.wire.worker_api import MAX_STANDBY_URLS, PollReply, SignedOrder
from opsicle.worker.connection import ServerConnection
from opsicle.worker.identity import Identity, WorkerDataFolder
from opsicle.worker.known_epoch import KnownEpoch
from opsicle.worker.server_addresses import ServerAddresses, usable_urls
from tests.support import wait_until
from tests.worker import fake_server as fake_server_module
from tests.worker.fake_server import FakeServer
from tests.worker.test_epochs import order
from tests.worker.test_poller import Polling

A, B, C, D = (f"https://{name}.example.com:8444" for name in "abcd")


def url_of(server: FakeServer) -> str:
    return f"https://127.0.0.1:{server.port}"


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no poll be held for long: these tests count several."""
    monkeypatch.setattr(fake_server_module, "HOLD_SECONDS", 0.2)


@pytest.fixture
def standby(tmp_path: Path, fake_server: FakeServer) -> Iterator[FakeServer]:
    """Run a second server with the same CA and keys."""
    (tmp_path / "standby").mkdir()
    standby = FakeServer(tmp_path / "standby")
    standby.authority, standby.order_key = fake_server.authority, fake_server.order_key
    standby.start()
    yield standby
    standby.stop()


@pytest.fixture
def polling(fake_server: FakeServer, folder: WorkerDataFolder) -> Iterator[Polling]:
    """Return a poller, not yet started, that keeps the addresses which it is told."""
    folder.save_identity(fake_server.identity())
    connection = ServerConnection(fake_server.identity())
    polling = Polling(fake_server, connection)
    polling.poller.on_told_urls = ServerAddresses(folder, connection).learn
    yield polling
    polling.poller.stop(5)
    connection.close()


def saved(folder: WorkerDataFolder) -> Identity:
    identity = folder.load_identity()
    assert identity is not None
    return identity


def test_a_worker_comes_over_to_a_standby_that_its_server_named_and_stays_there(
    polling: Polling, fake_server: FakeServer, standby: FakeServer, folder: WorkerDataFolder
) -> None:
    fake_server.latest_reply = PollReply(server_urls=(url_of(fake_server), url_of(standby)))
    polling.poller.start()
    wait_until(lambda: url_of(standby) in saved(folder).urls)

    fake_server.stop()
    wait_until(lambda: standby.polls, 60)
    polls = len(fake_server.polls)
    fake_server.start()
    wait_until(lambda: len(standby.polls) > 2, 60)
    ServerAddresses(folder, polling.connection).keep_current()

    assert len(fake_server.polls) == polls
    assert saved(folder).worker_url == url_of(standby)
    assert not polling.rejections


def test_only_a_server_with_the_workers_own_ca_is_asked_or_heard(
    polling: Polling,
    fake_server: FakeServer,
    standby: FakeServer,
    folder: WorkerDataFolder,
    tmp_path: Path,
) -> None:
    (tmp_path / "mallory").mkdir()
    mallory = FakeServer(tmp_path / "mallory")
    mallory.latest_reply = PollReply(server_urls=(A,))
    mallory.start()
    try:
        named = (url_of(fake_server), url_of(mallory), url_of(standby))
        fake_server.latest_reply = standby.latest_reply = PollReply(server_urls=named)
        polling.poller.start()
        wait_until(lambda: url_of(standby) in saved(folder).urls)

        fake_server.stop()
        wait_until(lambda: standby.polls, 60)

        assert not mallory.polls
        assert not polling.rejections
    finally:
        mallory.stop()


def test_a_server_of_an_earlier_epoch_is_shown_the_later_one_and_left_for_the_next_address(
    polling: Polling, fake_server: FakeServer, standby: FakeServer, tmp_path: Path
) -> None:
    named = (url_of(fake_server), url_of(standby))
    fake_server.latest_reply = PollReply(server_urls=named, epoch=1, epoch_id="old")
    standby.latest_reply = PollReply(server_urls=named, epoch=2, epoch_id="a")
    proof = SignedOrder(b"two", b"s" * 64)
    polling.poller.epoch = KnownEpoch(tmp_path / "epoch.json")
    polling.poller.epoch.take(order(2), proof)

    polling.poller.start()
    wait_until(lambda: len(standby.polls) > 1, 60)

    assert fake_server.polls[-1].newer_epoch == proof
    assert standby.polls[-1].newer_epoch is None
    polls = len(fake_server.polls)
    wait_until(lambda: len(standby.polls) > 2, 60)
    assert len(fake_server.polls) == polls


def test_what_the_server_names_no_more_is_forgotten_and_what_the_worker_was_given_is_kept(
    folder: WorkerDataFolder, fake_server: FakeServer
) -> None:
    given = msgspec.structs.replace(fake_server.identity(), worker_url=A, more_urls=(D,))
    folder.save_identity(given)
    connection = ServerConnection(given)
    addresses = ServerAddresses(folder, connection)

    addresses.learn((A, B))
    first = saved(folder).urls
    connection.try_next_url()
    addresses.keep_current()
    addresses.learn((B, C))

    assert first == (A, B, D)
    assert saved(folder).urls == (B, C, D)
    assert [connection.url, connection.try_next_url(), connection.url] == [B, True, C]
    connection.close()


def test_what_is_no_address_is_not_kept_and_no_list_is_endless() -> None:
    many = [f"https://s{number}.example.com" for number in range(50)]

    assert usable_urls(["http://a", "https://", "https://a:0", "https://a:x", A, A, ""]) == (A,)
    assert usable_urls(["https://" + "a" * 400]) == ()
    assert usable_urls(many) == tuple(many[: MAX_STANDBY_URLS + 1])


def test_an_address_may_be_left_while_others_make_calls(fake_server: FakeServer) -> None:
    identity = msgspec.structs.replace(fake_server.identity(), told_urls=(A, B))
    connection = ServerConnection(identity)
    movers = [threading.Thread(target=connection.try_next_url) for _ in range(30)]

    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join(60)

    assert connection.url == identity.worker_url  # thirty steps around three
    connection.close()
