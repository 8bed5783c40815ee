"""How the tests are distributed over processes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from building import tests as runner
from building.project import ROOT
from tests.conftest import LONGEST_FIRST, SHARES_A_SERVER

NOTES_WHERE_IT_RAN = """
import os
from pathlib import Path
import pytest

with Path("loaded").open("a") as loaded:
    print(__name__, file=loaded)

@pytest.mark.parametrize("number", range(6))
def test_it(number):
    with Path("ran").open("a") as ran:
        print(__file__.rsplit("/", 2)[1:], os.environ["PYTEST_XDIST_WORKER"], sep=";", file=ran)
"""
FOLDERS = ("browser", "http", "unit")
FILES = ("test_a.py", "test_b.py", "test_c.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run three files in each of three folders; return where they were."""
    tmp_path = tmp_path_factory.mktemp("parallel")
    for folder in FOLDERS:
        (tmp_path / "tests" / folder).mkdir(parents=True)
        for name in FILES:
            (tmp_path / "tests" / folder / name).write_text(NOTES_WHERE_IT_RAN)

    for name in (
        "conftest.py",
        "dropped_processes.py",
        "forking_tests.py",
        "private_folders.py",
        "support.py",
    ):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")

    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
    }
    command = [sys.executable, "-m", "pytest", "-n", "3", *runner.SHARED_OUT]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path


def test_a_file_and_a_folder_that_shares_a_server_stay_in_one_process(folder: Path) -> None:
    where: dict[str, set[str]] = {}
    ran = (folder / "ran").read_text().splitlines()
    for line in ran:
        file, process = line.split(";")
        where.setdefault(file, set()).add(process)

    assert len(ran) == 54
    assert [len(processes) for processes in where.values()] == [1] * 9
    in_folder = {name: set.union(*(where[str([name, file])] for file in FILES)) for name in FOLDERS}
    assert len(in_folder["http"]) == 1
    assert len(in_folder["browser"]) == 2


def test_a_module_is_loaded_once_for_all_processes(folder: Path) -> None:
    loaded = (folder / "loaded").read_text().splitlines()

    assert len(loaded) == len(set(loaded)) == 9


def test_every_folder_of_tests_has_its_place() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}

    assert folders == set(LONGEST_FIRST)
    assert folders >= set(SHARES_A_SERVER)


def test_there_are_more_processes_than_cores() -> None:
    assert (
        runner.processes() > len(os.sched_getaffinity(0))
        or runner.processes() == runner.MOST_PROCESSES
    )


def test_compiled_modules_are_kept_whatever_the_machine_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    program = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]

    found = subprocess.run(
        program, env=runner.environment(), check=True, capture_output=True, text=True
    )

    assert found.stdout == "False\n"
