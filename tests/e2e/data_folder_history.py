"""What a server leaves in its data folder over time, and what its clients were told by then."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from opsicle.kit.clock import SystemClock
from opsicle.server.access.actor import SystemActor
from opsicle.server.approvals.binding_upgrade import binder
from opsicle.server.data_folder import DataFolder
from opsicle.server.keys.binding_key_file import open_binding_key
from opsicle.server.keys.master_key_file import MasterKeyFile
from opsicle.server.keys.order_key_file import open_order_key
from opsicle.server.opening import Opening, begin_epoch, open_state, pin_keys
from opsicle.server.state_marker import COMMITS, MARKER
from opsicle.server.store import audit, audit_checkpoints, settings
from opsicle.server.store.database import Database
from opsicle.server.store.log_database import LogDatabase

DATABASE = ("opsicle.db", "opsicle.db-wal")
LOGS = ("logs.db", "logs.db-wal")
KEYS = ("authority.pem", "audit.pem", "orders.pem", "master.key", "identity.key", "binding.key")
NOTES = (MARKER, COMMITS, "clean-stop")


@dataclass
class Acknowledged:
    """What a client was told is durable: each thing's newest value, the record's entries."""

    values: dict[str, str] = field(default_factory=dict)
    entries: int = 0


class ServerRun:
    """One run of a server on a folder, without its sockets: its parts, opened in its order."""

    def __init__(self, folder: Path, *, accept_restored: bool = False) -> None:
        self._clock = SystemClock()
        self._folder = DataFolder.open(folder)
        try:
            self._opened = open_state(self._folder, self._clock, _raise, Opening(accept_restored))
            self._state = self._opened.__enter__()
            self.database: Database = self._state.database
            try:
                self._open(accept_restored)
            except BaseException:
                self._opened.__exit__(None, None, None)
                raise
        except BaseException:
            self._folder.close()
            raise

    def _open(self, accept_restored: bool) -> None:
        authority = self._folder.authority(self._clock.now())
        audit_key = self._folder.audit_key(has_signed=self.database.read(audit_checkpoints.exists))
        open_order_key(self._folder, self.database)
        open_binding_key(self._folder, self.database, binder(self.database, self._clock))
        MasterKeyFile(self._folder, None).open_vault(self.database)
        pin_keys(self._folder, self.database, authority, audit_key)
        self.logs = LogDatabase.open(
            self._folder.log_database, _raise, self._clock.now, print, is_expected=True
        )
        self.epoch = begin_epoch(self._state, self._clock, accept_restored=accept_restored)

    def change(
        self, name: str, value: str, told: Acknowledged, *, is_recorded: bool = True
    ) -> None:
        """Change something, durably; only then is it told."""

        def work(db) -> None:
            settings.put(db, f"thing {name}", value)
            if is_recorded:
                audit.append(db, self._clock.now(), None, SystemActor(), "change", f"things/{name}")

        self.database.write(work)
        told.values[name] = value
        told.entries += is_recorded

    def mark(self) -> None:
        """Write the marker, as the server does every 5 s."""
        self._state.marker.write()

    def holds(self, told: Acknowledged) -> list[str]:
        """Return what is older than it was told.

        Every value begins with a number, and later ones have greater numbers.
        """

        def query(db) -> tuple[dict[str, str], int]:
            values = {name: settings.find(db, f"thing {name}") or "-1" for name in told.values}
            count = db.execute(
                "SELECT count(*) FROM audit_entries WHERE verb = 'change'"
            ).fetchone()[0]
            return values, count

        values, count = self.database.read(query)
        wrong = [
            f"{name} is older"
            for name, value in told.values.items()
            if _number(values[name]) < _number(value)
        ]
        return (
            wrong
            if count >= told.entries
            else [*wrong, f"{count} entries instead of {told.entries}"]
        )

    def stop(self) -> None:
        """Stop as a server does that is asked to."""
        self.mark()
        self.logs.close()
        self._opened.__exit__(None, None, None)
        self._folder.close()


def _number(value: str) -> int:
    return int(value.split(maxsplit=1)[0])


def _raise(error: BaseException) -> None:
    raise error


@dataclass
class Snapshot:
    """All files of a folder as a killed process leaves them, and what had been told by then."""

    name: str
    folder: Path
    told: Acknowledged


class History:
    """Snapshots of one server, killed and stopped, before and after checkpoints of its log."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self._root, self._rng = root, rng
        self._live = root / "live"
        self._acknowledged = Acknowledged()
        self.snapshots: list[Snapshot] = []
        self._numbers = iter(range(10**6))

    def make(self) -> None:
        server_run = ServerRun(self._live)
        self._snapshot("first")

        self._work(server_run, 20)
        self._snapshot("killed early")
        server_run.mark()
        self._work(server_run, 5)
        self._snapshot("killed")

        server_run.stop()
        self._snapshot("stopped")

        server_run = ServerRun(self._live)
        self._snapshot("started")
        self._work(server_run, 10)
        self._snapshot("killed again")

        for _ in range(3):  # each of these fills more than one write-ahead log
            self._fill(server_run)
            server_run.mark()
            self._snapshot("folded in")
            self._work(server_run, 3)
            self._snapshot("killed after folding in")

        server_run.stop()
        self._snapshot("stopped again")

        server_run = ServerRun(self._live)
        self._work(server_run, 2, is_recorded=False)
        self._snapshot("killed at last")
        server_run.stop()

    def _work(self, server_run: ServerRun, count: int, *, is_recorded: bool = True) -> None:
        for _ in range(count):
            number = next(self._numbers)
            server_run.change(
                str(self._rng.randrange(40)),
                f"{number}",
                self._acknowledged,
                is_recorded=is_recorded,
            )

    def _fill(self, server_run: ServerRun) -> None:
        """Write 6 MB at places all over the file."""
        pad = "x" * 60_000
        for number in range(100):
            server_run.change(f"large {number}", f"{next(self._numbers)} {pad}", self._acknowledged)

    def _snapshot(self, name: str) -> None:
        folder = self._root / f"{len(self.snapshots):02} {name}"
        folder.mkdir()
        for path in self._live.iterdir():
            if path.name not in {"lock", "opsicle.db-shm", "logs.db-shm"}:
                shutil.copyfile(path, folder / path.name)
        told = Acknowledged(dict(self._acknowledged.values), self._acknowledged.entries)
        self.snapshots.append(Snapshot(name, folder, told))
