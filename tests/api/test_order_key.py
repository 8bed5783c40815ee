"""The key that signs orders: private, pinned by workers, missed when it is gone."""

from __future__ import annotations

import stat

import pytest

from opsicle.domain.errors import Conflict
from opsicle.security.order_key import OrderKey, OrderPublicKey
from opsicle.server.keys.order_key_file import open_order_key
from tests.api.running_server import ApiServer


def fingerprint(api_server: ApiServer) -> str:
    return open_order_key(api_server.folder, api_server.state).public.fingerprint


def test_a_worker_is_given_the_key_of_the_private_file_when_it_enrols(
    api_server: ApiServer,
) -> None:
    file = api_server.folder.path / "orders.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pinned = OrderPublicKey.load(api_server.worker().order_key_pem)
    assert pinned.fingerprint == fingerprint(api_server)
    assert pinned.has_signed(b"an order", OrderKey.load(file.read_text()).sign(b"an order"))
    assert not pinned.has_signed(b"an order", OrderKey.create().sign(b"an order"))


def test_a_key_that_workers_know_is_missed_when_it_is_lost_or_another(
    api_server: ApiServer,
) -> None:
    api_server.worker()
    file = api_server.folder.path / "orders.pem"
    right = file.read_text()
    file.unlink()
    with pytest.raises(Conflict, match=r"lost orders\.pem"):
        fingerprint(api_server)
    assert not file.exists()
    file.write_text(OrderKey.create().pem)
    with pytest.raises(Conflict, match="not the key by which"):
        fingerprint(api_server)
    file.write_text(right)
    assert fingerprint(api_server)


def test_without_workers_a_lost_key_gives_way_to_a_new_one(api_server: ApiServer) -> None:
    old = fingerprint(api_server)
    (api_server.folder.path / "orders.pem").unlink()
    assert fingerprint(api_server) != old


def test_the_key_can_be_changed_once_every_worker_is_revoked(api_server: ApiServer) -> None:
    worker, old = api_server.worker(), fingerprint(api_server)
    (api_server.folder.path / "orders.pem").unlink()
    api_server.session("alice@example.com").post(f"/api/v1/workers/{worker.worker_id}/revoke", {})
    assert fingerprint(api_server) != old
