"""Backups of a server under load: each is restored, and holds what was acknowledged before it."""

from __future__ import annotations

import io
import threading
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from opsicle.kit.clock import SystemClock
from opsicle.security.age_keys import Passphrase
from opsicle.server.backups.backup import EVERYTHING, Backup
from opsicle.server.backups.restore import Restore, RestoreOptions
from tests.e2e.restored_sites import Site
from tests.support import SCALE, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

BACKUPS = max(3, round(3 * SCALE))
RUNS_APART_SECONDS = 0.1
KEY = Passphrase("correct horse battery", work_factor=4)


class Load:
    """Runs one automation after the other, and knows which were acknowledged."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged: list[str] = []

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._stopping.wait(RUNS_APART_SECONDS):
            self.acknowledged.append(self._site.run())

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


def test_each_backup_of_a_second_under_load_holds_what_was_acknowledged_before(
    site: Site, tmp_path: Path
) -> None:
    backups: list[tuple[list[str], bytes]] = []
    with Load(site) as load:
        due_at, known = time.monotonic(), 0
        for _ in range(BACKUPS):
            wait_until(
                lambda due_at=due_at, known=known: (
                    time.monotonic() >= due_at and len(load.acknowledged) > known
                ),
                60,
                "a second to pass, and something to be acknowledged in it",
            )
            due_at, known = due_at + 1, len(load.acknowledged)
            before, target = list(load.acknowledged), io.BytesIO()
            made = Backup(site.data, SystemClock(), lambda _: None)
            made.write(target, KEY, EVERYTHING)
            backups.append((before, target.getvalue()))

    for number, (before, backup) in enumerate(backups):
        to = tmp_path / str(number)
        restored = Restore(to, SystemClock(), lambda _: None, RestoreOptions()).run(
            io.BytesIO(backup), KEY
        )
        assert restored.audit_entries > len(before)
        with closing(apsw.Connection(str(to / "opsicle.db"))) as db:
            there = {str(row[0]) for row in db.execute("SELECT id FROM automations")}
        assert set(before) <= there
