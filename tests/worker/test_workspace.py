"""The private folder of a job: made, confined, and removed without harm to anything else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from opsicle.worker import cleanup
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.workspace import Workspace, remove_folder
from tests.support import require
from tests.worker.job_runs import Machine, phase


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "root", "job-1")
    made.make()
    return made


def test_what_a_link_points_to_is_not_removed(workspace: Workspace, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    (workspace.path / "link").symlink_to(precious)
    (workspace.path / "dir").mkdir()

    (workspace.path / "dir/up").symlink_to("../../..")

    assert workspace.remove() == ""
    assert not workspace.path.exists()
    assert (precious / "file").read_text() == "keep"


def test_a_workspace_that_became_a_link_is_not_followed(
    workspace: Workspace, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    workspace.path.rmdir()

    workspace.path.symlink_to(precious)

    assert workspace.remove() == ""
    assert not workspace.path.is_symlink()
    assert (precious / "file").read_text() == "keep"


def test_an_empty_folder_is_out_of_the_way_at_once_and_removed_later(workspace: Workspace) -> None:
    put_off: list[Callable[[], None]] = []

    assert workspace.remove(put_off.append) == ""
    assert not workspace.path.exists()
    [aside] = workspace.path.parent.iterdir()
    (aside / "late").write_text("of a process that stands in it")

    [remove_it] = put_off
    remove_it()
    assert list(workspace.path.parent.iterdir()) == []


def test_what_holds_anything_is_removed_before_its_job_ends(workspace: Workspace) -> None:
    (workspace.path / "file").touch()
    put_off: list[Callable[[], None]] = []

    assert workspace.remove(put_off.append) == ""
    assert (put_off, list(workspace.path.parent.iterdir())) == ([], [])


def test_a_new_life_removes_what_was_set_aside_of_a_job_that_it_still_reports(
    tmp_path: Path,
) -> None:
    data = WorkerDataFolder.open(tmp_path / "worker")
    for name in ("job", "job.gone"):
        (data.workspaces / name).mkdir()

    cleanup.remove(data, {"job"})

    assert [path.name for path in data.workspaces.iterdir()] == ["job"]
    data.close()


REMOVE_AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from opsicle.worker.workspace import remove_folder
if os.geteuid() == 0:  # from whom nothing is protected
    os.chown(sys.argv[2], 65534, -1)
    os.setuid(65534)
inner = Path(sys.argv[2], "top/a/b")
inner.mkdir(parents=True)
(inner / "file").touch(mode=0)
inner.chmod(0o500)
inner.parent.chmod(0)
Path(sys.argv[2]).chmod(int(sys.argv[3], 8))
print(repr(remove_folder(inner.parents[1])), inner.parents[1].exists())
"""


def remove_as_nobody(mode_around: str) -> str:
    """Remove a write-protected tree as an ordinary account, from a folder with this mode.

    What came of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", REMOVE_AS_NOBODY, repository, folder, mode_around],
            capture_output=True,
            text=True,
            check=False,
        )
        Path(folder).chmod(0o700)
    return done.stdout + done.stderr


def test_write_protected_files_and_folders_are_removed() -> None:
    assert remove_as_nobody("700") == "'' False\n"


def test_what_cannot_be_removed_is_told_with_the_reason() -> None:
    assert (
        remove_as_nobody("500") == "'the workspace could not be removed: Permission denied' True\n"
    )


@pytest.mark.namespaces
def test_nothing_is_removed_through_a_mount_that_a_job_forgot(
    machine: Machine, tmp_path: Path
) -> None:
    require(os.geteuid() == 0, "root, to mount a file system")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    job_id = f"mounts-{os.getpid()}"
    outcome = machine.run(
        phase(f"mkdir 'a b' && mount --bind {precious} 'a b'", "touch other"), job_id=job_id
    )
    mounted = machine.root / job_id / "a b"

    try:
        assert outcome.exit_code == 0, machine.log.stderr
        assert "still mounted" in outcome.explanation
        assert (precious / "file").read_text() == "keep"
    finally:
        subprocess.run(["umount", mounted], check=True)

    assert remove_folder(mounted.parent) == ""
    assert (precious / "file").read_text() == "keep"


@pytest.mark.namespaces
def test_nothing_is_removed_through_a_mount_on_the_workspace_itself(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root, to mount a file system")
    precious, real, link = tmp_path / "precious", tmp_path / "real", tmp_path / "link"
    precious.mkdir()
    (precious / "file").write_text("keep")
    (real / "job-1").mkdir(parents=True)
    link.symlink_to(real)
    subprocess.run(["mount", "--bind", precious, real / "job-1"], check=True)

    try:
        assert "still mounted" in remove_folder(link / "job-1")
        assert (precious / "file").read_text() == "keep"
    finally:
        subprocess.run(["umount", real / "job-1"], check=True)


def test_what_a_former_life_left_is_cleared_away(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.path / "old").write_text("x")
    workspace.sibling("marks").touch()
    again = Workspace(tmp_path / "root", "job-1")

    again.make()

    assert list(again.path.iterdir()) == []

    again.sibling("marks")
    assert again.remove() == ""
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.parametrize("job_id", ["", ".", "..", "../x", "a/b", "a\0b", "-", "a" * 200])
def test_an_id_that_is_no_plain_file_name_is_refused(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        Workspace(tmp_path, job_id).make()
    assert list(tmp_path.iterdir()) == []
