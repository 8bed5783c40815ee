"""Jobs on a target that wait for people: what stays there, and how they find it again.

Each part of a run is a runner of its own, which has of the one before it what the journal keeps.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.files import InputFile
from opsicle.domain.pauses import ResumeVerdict
from opsicle.domain.templates import OnFailure, ResourceLimits, Retries, When
from opsicle.wire.jobs import Work
from opsicle.worker import ssh_scripts
from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.input_files import receive, staging_folder
from opsicle.worker.pausing import Answered
from opsicle.worker.private_files import private_folder
from opsicle.worker.runtimes.ssh import SshRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.ssh_servers import SshServer, ssh_server
from tests.support import require, wait_until
from tests.worker.job_runs import cut_between_tries, is_alive, phase
from tests.worker.paused_runs import CONTINUE, LOOK, PausedMachine

STOP = Answered(verdict=ResumeVerdict.STOP, reason="rejected by bob")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PausedMachine]:
    monkeypatch.setattr(ssh_scripts, "_LAST_SECONDS", 1)
    machine = PausedMachine(tmp_path / "workspaces")
    machine.runtimes = Runtimes((SshRuntime(),))
    machine.private_folder = private_folder(machine.root)
    yield machine
    assert not list(machine.private_folder.iterdir())
    machine.private_folder.rmdir()


def folders(work: Work) -> list[Path]:
    return [
        path
        for parent in ("/tmp", "/dev/shm")
        for path in Path(parent).glob(f"opsicle-{work.job_id}-*")
    ]


def waiting(work: Work) -> Path:
    [folder] = folders(work)
    assert {path.name for path in folder.iterdir()} >= {"waiting", "work"}
    return folder


def test_a_job_goes_on_where_it_left_its_folder_and_takes_it_along_in_the_end(
    machine: PausedMachine, sshd: SshServer
) -> None:
    content = b"rows"
    digest = hashlib.sha256(content).hexdigest()
    file = InputFile(variable="r", position=0, name="r.csv", size=len(content), sha256=digest)
    machine.root.mkdir()
    receive([file], staging_folder(machine.root, "j-pause"), lambda _file, at: content[at:])

    work = machine.pause(
        phase("echo kept > file; echo more >> $OPSICLE_VAR_R; echo a=1 > $OPSICLE_OUTPUT",
              "setsid sleep 300 >/dev/null 2>&1 & echo $!", name="one", outputs=("a",)),
        LOOK,
        msgspec.structs.replace(LOOK, name="again"),
        phase("cat file; cat $OPSICLE_VAR_R; echo $OPSICLE_OUTPUT_A", "pwd", name="last"),
        target=sshd.target(), files=(file,), job_id="j-pause",
    )  # fmt: skip
    daemon = int(machine.log.of(0))
    folder = waiting(work)
    assert is_alive(daemon)

    assert machine.go_on(work, CONTINUE) is None
    assert waiting(work) == folder
    outcome = machine.go_on(work, CONTINUE)

    os.kill(daemon, 9)
    assert outcome is not None
    assert outcome.state == "succeeded", outcome
    assert machine.log.of(3).decode() == f"kept\nrowsmore\n1\n{folder}/work\n"
    assert folders(work) == []


def test_a_failed_phase_is_tried_again_there_as_its_failure_left_it(
    machine: PausedMachine, sshd: SshServer
) -> None:
    work = machine.pause(
        phase("test -e tried || { touch tried; exit 3; }", on_failure=OnFailure.ASK),
        phase("ls", name="after"),
        target=sshd.target(),
    )
    waiting(work)

    outcome = machine.go_on(work, Answered(verdict=ResumeVerdict.RETRY, reason="retry, by alice"))

    assert outcome is not None
    assert outcome.state == "succeeded", outcome
    assert machine.log.of(1) == b"tried\n"


def test_what_people_stop_is_tidied_up_and_removed_there(
    machine: PausedMachine, sshd: SshServer
) -> None:
    with_clean_up = machine.pause(
        phase("echo x > file"), LOOK, phase("cat file", name="t", when=When.ALWAYS),
        target=sshd.target(),
    )  # fmt: skip
    outcome = machine.go_on(with_clean_up, STOP)
    assert outcome is not None
    assert outcome.explanation == "rejected by bob"
    assert machine.log.of(2) == b"x\n"

    without = machine.pause(phase("true"), LOOK, phase("true", name="u"), target=sshd.target())
    waiting(without)
    outcome = machine.go_on(without, STOP)
    assert outcome is not None
    assert outcome.explanation == "rejected by bob"
    assert folders(with_clean_up) == folders(without) == []


def test_a_target_that_cannot_be_reached_fails_the_phase_and_each_try_may_find_it(
    machine: PausedMachine, sshd: SshServer
) -> None:
    work = machine.pause(
        phase("echo x > file"), LOOK,
        phase("cat file", name="use", retries=Retries(limit=1, delay=0)),
        target=sshd.target(),
    )  # fmt: skip
    folder = waiting(work)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        elsewhere = sshd.target(port=closed.getsockname()[1])

        outcome = machine.go_on(msgspec.structs.replace(work, target=elsewhere), CONTINUE)

    assert outcome is not None
    assert outcome.state == "failed"
    assert "cannot be reached" in outcome.phases[2].explanation
    assert outcome.phases[2].tries == 2
    assert f"the folder {folder} may be left on web1" in outcome.explanation
    shutil.rmtree(folder)


@pytest.mark.parametrize("why", ["removed", "a link now", "taken before"])
def test_nothing_goes_on_without_its_folder_but_what_cleans_up(
    machine: PausedMachine, sshd: SshServer, why: str
) -> None:
    work = machine.pause(
        phase("true"),
        LOOK,
        phase("echo on", name="on", retries=Retries(limit=1, delay=0)),
        phase("echo tidy", name="t", when=When.ALWAYS),
        target=sshd.target(),
    )
    folder = waiting(work)
    moved = folder.with_name(f"moved-{folder.name}")
    if why == "taken before":
        (folder / "waiting").rename(folder / "taken")
    else:
        folder.rename(moved)
    if why == "a link now":
        folder.symlink_to(moved)

    outcome = machine.go_on(work, CONTINUE)

    assert outcome is not None
    assert outcome.state == "failed"
    assert "which waited on web1, is gone" in outcome.phases[2].explanation
    assert (machine.log.of(2, 1), machine.log.of(3)) == (b"", b"tidy\n")
    if why == "a link now":
        folder.unlink()
    shutil.rmtree(folder if why == "taken before" else moved)


def test_no_phase_that_came_back_begins_again_in_a_new_folder(
    machine: PausedMachine, sshd: SshServer
) -> None:
    work = machine.pause(
        phase("touch made"),
        LOOK,
        phase("test ! -e made", name="use", retries=Retries(limit=1, delay=1)),
        target=sshd.target(),
    )
    waiting(work)
    cut = cut_between_tries(machine, sshd)

    outcome = machine.go_on(work, CONTINUE)
    cut.join()

    assert outcome is not None
    assert outcome.state == "failed"
    assert "was lost before it began" in outcome.phases[2].explanation
    wait_until(lambda: not folders(work))


def test_who_comes_to_a_target_removes_what_nobody_has_come_back_to(
    machine: PausedMachine, sshd: SshServer
) -> None:
    old, young = (Path(f"/tmp/opsicle-x{os.getpid()}-{name}") for name in ("old", "young"))
    for folder, days in ((old, 102), (young, 90)):
        (folder / "work/deep").mkdir(parents=True)
        (folder / "work/deep").chmod(0)
        (folder / "waiting").touch()
        at = time.time() - days * 86_400
        os.utime(folder / "waiting", (at, at))

    work = machine.pause(phase("true"), LOOK, target=sshd.target())
    ended = machine.go_on(work, STOP)

    assert ended is not None
    assert not old.exists()
    assert young.exists()
    shutil.rmtree(young)


def test_the_small_programs_of_busybox_are_enough(machine: PausedMachine, tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    require(busybox is not None, "busybox: apt-get install busybox-static")
    programs, way = tmp_path / "bin", tmp_path / "way"
    programs.mkdir()
    subprocess.run([str(busybox), "--install", "-s", programs], check=True)
    way.write_text(f'#!/bin/sh\nPATH={programs} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
    way.chmod(0o755)
    machine.artifacts = ArtifactSpool(tmp_path / "artifacts", "job")

    with ssh_server(tmp_path / "sshd", f"ForceCommand {way}") as server:
        work = machine.pause(
            phase("mkdir a; echo x > a/f; sleep 300 &", "true", artifacts=("**/f",)),
            LOOK,
            phase("cat a/f", limits=ResourceLimits(processes=99)),
            target=server.target(),
        )
        outcome = machine.go_on(work, CONTINUE)

    assert outcome is not None
    assert outcome.state == "succeeded", machine.log.everything
    assert machine.log.of(2) == b"x\n"
    assert [each.path for each in machine.artifacts.waiting() if each.sha256] == ["a/f"]
    assert folders(work) == []
