"""Jobs that run as another user than their worker.

What they can reach, and what they cannot (real users).
"""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.templates import Phase
from opsicle.security import join_token
from opsicle.wire.jobs import Work
from opsicle.worker.run_as import find_accounts
from tests.support import require
from tests.worker.fake_server import J1, J2, FakeServer, work
from tests.worker.job_runs import is_alive
from tests.worker.running_worker import RunningWorker, as_user, lines, run_worker
from tests.worker.signed_work import ORG_ID

USER = "nobody"
OTHER = "daemon"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that others may pass through, which pytest's are not."""
    require(os.geteuid() == 0, "root, to start processes as another user")
    with tempfile.TemporaryDirectory(prefix="opsicle-run-as-") as name:
        Path(name).chmod(0o711)
        judge = Path(name, "judge")
        judge.touch()
        judge.chmod(0o666)
        yield Path(name)


@pytest.fixture
def running_worker(folder: Path, fake_server: FakeServer) -> Iterator[RunningWorker]:
    running_worker = RunningWorker(folder, fake_server, options=("--run-as", USER))
    yield running_worker
    running_worker.close()


def output(running_worker: RunningWorker, given: Work) -> str:
    running_worker.fake_server.give(given)
    running_worker.wait_for_finish(given.job_id)
    return running_worker.fake_server.logs[given.job_id].decode()


def test_a_job_runs_as_the_user_in_a_workspace_of_its_own(running_worker: RunningWorker) -> None:
    running_worker.start()
    said = output(
        running_worker,
        work(
            J1,
            'echo "$(id -un) $(id -gn) $HOME"',
            'stat -c "%U %a" "$OPSICLE_WORKSPACE"',
            "touch mine; stat -c %U mine",
            "echo said >/dev/stdout; echo wrong >/dev/stderr",
            'echo kept >"$OPSICLE_SUMMARY"; cat "$OPSICLE_SUMMARY"; : >"$OPSICLE_OUTPUT"',
        ),
    ).splitlines()

    home = pwd.getpwnam(USER).pw_dir

    assert sorted(said) == sorted(
        [f"nobody nogroup {home}", "nobody 700", "nobody", "said", "wrong", "kept"]
    )
    assert running_worker.fake_server.finished[J1].state == "succeeded"
    assert [
        command.exit_code for command in running_worker.fake_server.finished[J1].phases[0].commands
    ] == [0] * 5
    assert running_worker.files("workspaces") == []


def test_secrets_as_files_and_values_to_mask_are_for_the_user_too(
    running_worker: RunningWorker,
) -> None:
    phase = Phase(
        name="main",
        commands=(
            'stat -c "%U %a" "$OPSICLE_SECRET_FILE_KEY"',
            'wc -c <"$OPSICLE_SECRET_FILE_KEY"',
            'echo made-by-the-job >"$OPSICLE_MASK"; echo made-by-the-job',
            'ls "$(dirname "$OPSICLE_SECRET_FILE_KEY")" || :',
        ),
        secrets=("key",),
        timeout=60,
    )
    running_worker.start()

    said = output(
        running_worker,
        msgspec.structs.replace(work(J1), phases=(phase,), secret_values={"key": "swordfish-7"}),
    )

    assert said.splitlines()[:3] == ["nobody 600", "12", "***"]
    assert "denied" in said


def test_a_job_can_reach_nothing_of_its_worker(running_worker: RunningWorker) -> None:
    running_worker.start()

    assert running_worker.process

    pid, data = running_worker.process.pid, running_worker.folder
    attempts = [
        f"cat {data}/identity.json",
        f"cat {data}/journal",
        f"ls {data}",
        f"ls {data}/spool",
        f"ls {data}/workspaces",
        f"touch {data}/workspaces/other",
        f"cat /proc/{pid}/environ",
        f"cat /proc/{pid}/mem",
        f"ls /proc/{pid}/fd",
        f"kill -0 {pid}",
        f"kill -KILL {pid}",
        f"rm -rf {data}/spool",
        f"mv {data}/workspaces/{J1} /tmp/away",
    ]
    said = output(
        running_worker,
        work(J1, *(f"{attempt} && echo 'reached: {attempt}' || :" for attempt in attempts)),
    )
    assert "reached" not in said
    assert said.count("denied") + said.count("not permitted") >= len(attempts) - 1, said
    assert running_worker.process.poll() is None


def test_a_shell_that_a_job_has_made_is_never_asked_as_root(
    running_worker: RunningWorker, folder: Path
) -> None:
    judge, shell = folder / "judge", running_worker.folder / f"workspaces/{J1}/sh"
    make = f"printf '#!/bin/sh\\nid -un >>{judge}\\n' >sh; chmod +x sh"
    # Whether these are complete, only a shell knows.
    ask = ("if true; then echo a; fi", "if true; then echo b; fi")
    phases = (
        Phase(name="make", commands=(make,), timeout=60),
        Phase(name="use", commands=ask, shell=str(shell), timeout=60),
    )
    running_worker.start()

    running_worker.fake_server.give(msgspec.structs.replace(work(J1), phases=phases))
    running_worker.wait_for_finish(J1)

    assert set(lines(judge)) == {USER}


def test_a_long_script_can_be_read_by_the_user(running_worker: RunningWorker) -> None:
    running_worker.start()
    assert output(running_worker, work(J1, f"# {'x' * 110_000}\nid -un")) == f"{USER}\n"


def test_a_whole_tree_of_another_user_is_ended(running_worker: RunningWorker, folder: Path) -> None:
    pids = folder / "judge"
    running_worker.start()
    running_worker.fake_server.give(
        work(
            J1,
            f"trap '' TERM; echo $$ >>{pids}; "
            f"setsid sh -c 'trap \"\" TERM; echo $$ >>{pids}; sleep 600'",
        )
    )
    running_worker.wait(lambda: len(lines(pids)) == 2, "two processes")

    running_worker.fake_server.cancel(J1)

    assert running_worker.wait_for_finish(J1, 30) == "cancelled"
    assert not [pid for pid in lines(pids) if is_alive(int(pid))]


def test_each_org_has_its_own_user_and_one_without_has_none(
    folder: Path, fake_server: FakeServer
) -> None:
    running_worker = RunningWorker(folder, fake_server, options=("--run-as", f"{ORG_ID}={OTHER}"))
    running_worker.start()
    assert output(running_worker, work(J1, "id -un")) == f"{OTHER}\n"
    running_worker.close()

    other_users = RunningWorker(folder, fake_server, options=("--run-as", f"another-org={OTHER}"))
    other_users.start()
    fake_server.give(work(J2, f"id -un >>{folder}/judge"))
    other_users.wait(lambda: J2 in fake_server.refused, "a refusal")
    other_users.close()
    assert "has none for this org" in fake_server.refused[J2]
    assert lines(folder / "judge") == []


def test_what_an_earlier_life_left_as_another_user_is_ended_and_removed(
    running_worker: RunningWorker, folder: Path
) -> None:
    running_worker.start()
    running_worker.fake_server.give(
        work(J1, f"echo $$ >>{folder}/judge; mkdir -m 500 closed; exec sleep 600")
    )
    running_worker.wait(lambda: lines(folder / "judge"), "the job")
    running_worker.kill()

    running_worker.start()

    assert running_worker.wait_for_finish(J1, 30) == "unknown"
    assert not is_alive(int(lines(folder / "judge")[0]))

    running_worker.wait(lambda: running_worker.files("workspaces") == [], "an empty folder")


@pytest.mark.parametrize(
    ("run_as", "text"),
    [
        (["absent-user"], "whom this machine does not have"),
        (["root"], "no wall"),
        (["0"], "no wall"),
        ([USER, OTHER], "twice"),
        ([f"a={USER}", f"a={OTHER}"], "twice"),
        (["99999999999999999999"], "does not have"),
    ],
)
def test_what_is_no_wall_is_refused(run_as: list[str], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        find_accounts(run_as)


def test_a_folder_that_the_user_cannot_reach_is_named(tmp_path: Path, folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    token = join_token.new("https://127.0.0.1:1").text

    done = run_worker(closed / "worker", "--run-as", USER, "--join", token)

    assert done.returncode == 2
    assert f"the user {USER} may not enter {closed}, so that no job can run there" in done.stderr


def test_a_worker_that_is_not_root_says_what_it_cannot(folder: Path) -> None:
    done = as_user(65533, folder / "own", "--run-as", "daemon")

    assert done.returncode == 2
    assert (
        "only root can run jobs as another user, and this worker runs as user 65533" in done.stderr
    )
