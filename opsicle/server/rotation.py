"""Changing the master key while the server is stopped."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from opsicle.kit.clock import SystemClock
from opsicle.security.master_key import MasterKey
from opsicle.server.access.actor import SystemActor
from opsicle.server.data_folder import DataFolder, require_server_folder
from opsicle.server.keys.master_key_file import MasterKeyFile
from opsicle.server.opening import open_state
from opsicle.server.store import audit
from opsicle.server.store.database import Connection


def rotate_master_key(data_dir: Path, key_file: Path | None) -> int:
    """Make a new master key and wrap every data key under it, in one transaction.

    How many there were.

    Raises Conflict while a server uses the folder, and if something in it does not open: then
    nothing has changed.
    """
    require_server_folder(data_dir)

    with closing(DataFolder.open(data_dir)) as folder:
        file = MasterKeyFile(folder, key_file)
        with open_state(folder, SystemClock(), _fail) as state:
            vault = file.open_vault(state.database)
            new = MasterKey.create()
            file.write_next(new)

            def work(db: Connection) -> int:
                count = vault.rewrap_all(db, new)
                audit.append(
                    db,
                    SystemClock().now(),
                    None,
                    SystemActor(),
                    "rotate",
                    "master-key",
                    {"values": count},
                )
                return count

            count = state.database.write(work)
        file.promote()
    return count


def _fail(error: BaseException) -> None:
    raise error
