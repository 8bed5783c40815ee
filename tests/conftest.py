"""What all tests share."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.runner import runtestprotocol
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from opsicle.kit import ids, signals
from tests import dropped_processes, forking_tests, private_folders
from tests.support import require

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

MOST_CHARACTERS = 40
LONGEST_FIRST = ("browser", "http", "e2e", "api", "worker", "packaging", "services", "unit")
"""The folders in the order in which they begin: what is left for the end is short, so all processes
end together."""
LONG_FILES = frozenset(
    {
        "tests/unit/test_audit_record.py",
        "tests/unit/test_cli_demo.py",
        "tests/unit/test_cli_odd_arguments.py",
        "tests/unit/test_cli_standard_streams.py",
        "tests/unit/test_migrations.py",
        "tests/unit/test_warm_cli.py",
        "tests/unit/test_yaml_documents.py",
    }
)
"""Those of the last folder that take seconds; they begin before its others."""
SHARES_A_SERVER = {"browser": 2, "http": 1}
"""Folders whose tests share a server, and a Chromium, and in how many processes, each with its own:
the browser's are a quarter of all work, and one process with them would be the last to end."""

MEMORY_DISK = private_folders.MEMORY_DISK
MEMORY_DISK_BYTES = 2 * 1024**3
"""What the folders of tests that run take at most, with those of some that have failed."""

# Nothing that collecting makes is garbage, and it makes very much in each of the processes: to look
# through it again and again would be a third of the time.
gc.disable()


class OneAtATime(LoadScopeScheduling):
    """Gives each process a file at a time, or a share of a folder that shares a server."""

    def _split_scope(self, nodeid: str) -> str:
        folder, file = _folder(nodeid), nodeid.partition("::")[0]
        if folder not in SHARES_A_SERVER:
            return file
        return f"{folder} {zlib.adler32(file.encode()) % SHARES_A_SERVER[folder]}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Share the tests out by what they share, where they are to be shared out by file."""
    return OneAtATime(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; within a folder the order of the others stays."""
    rank = {folder: place for place, folder in enumerate(LONGEST_FIRST)}

    def place(item: pytest.Item) -> tuple[int, bool]:
        is_short = item.nodeid.partition("::")[0] not in LONG_FILES
        return rank.get(_folder(item.nodeid), 0), is_short

    items.sort(key=place)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Let the garbage collector look for what tests leave behind, and only for that."""
    gc.freeze()
    gc.enable()


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Report a test of several processes by one message where it passes, in place of five.

    All go through one process, which would take a twentieth of a run to read that each test begins,
    is prepared, is taken apart and ends. With -v, which shows that, they come.
    """
    if not hasattr(item.config, "workerinput") or item.config.get_verbosity() > 0:
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Remove what workers that were killed have left in memory, once all fixtures have ended."""
    private_folders.remove_all()


def _folder(nodeid: str) -> str:
    """Return the folder under `tests` in which a test is."""
    return nodeid.split("/")[1]


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what all tests share.

    Where several processes run them, those are forks of one that has loaded the modules. Ctrl-C
    reaches what they start, even if they were started in the background themselves. Their folders
    are in memory where there is room: no test takes the power away, and waiting for a disk would be
    half of the time, and a quarter of the processors' work, of many of them.
    """
    signals.restore_defaults()
    dropped_processes.note_all()
    if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free > MEMORY_DISK_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_DISK))
    if set(config.getoption("tx", ())) == {"popen"}:
        forks = ExitStack()
        config.add_cleanup(forks.close)
        spec = forks.enter_context(forking_tests.loaded(config))
        config.option.tx = [spec for _ in config.option.tx]


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a long text by its parameter.

    Keys and hashes differ at each start, and parallel runs compare names.
    """
    return argname if isinstance(val, str) and len(val) > MOST_CHARACTERS else None


@pytest.fixture(autouse=True)
def no_process_dropped() -> Iterator[None]:
    """Fail a test that drops a process without waiting for its end."""
    yield
    dropped_processes.collect()


@pytest.fixture(autouse=True)
def ids_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ids follow the clock of their own test.

    They only grow within a process, so a test whose clock has been ten years ahead would give all
    that follow it ids from then: nothing that they make would be older than anything else.
    """
    monkeypatch.setattr(ids, "_sequence", ids._IdSequence())


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Start what drives browsers.

    One for all tests of a process, because a second one cannot be started in it.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """Return a folder on a disk, for what minds one in memory."""
    with tempfile.TemporaryDirectory(prefix="opsicle-test-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 24 MiB."""
    require(os.geteuid() == 0, "root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0755", "tmpfs", str(disk)], check=True
    )
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
