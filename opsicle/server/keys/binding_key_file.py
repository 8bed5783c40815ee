"""Where the binding key lives: a file of mode 0600 beside the database, made at the first start.

That there is a file says that everything which waits has a code, so that nothing without one is
believed. A version from before there was a key leaves none: then what waits is bound once, before
the key gets its name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from opsicle.domain.errors import Conflict
from opsicle.kit import files
from opsicle.security.binding_key import BindingKey
from opsicle.server.data_folder import DataFolder, explained
from opsicle.server.store import settings
from opsicle.server.store.database import Database

log = logging.getLogger(__name__)

FILE_NAME = "binding.key"
SETTING = "binding_key"
_RECOVERY_HINT = "If there is none, start once with --accept-restored: what waits then ends."


BindWaiting = Callable[[BindingKey], int]
"""Binds what an older version has left waiting, and returns how many automations that were."""


def open_binding_key(
    folder: DataFolder,
    database: Database,
    bind_waiting: BindWaiting,
    *,
    accept_restored: bool = False,
) -> BindingKey:
    """Return the folder's key.

    Where there has been none, make it, and bind what an older version has left waiting.

    The key is kept under another name until that is done, so that a start which was cut short goes
    on where it was. With `accept_restored` a lost key, or another database's, gives way to a new
    one; what waits then ends. Raises Conflict for such a one else.
    """
    path = folder.path / FILE_NAME
    draft = path.with_name(f"{FILE_NAME}.next")
    known = database.read(lambda db: settings.find(db, SETTING))
    with explained(folder.path):
        if not path.exists():
            if known is not None and accept_restored:
                # Nothing is bound under the new key: what waits ends.
                files.replace(path, BindingKey.create().content)
                log.warning(
                    "the binding key is lost: what waits will not be run", extra={"file": FILE_NAME}
                )
                known = None
            else:
                _begin(path, draft, known, bind_waiting)
        key = BindingKey(path.read_bytes())

    if known not in (None, key.fingerprint) and not accept_restored:
        raise Conflict(
            f"{FILE_NAME} is not the key of this database",
            hint=f"Restore the one that belongs to it. {_RECOVERY_HINT}",
        )

    database.write(lambda db: settings.put(db, SETTING, key.fingerprint))
    return key


def _begin(path: Path, draft: Path, known: str | None, bind_waiting: BindWaiting) -> None:
    """Make the key, or go on with making it.

    It gets its name only once everything that waits is bound.
    """
    if not draft.exists():
        if known is not None:
            raise Conflict(
                f"the data folder has lost {FILE_NAME}, "
                "by which the server knows what it was asked to run",
                hint=f"Restore it from a backup. {_RECOVERY_HINT}",
            )
        files.replace(draft, BindingKey.create().content)
    if bound := bind_waiting(BindingKey(draft.read_bytes())):
        log.info("what waited under an older version was bound", extra={"automations": bound})
    draft.replace(path)
    files.sync_folder(path.parent)
