"""A hundred starts from data folders cut, copied and mixed from old and new files.

Each start serves all that was acknowledged, or refuses and says what to do; none serves less
without a word. The judge is what the server's clients were told.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from opsicle.domain.errors import OpsicleError
from opsicle.kit import files
from opsicle.server.state_marker import MARKER
from opsicle.server.store import settings
from tests.e2e.data_folder_history import DATABASE, KEYS, LOGS, NOTES, History, ServerRun, Snapshot
from tests.support import SCALE, seeded_random

STARTS = max(15, round(50 * SCALE))
"""`build.py nightly` has a hundred."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 2 * STARTS)]


@pytest.fixture(scope="module")
def rng() -> random.Random:
    return seeded_random()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, rng: random.Random) -> History:
    history = History(tmp_path_factory.mktemp("history"), rng)
    history.make()
    return history


@dataclass
class Site:
    """A folder to start from.

    `target` holds the files of `now` under their own inode numbers, as the server left them.
    """

    target: Path
    now: Snapshot
    history: History
    rng: random.Random
    done: list[str] = field(default_factory=list)

    def lay(self) -> None:
        """Lay the newest state as the server itself left it: in files that the marker knows."""
        self.target.mkdir()
        for path in self.now.folder.iterdir():
            shutil.copyfile(path, self.target / path.name)
            (self.target / path.name).chmod(0o600)
        marker, database = (
            json.loads((self.target / MARKER).read_text()),
            self.target / "opsicle.db",
        )
        if marker["database"]:
            marker |= {
                "database": database.stat().st_ino,
                "database_born_at_ns": files.born_at_ns(database),
            }
        (self.target / MARKER).write_text(json.dumps(marker))

    def note(self, text: str) -> None:
        self.done.append(text)


def other(site: Site, *, is_older: bool) -> Snapshot:
    place = site.history.snapshots.index(site.now)
    pool = site.history.snapshots[:place] if is_older else site.history.snapshots
    return site.rng.choice(
        [each for each in pool if each is not site.now] or site.history.snapshots[:1]
    )


def replace(site: Site, name: str, source: Snapshot) -> None:
    """Overwrite a file by another snapshot's, keeping its inode; remove it if that has none."""
    site.note(f"{name} of {source.folder.name!r}")
    if (source.folder / name).exists():
        (site.target / name).write_bytes((source.folder / name).read_bytes())
        (site.target / name).chmod(0o600)
    else:
        (site.target / name).unlink(missing_ok=True)


def as_it_was(site: Site) -> None:
    pass


def looked_into(site: Site) -> None:
    """Open the database with another tool, which checkpoints the log and removes it."""
    connection = apsw.Connection(str(site.target / "opsicle.db"))
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    connection.close()


def remove_one(site: Site) -> None:
    name = site.rng.choice([*DATABASE, *LOGS, *KEYS, *NOTES])
    site.note(f"{name} removed")
    (site.target / name).unlink(missing_ok=True)


def cut_one(site: Site) -> None:
    name = site.rng.choice([*DATABASE, *DATABASE, *LOGS, *NOTES, *KEYS])
    path = site.target / name
    if path.exists() and path.stat().st_size:
        size = site.rng.randrange(path.stat().st_size)
        site.note(f"{name} cut to {size} of {path.stat().st_size} bytes")
        os.truncate(path, size)


def older_database(site: Site) -> None:
    source = other(site, is_older=True)
    for name in DATABASE:
        replace(site, name, source)


def mixed_database(site: Site) -> None:
    replace(site, site.rng.choice(DATABASE), other(site, is_older=False))


def mixed_anything(site: Site) -> None:
    for _ in range(site.rng.randrange(1, 4)):
        replace(
            site,
            site.rng.choice([*DATABASE, *DATABASE, *LOGS, *NOTES]),
            other(site, is_older=False),
        )


def copied_whole(site: Site) -> None:
    """Everything is there, in another file: a copy, which must not serve beside the first."""
    site.note("copied")
    copy = site.target.with_name(f"{site.target.name}-copy")
    shutil.copytree(site.target, copy)
    site.target = copy


def part_of_it(site: Site) -> None:
    """Keep what a backup of `*.db *.pem *.key` would."""
    site.note("only *.db *.pem *.key")
    for path in site.target.iterdir():
        if path.suffix not in {".db", ".pem", ".key"}:
            path.unlink()


def damaged(site: Site) -> None:
    name = site.rng.choice([*DATABASE, *LOGS])
    path = site.target / name
    if path.exists() and path.stat().st_size > 8192:
        content = bytearray(path.read_bytes())
        at = site.rng.randrange(0, len(content) - 4096)
        content[at : at + 4096] = site.rng.randbytes(4096)
        site.note(f"{name} overwritten at {at}")
        path.write_bytes(content)


def another_key(site: Site) -> None:
    # Without workers a new key for orders is as good.
    name = site.rng.choice([key for key in KEYS if key != "orders.pem"])
    other = site.target.with_name(f"{site.target.name}-other")
    ServerRun(other).stop()
    site.note(f"another server's {name}")
    (site.target / name).write_bytes((other / name).read_bytes())
    shutil.rmtree(other)


WAYS: list[Callable[[Site], None]] = [
    as_it_was,
    looked_into,
    remove_one,
    *(cut_one, cut_one),
    older_database,
    *(mixed_database, mixed_database),
    mixed_anything,
    copied_whole,
    part_of_it,
    damaged,
    another_key,
]


@dataclass
class Tally:
    served: int = 0
    refused: int = 0
    ways: dict[str, list[str]] = field(default_factory=dict)

    def note(self, way: str, came_of_it: ServerRun | OpsicleError) -> None:
        is_served = isinstance(came_of_it, ServerRun)
        self.served += is_served
        self.refused += not is_served
        self.ways.setdefault(way, []).append("served" if is_served else "refused")


def attempt(folder: Path, *, accept_restored: bool = False) -> ServerRun | OpsicleError:
    """Start, or what a person is told instead."""
    try:
        return ServerRun(folder, accept_restored=accept_restored)
    except OpsicleError as error:
        return error


def start(site: Site, tally: Tally, way: str) -> None:
    """Start once. What is served is all of it, and what is refused says how to go on."""
    story = f"{site.now.folder.name!r}: {'; '.join(site.done) or 'as it was'}"
    server_run = attempt(site.target)
    tally.note(way, server_run)
    if isinstance(server_run, OpsicleError):
        assert server_run.hint, f"{story}\n{server_run.message} names no way out"
        assert site.done, f"{story}\nrefused: {server_run.message}"
        accept(site, story, server_run)
        return
    missing = server_run.holds(site.now.told)
    server_run.stop()
    assert not missing, f"{story}\nserved less than was acknowledged: {missing[:5]}"


def accept(site: Site, story: str, refusal: OpsicleError) -> None:
    """Accept what there is, where that is the way out: a new epoch, with the queue held."""
    if "holds less" not in refusal.message:
        return
    server_run = attempt(site.target, accept_restored=True)
    if isinstance(server_run, OpsicleError):
        # A key is missing as well, or what is left is no whole database.
        assert server_run.hint, f"{story}\n{server_run.message} names no way out"
        return
    held = server_run.database.read(lambda db: settings.find(db, "held"))
    server_run.stop()
    assert (server_run.epoch.number > 1, held) == (True, "held after a restore"), story
    again = attempt(site.target)
    assert isinstance(again, ServerRun), story
    again.stop()


def test_starts_serve_everything_or_refuse(
    history: History, rng: random.Random, tmp_path: Path
) -> None:
    tally = Tally()
    for number in range(STARTS):
        way = WAYS[number % len(WAYS)]
        site = Site(tmp_path / f"{number:03}", rng.choice(history.snapshots[1:]), history, rng)
        site.lay()
        way(site)
        start(site, tally, way.__name__)
        for path in tmp_path.glob(f"{number:03}*"):
            shutil.rmtree(path)
    print(
        {
            way: (results.count("served"), results.count("refused"))
            for way, results in tally.ways.items()
        }
    )
    assert set(tally.ways["as_it_was"]) == {"served"}
    assert set(tally.ways["looked_into"]) == {"served"}
    assert set(tally.ways["copied_whole"]) == {"refused"}
    assert set(tally.ways["part_of_it"]) == {"refused"}
    assert "served" not in tally.ways["another_key"]
    assert tally.served > STARTS / 8
    assert tally.refused > STARTS / 4
