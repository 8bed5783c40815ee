"""Whether the keys are there with which a server's database was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opsicle.server.doctor.findings import Diagnosis, ok, problem, warning
from opsicle.server.keys import binding_key_file, master_key_file, order_key_file
from opsicle.server.keys.key_files import pin_setting
from opsicle.server.keys.vault import CHECK_SETTING
from opsicle.server.store import settings
from opsicle.server.store.database import Connection

_SEALING = "identity.key"
_KNOWN_BY = {
    "authority.pem": pin_setting("authority.pem"),
    "audit.pem": pin_setting("audit.pem"),
    "orders.pem": order_key_file.SETTING,
    _SEALING: pin_setting(_SEALING),
    binding_key_file.FILE_NAME: binding_key_file.SETTING,
    master_key_file.FILE_NAME: CHECK_SETTING,
}
"""The files of a folder, and where its database says that there was one."""


def check_keys(folder: Path, db: Connection) -> Iterator[Diagnosis]:
    """Tell which keys are lost: a server that runs has them in memory until it is restarted."""
    lost = [
        name
        for name, setting in _KNOWN_BY.items()
        if not any((folder / each).exists() for each in (name, f"{name}.next"))
        and settings.find(db, setting) is not None
    ]
    for name in lost:
        if name == master_key_file.FILE_NAME:
            yield warning(
                "keys", f"{name} is not in the folder",
                "Right where the server is told of another file (--master-key-file). Else put it "
                "back before the next restart.",
            )  # fmt: skip
        elif name == _SEALING:
            yield warning(
                "keys", f"{name} is lost: no authenticator app is accepted any more",
                "Put it back from the last backup, or give everybody a new app.",
            )  # fmt: skip
        else:
            yield problem(
                "keys", f"{name} is lost: the server does not start again without it",
                "Put it back from the last backup before the next restart.",
            )  # fmt: skip
    if not lost:
        yield ok("keys", "all with which the database was written are there")
