"""The locks name what is installed, and each is a file that its authors published."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest

from building import wheels
from building.project import REQUIREMENTS, ROOT, BuildError, source_files

LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]

    assert [line for line in lines if not PIN.match(line) and not HASH.match(line)] == []
    assert all(HASH.match(after) for line, after in pairwise(lines) if PIN.match(line))


def test_tests_run_on_the_versions_that_are_shipped() -> None:
    assert pins(REQUIREMENTS / "runtime.txt") <= pins(REQUIREMENTS / "dev.txt")


READ_BY_THE_LIBRARY = {"tzdata"}
"""No module: zoneinfo reads it where the system has no time zones."""


def test_what_is_shipped_is_imported_somewhere() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    of_module = packages_distributions()
    imported = {
        normal(name)
        for module in imported_modules(ROOT / "opsicle")
        for name in of_module.get(module, ())
    }

    unused = {name for name in wanted if normal(name) not in imported}
    assert unused == READ_BY_THE_LIBRARY


def test_time_zones_are_known_where_the_system_has_none() -> None:
    script = "import zoneinfo; print(zoneinfo.TZPATH, zoneinfo.ZoneInfo('Australia/Lord_Howe'))"

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "() Australia/Lord_Howe\n", done.stderr


def test_what_only_some_need_is_not_loaded_before_they_need_it() -> None:
    script = (
        "import sys\n"
        "import opsicle.server.assembly, opsicle.server.lifecycle, opsicle.worker.main\n"
        "print(*sorted({'re2', 'websockets'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout == "\n"


def test_two_wheels_that_disagree_about_a_file_are_an_error(tmp_path: Path) -> None:
    wheels.place(tmp_path / "module.py", b"for 3.11", "one-cp311.whl")
    wheels.place(tmp_path / "module.py", b"for 3.11", "one-cp312.whl")

    with pytest.raises(BuildError, match=r"one-cp313\.whl has another module\.py"):
        wheels.place(tmp_path / "module.py", b"for 3.13", "one-cp313.whl")


def pins(lock: Path) -> set[tuple[str, str]]:
    return {
        (match[1], match[2]) for match in map(PIN.match, lock.read_text().splitlines()) if match
    }


def imported_modules(folder: Path) -> Iterator[str]:
    """Return the top-level names of all that the folder's files import."""
    for path in source_files(folder):
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from (alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    yield str(node.module).partition(".")[0]


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
