"""The key that signs orders, and the database's memory of which one its workers know."""

from __future__ import annotations

from opsicle.security.order_key import OrderKey
from opsicle.server.data_folder import DataFolder
from opsicle.server.store import settings, workers
from opsicle.server.store.database import Connection, Database

SETTING = "order_key"


def open_order_key(folder: DataFolder, database: Database) -> OrderKey:
    """Return the folder's key.

    It is made at the first start, or once every worker that knew the last one is revoked.

    Raises Conflict while workers know a key that the folder does not hold.
    """
    key = folder.order_key(database.read(_pinned))
    database.write(lambda db: settings.put(db, SETTING, key.public.fingerprint))
    return key


def _pinned(db: Connection) -> str:
    """Return the fingerprint of the key that workers know.

    Return "" while there is none that must be kept.
    """
    return (settings.find(db, SETTING) or "") if workers.has_enrolled(db) else ""
