"""Which public keys have signed orders, by a word that the database alone cannot give.

An old order is verified by the key that signed it, which may have been replaced since, or may be
that of the server from which the order's org came. Each stands in the database with a code under
the binding key, which is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from opsicle.kit.clock import to_text
from opsicle.security.binding_key import BindingKey, is_same
from opsicle.security.order_key import OrderPublicKey
from opsicle.server.store import orders
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.orders import OrderKeyRow

KEY_BYTES = 32
"""Of an Ed25519 key. An export of an org may hold anything."""

OWN = ""
"""Stands in the place of an org for this server's own keys."""


def remember_order_key(
    database: Database, binding_key: BindingKey, key: OrderPublicKey, now: datetime
) -> None:
    """Keep the public half of the key that signs from now on, if it is not kept already."""
    rows = database.read(lambda db: orders.list_keys(db, OWN))
    if any(row.public_key == key.raw and is_genuine(binding_key, row) for row in rows):
        return
    row = bound(binding_key, OrderKeyRow(OWN, key.raw, now, ""))
    database.write(lambda db: orders.put_key(db, row))


def list_genuine(db: Connection, binding_key: BindingKey, org_id: str) -> list[OrderKeyRow]:
    """Return the keys under which orders of an org may have been signed, the oldest first."""
    return _genuine(orders.list_keys(db, org_id), binding_key)


def take_along(db: Connection, org_id: str, old: BindingKey, new: BindingKey) -> None:
    """Make all keys of a draft the org's, bound under another key; forget what was altered."""
    kept = {row.public_key: row for row in _genuine(orders.list_keys(db, org_id), old)}
    orders.delete_keys(db)
    for row in kept.values():
        orders.put_key(db, bound(new, msgspec.structs.replace(row, org_id=org_id)))


def _genuine(rows: Iterable[OrderKeyRow], key: BindingKey) -> list[OrderKeyRow]:
    return [row for row in rows if len(row.public_key) == KEY_BYTES and is_genuine(key, row)]


def bound(binding_key: BindingKey, row: OrderKeyRow) -> OrderKeyRow:
    """Return a key with the code by which this server knows it again."""
    return msgspec.structs.replace(row, mac=binding_key.of_order_key(_covered(row)))


def is_genuine(binding_key: BindingKey, row: OrderKeyRow) -> bool:
    """Return whether this server has kept a key just so."""
    return is_same(binding_key.of_order_key(_covered(row)), row.mac)


def _covered(row: OrderKeyRow) -> bytes:
    return msgspec.json.encode([row.org_id, row.public_key.hex(), to_text(row.first_used_at)])
