"""What is installed is what the locks name, and the locks name files that their authors published."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from building import wheels
from building.project import REQUIREMENTS, BuildError

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


def test_two_wheels_that_disagree_about_a_file_are_an_error(tmp_path: Path) -> None:
    wheels.place(tmp_path / "module.py", b"for 3.11", "one-cp311.whl")
    wheels.place(tmp_path / "module.py", b"for 3.11", "one-cp312.whl")

    with pytest.raises(BuildError, match=r"one-cp313\.whl has another module\.py"):
        wheels.place(tmp_path / "module.py", b"for 3.13", "one-cp313.whl")


def pins(lock: Path) -> set[tuple[str, str]]:
    return {(match[1], match[2]) for match in map(PIN.match, lock.read_text().splitlines()) if match}
