"""How far a replica that the real Litestream makes is said to be behind, by a clock of the test."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import apsw
import gevent
import pytest

from opsicle.kit.clock import SystemClock
from opsicle.server import replicas
from opsicle.server.doctor.findings import Level
from opsicle.server.doctor.replica_checks import check_replica
from opsicle.server.replica_watch import ReplicaWatch
from tests.e2e.litestream import litestream
from tests.services.clocks import ManualClock
from tests.support import wait_until


class Replicated:
    """Two databases, and a watch over their replicas whose turns the test takes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.replica = folder, folder / "replica"
        self.databases = {name: self._open(name) for name in replicas.DATABASES}
        self.clock = ManualClock()
        self.clock.step((SystemClock().now() - self.clock.now()).total_seconds())
        self.remarks = ["another's"]
        self.beats: list[float] = []
        self.watch = ReplicaWatch(folder, self.replica, self.remarks, self.clock, self._beat)
        lines = [
            f"  - {{path: {folder / name}, replica: {{type: file, path: {self.replica / name}, "
            "sync-interval: 100ms}}"
            for name in replicas.DATABASES
        ]
        (folder / "litestream.yml").write_text("\n".join(["dbs:", *lines]))

    def _open(self, name: str) -> apsw.Connection:
        db = apsw.Connection(str(self.folder / name))
        db.pragma("journal_mode", "wal")
        db.execute("CREATE TABLE entries (number INTEGER)")
        return db

    def write(self, name: str = "opsicle.db") -> None:
        self.databases[name].execute("INSERT INTO entries VALUES (1)")

    def _beat(self) -> None:
        self.beats.append(self.clock.elapsed())

    @contextmanager
    def litestream(self) -> Iterator[None]:
        config = str(self.folder / "litestream.yml")
        command = [str(litestream()), "replicate", "-config", config]
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                yield
            finally:
                process.kill()
                process.wait()

    def lag(self, after_seconds: float = 0) -> dict[str, float]:
        """Return what a look after so long says."""
        self.clock.advance(after_seconds)
        self.watch.turn()
        wait_until(lambda: self.watch._looking_since is None, what="the look", pause=gevent.sleep)
        return dict(self.watch.lag_seconds())

    def follows(self) -> bool:
        return set(self.lag(1).values()) == {0.0}

    def examined(self, *, beside_server: bool, ahead: float = 0) -> dict[str, Level]:
        """Return what `opsicle doctor` says, by the words that it says."""
        data = self.folder if beside_server else None
        now = SystemClock().now() + timedelta(seconds=ahead)
        return {each.message: each.level for each in check_replica(self.replica, data, now)}


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[Replicated]:
    made = Replicated(tmp_path)
    made.lag()
    yield made
    made.watch.close()
    for db in made.databases.values():
        db.close()


def test_a_replica_falls_behind_with_litestream_stopped_and_follows_once_it_is_back(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsicle.server.doctor.replica_checks._WAIT_SECONDS", 0.5)
    assert replicated.lag(100)["logs.db"] == 100.0, "one that is not there lacks everything"
    assert set(replicated.examined(beside_server=False).values()) == {Level.PROBLEM}

    with replicated.litestream():
        wait_until(replicated.follows, 60, "both to be replicated")
    assert replicated.lag(5000)["opsicle.db"] == 0.0, "nothing was written to it"

    replicated.write()
    assert replicated.lag(5)["opsicle.db"] == pytest.approx(5)
    lag = replicated.lag(1000)
    assert lag == {"opsicle.db": pytest.approx(1005), "logs.db": 0.0}
    assert replicated.remarks == [
        "another's",
        "the replica of opsicle.db lacks what was written in the last 16 min 45 s",
    ]
    (behind,) = (
        message
        for message, level in replicated.examined(beside_server=True).items()
        if level == Level.PROBLEM
    )
    assert "that of opsicle.db has nothing that was written after" in behind

    with replicated.litestream():
        wait_until(replicated.follows, 60, "it to follow again")
        assert replicated.remarks == ["another's"]
        wait_until(
            lambda: set(replicated.examined(beside_server=True).values()) == {Level.OK},
            60,
            "nothing to be missing",
        )
    assert set(replicated.examined(beside_server=False).values()) == {Level.OK}
    late = replicated.examined(beside_server=False, ahead=replicas.LATE_SECONDS + 60)
    assert list(late.values()) == [Level.PROBLEM, Level.OK], "logs are not written all the time"


def test_what_nobody_has_looked_at_yet_counts_as_late(replicated: Replicated) -> None:
    replicated.clock.step(10)

    assert set(replicated.watch.lag_seconds().values()) == {10}


def test_what_is_written_all_the_time_is_never_called_late_while_it_is_copied(
    replicated: Replicated,
) -> None:
    with replicated.litestream():
        wait_until(replicated.follows, 60, "both to be replicated")
        seen = []
        for _ in range(3):
            before = replicas.find_newest(replicated.replica, "opsicle.db")
            assert before

            def has_moved(number: int = before.number + 2) -> bool:
                replicated.write()
                piece = replicas.find_newest(replicated.replica, "opsicle.db")
                return piece is not None and piece.number >= number

            wait_until(has_moved, 60, "two more pieces")
            replicated.write()
            seen.append(replicated.lag(1000)["opsicle.db"])

    assert max(seen) <= 2000, "of looks that are a thousand seconds apart"


def test_a_log_that_began_anew_is_more_than_what_was_copied(replicated: Replicated) -> None:
    with replicated.litestream():
        wait_until(replicated.follows, 60, "both to be replicated")
    db = replicated.databases["opsicle.db"]
    db.pragma("wal_checkpoint(RESTART)")
    piece = replicas.find_newest(replicated.replica, "opsicle.db")
    assert piece
    assert not replicas.has_more(replicated.folder / "opsicle.db", piece)

    with closing(apsw.Connection(str(replicated.folder / "opsicle.db"))) as other:
        other.execute("INSERT INTO entries VALUES (2)")

    assert replicas.has_more(replicated.folder / "opsicle.db", piece)


def test_what_is_no_replica_is_said_and_counts_as_late(replicated: Replicated) -> None:
    level = replicated.replica / "opsicle.db/ltx/0"
    level.mkdir(parents=True)
    (level / "0000000000000001-0000000000000001.ltx").write_bytes(b"something else" * 10)

    replicated.lag(replicas.BEAT_SECONDS / 2)
    replicated.lag(replicas.BEAT_SECONDS / 2)
    assert replicated.beats == [0.0, replicas.BEAT_SECONDS], "for the standby to tell"

    assert replicated.lag(300 - replicas.BEAT_SECONDS)["opsicle.db"] == 300.0
    said = replicated.examined(beside_server=False)
    assert any("is no LTX file that this program knows" in message for message in said)


def test_a_folder_that_hangs_holds_nobody_up_and_counts_as_late(replicated: Replicated) -> None:
    level = replicated.replica / "opsicle.db/ltx/0"
    level.mkdir(parents=True)
    file = level / "0000000000000001-0000000000000001.ltx"
    os.mkfifo(file)  # whose opening waits for somebody who writes

    replicated.watch.turn()
    replicated.clock.advance(300)
    replicated.watch.turn()

    assert replicated.watch.lag_seconds()["opsicle.db"] == 300.0
    assert len(replicated.remarks) > 1
    wait_until(lambda: has_let_go(file), what="the look", pause=gevent.sleep)


def has_let_go(pipe: Path) -> bool:
    """Let whoever waits for a pipe's writer go on; return whether somebody did."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        if error.errno == errno.ENXIO:  # nobody waits yet
            return False
        raise
    return True
