"""Files that jobs are given, as their workers fetch, compare and place them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.files import InputFile
from opsicle.domain.templates import Phase
from opsicle.wire.jobs import Work
from opsicle.worker.input_files import WrongFile, place, receive, staging_folder
from opsicle.worker.os_account import OsAccount
from opsicle.worker.workspace import Workspace
from tests.worker.fake_server import FakeServer, work
from tests.worker.running_worker import RunningWorker
from tests.worker.signed_work import manifest_of, ordered

CONTENT = bytes(range(256)) * 20
NOBODY = OsAccount("nobody", 65534, 65534, (65534,), "/")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def given(content: bytes = CONTENT, variable: str = "report", **more: object) -> InputFile:
    facts = {"position": 0, "name": "r.csv", "size": len(content), "sha256": sha256(content)}
    return InputFile(variable=variable, **(facts | more))


def with_files(job: Work, *files: InputFile) -> Work:
    return msgspec.structs.replace(job, files=files)


def job_id(name: str) -> str:
    return f"files-{os.getpid()}-{name}"


def test_a_job_finds_its_files_where_its_variables_say(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    names = ("-rf", "$(id) é.csv")
    files = [given(variable="more", position=i, name=name) for i, name in enumerate(names)]
    fake_server.files[sha256(CONTENT)] = CONTENT
    show = 'IFS="\n"; stat -c "%n %a %U" $OPSICLE_VAR_MORE; sha256sum < "$OPSICLE_VAR_REPORT"; ls'
    fake_server.faults["file"].extend(["before", "after"])

    fake_server.give(with_files(work(job_id("good"), show), given(), *files))

    assert worker.wait_for_finish(job_id("good")) == JobState.SUCCEEDED
    folder = worker.folder / "workspaces" / job_id("good") / ".files"
    user = Path.home().owner()
    assert bytes(fake_server.logs[job_id("good")]).decode().splitlines() == [
        f"{folder}/more/1/-rf 600 {user}",
        f"{folder}/more/2/$(id) é.csv 600 {user}",
        f"{sha256(CONTENT)}  -",
    ]
    assert worker.files("workspaces") == []


def test_nothing_runs_with_another_file_than_was_ordered(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.files = {
        sha256(b"altered"): b"alterer",
        sha256(b"cut off"): b"cut of",
        sha256(b"longer"): b"longer!",
    }
    jobs = {
        content: with_files(work(job_id(content.decode()[:3]), "echo ran"), given(content))
        for content in (b"altered", b"cut off", b"longer", b"gone")
    }
    fake_server.give(*jobs.values())
    unbound = with_files(work(job_id("unbound"), "echo ran"), given(b"altered"))
    manifest = manifest_of(with_files(unbound, given(b"cut off")))
    fake_server.give_as_it_is(ordered(unbound, fake_server.order_key, manifest))
    hostile = with_files(work(job_id("up"), "echo ran"), given(b"longer", name="../up"))
    fake_server.give(hostile)

    worker.wait(lambda: len(fake_server.refused) == 6, "the refusals")

    reasons = {job.removeprefix(job_id("")): why for job, why in fake_server.refused.items()}
    assert reasons["gon"] == "the file r.csv cannot be had: the server has lost this file"
    assert reasons["unbound"] == "not as ordered: files"
    assert "without folders" in reasons["up"]
    for job in ("alt", "cut", "lon"):
        assert reasons[job] == "the file r.csv of report is not the one that was ordered"
    assert fake_server.starts == []
    worker.wait(lambda: worker.files("workspaces") == [], "the files to go")


def test_a_worker_that_is_killed_while_a_file_comes_leaves_nothing_and_has_run_nothing(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.files[sha256(CONTENT)] = CONTENT
    fake_server.faults["file"].extend(["after", *["before"] * 1_000_000])
    fake_server.give(with_files(work(job_id("half"), "echo ran"), given()))
    worker.wait(lambda: fake_server.calls["file"] > 2, "the middle of the file")
    worker.kill()
    left = worker.files("workspaces")

    fake_server.faults["file"].clear()
    worker.start()

    assert left == [f"{job_id('half')}.files"]
    assert worker.files("workspaces") == []
    assert (fake_server.starts, fake_server.finished) == ([], {})
    fake_server.give(with_files(work(job_id("half"), "cat $OPSICLE_VAR_REPORT"), given()))
    assert worker.wait_for_finish(job_id("half")) == JobState.SUCCEEDED
    assert bytes(fake_server.logs[job_id("half")]) == CONTENT


def test_a_job_whose_lease_is_lost_while_a_file_comes_is_dropped(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.files[sha256(CONTENT)] = CONTENT
    fake_server.lost.add(job_id("lost"))

    fake_server.give(with_files(work(job_id("lost"), "echo ran"), given()))

    worker.wait(lambda: fake_server.calls["file"] == 1, "the question for the file")
    worker.wait(lambda: worker.files("workspaces") == [], "what has come of it to go")
    assert (fake_server.starts, fake_server.refused) == ([], {})


def placed(folder: Path, job: Work, account: OsAccount | None) -> Path:
    workspace = Workspace(folder, job.job_id, account)
    contents = {each.sha256: CONTENT for each in job.files}
    receive(
        job.files,
        staging_folder(folder, job.job_id),
        lambda file, offset: contents[file.sha256][offset:],
    )
    workspace.make()
    place(job, workspace.path, account)
    return workspace.path / ".files/report/1/r.csv"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_belong_to_the_user_as_whom_the_job_runs(tmp_path: Path) -> None:
    path = placed(tmp_path, with_files(work("j"), given()), NOBODY)

    facts = [place.lstat() for place in (path, *path.parents[:3])]
    assert [(each.st_uid, each.st_mode & 0o777) for each in facts] == [
        (65534, mode) for mode in (0o600, 0o700, 0o700, 0o700)
    ]


def test_a_containers_user_can_read_them_and_nobody_gets_there_from_outside(
    tmp_path: Path,
) -> None:
    job = msgspec.structs.replace(
        work("j"), phases=(Phase(name="p", commands=("true",), image="alpine"),)
    )

    path = placed(tmp_path, with_files(job, given()), None)

    assert path.stat().st_mode & 0o777 == 0o644
    assert {parent.stat().st_mode & 0o777 for parent in path.parents[:3]} == {0o755}
    assert path.parents[3].stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    staging_folder(tmp_path, "j").symlink_to(outside)

    placed(tmp_path, with_files(work("j"), given()), None)

    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("change", [{"variable": "../x"}, {"position": -1}, {"name": "a\0b"}])
def test_a_place_outside_of_the_folder_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    with pytest.raises(WrongFile):
        receive((given(**change),), tmp_path / "j.files", lambda _file, _offset: b"")
