"""Whether the keys are there with which a server's database was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opsicle.server.doctor.findings import Diagnosis, ok, problem, warning
from opsicle.server.keys.key_files import key_files
from opsicle.server.keys.key_fits import MASTER, SEALING, find_misfits
from opsicle.server.store.database import Connection


def check_keys(folder: Path, db: Connection) -> Iterator[Diagnosis]:
    """Tell which keys do not fit: a server that runs has its own in memory until a restart."""
    keys = {path.name: path.read_bytes() for path in key_files(folder) if path.is_file()}
    misfits = list(find_misfits(db, keys))
    for name, is_lost in misfits:
        if is_lost and name == MASTER:
            yield warning(
                "keys", f"{name} is not in the folder",
                "Right where the server is told of another file (--master-key-file). Else put it "
                "back before the next restart.",
            )  # fmt: skip
        elif is_lost and name == SEALING:
            yield warning(
                "keys", f"{name} is lost: no authenticator app is accepted any more",
                "Put it back from the last backup, or give everybody a new app.",
            )  # fmt: skip
        elif name == MASTER:
            yield problem(
                "keys", f"{name} is not the key with which the database was written",
                "Remove it if the server is told of another file (--master-key-file). Else put the "
                "one from the last backup in its place before the next restart.",
            )  # fmt: skip
        else:
            how = "is lost" if is_lost else "is not the key with which the database was written"
            yield problem(
                "keys", f"{name} {how}: the server does not start again with that",
                "Put it back from the last backup before the next restart.",
            )  # fmt: skip
    if not misfits:
        yield ok("keys", "all with which the database was written are there")
