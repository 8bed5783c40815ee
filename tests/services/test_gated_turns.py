"""Turns that are left out while there is nothing to do, and never while there is something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from opsicle.kit.clock import to_text
from opsicle.server.gated_turn import LONGEST_REST_SECONDS, GatedTurn
from opsicle.server.quiet import QuietTurn
from opsicle.server.store.database import Connection, Database
from tests.services.clocks import ManualClock


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "test.db", on_fatal=lambda error: None)
    database.write(lambda db: db.execute("CREATE TABLE due (at TEXT) STRICT").fetchall())
    yield database
    database.close()


class Counted:
    """A gated turn that counts how often it looks, and what a test lets happen as it does."""

    def __init__(self, database: Database) -> None:
        self.clock = ManualClock()
        self.looks: list[float] = []
        self.found = 0
        self.meanwhile = lambda: None
        self._gated = GatedTurn(self._look, database, self.clock, _find_due_at)
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Take turns until one is left out."""
        while self.turn():
            pass
        self.looks.clear()

    def turn(self, late: float = 0.0) -> bool:
        """Take a turn. Return whether it looked."""
        before = len(self.looks)
        self._gated(late)
        return len(self.looks) > before

    def _look(self, late: float) -> int:
        self.looks.append(late)
        self.meanwhile()
        return self.found


def _find_due_at(db: Connection) -> str | None:
    row = db.execute("SELECT min(at) FROM due").fetchone()
    return str(row[0]) if row and row[0] else None


def put(database: Database, text: str) -> None:
    database.write(lambda db: db.execute("INSERT INTO due VALUES (?)", (text,)).fetchall())


def remove_all(database: Database) -> None:
    database.write(lambda db: db.execute("DELETE FROM due").fetchall())


def test_nothing_is_looked_at_while_nothing_changes(database: Database) -> None:
    counted = Counted(database)

    for _ in range(50):
        counted.clock.advance(1)
        counted.turn()

    assert counted.looks == []


def test_a_commit_is_seen_at_the_next_turn(database: Database) -> None:
    counted = Counted(database)

    put(database, "9")

    assert counted.turn()
    assert not counted.turn()


def test_what_another_process_commits_is_seen_at_the_next_turn(database: Database) -> None:
    counted = Counted(database)

    other = apsw.Connection(str(database.path))
    other.execute("INSERT INTO due VALUES ('9')")
    other.close()

    assert counted.turn()


def test_what_is_committed_while_a_turn_looks_is_seen_by_the_next(database: Database) -> None:
    counted = Counted(database)
    put(database, "9")
    counted.meanwhile = lambda: put(database, "9")
    counted.turn()

    counted.meanwhile = lambda: None

    assert counted.turn()
    assert not counted.turn()


def test_a_time_is_kept_to_the_second(database: Database) -> None:
    counted = Counted(database)
    put(database, to_text(counted.clock.now() + timedelta(seconds=20)))
    counted.wait_until_idle()

    counted.clock.advance(19)
    assert not counted.turn()

    counted.clock.advance(1)
    assert counted.turn()
    assert counted.turn(), "what is due, and was not done, is looked at again"

    remove_all(database)
    assert counted.turn()
    assert not counted.turn()


def test_a_clock_that_is_set_is_followed_at_once(database: Database) -> None:
    counted = Counted(database)
    put(database, to_text(counted.clock.now() + timedelta(hours=1)))
    counted.wait_until_idle()

    counted.clock.step(3600)
    assert counted.turn()

    counted.clock.step(-7200)
    counted.wait_until_idle()
    counted.clock.step(7200)
    assert counted.turn()


def test_it_is_looked_again_after_a_while_whatever_was_seen(database: Database) -> None:
    counted = Counted(database)

    counted.clock.step(-86_400)  # by the count of seconds, which nobody sets
    counted.clock.advance(LONGEST_REST_SECONDS - 1)
    assert not counted.turn()

    counted.clock.suspend(1)
    assert counted.turn()


def test_a_turn_that_found_something_is_followed_by_one_that_looks(database: Database) -> None:
    counted = Counted(database)
    put(database, "9")
    counted.found = 3

    assert [counted.turn() for _ in range(3)] == [True] * 3

    counted.found = 0
    assert counted.turn()
    assert not counted.turn()


def test_a_turn_that_failed_is_followed_by_one_that_looks(database: Database) -> None:
    counted = Counted(database)
    put(database, "9")

    def fail() -> None:
        raise RuntimeError("the disk is full")

    counted.meanwhile = fail
    for _ in range(2):
        with pytest.raises(RuntimeError):
            counted.turn()

    counted.meanwhile = lambda: None
    assert counted.turn()


def test_a_turn_that_comes_late_looks_and_is_told(database: Database) -> None:
    counted = Counted(database)

    assert counted.turn(late=30.0)

    assert counted.looks == [30.0]


def test_a_quiet_server_rests_once_and_again_only_after_something_was_committed(
    database: Database,
) -> None:
    rests: list[str] = []
    turn = QuietTurn(lambda: rests.append("rest"), database)

    def take(turns: int) -> int:
        """Return how often it rested."""
        rests.clear()
        for _ in range(turns):
            turn(0.0)
        return len(rests)

    assert take(1) == 0, "who knows what was before"
    assert take(3) == 1
    put(database, "2026-01-01")
    assert take(1) == 0
    put(database, "2026-01-02")
    assert take(1) == 0
    assert take(3) == 1
