"""Secrets as files that only the job's phase can read, and values that a job masks itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.errors import InvalidInput
from opsicle.domain.template_parser import parse_document
from opsicle.domain.templates import When
from opsicle.worker import cleanup
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.masking import Masking
from opsicle.worker.output import JobOutput
from opsicle.worker.private_files import MaskRequests, private_folder
from opsicle.worker.waiting import Waiter
from tests.support import require, wait_until
from tests.worker.fake_server import FakeServer, work
from tests.worker.job_runs import Log, Machine, phase
from tests.worker.running_worker import RunningWorker

JOB = f"private-{os.getpid()}"
FILE = "$OPSICLE_SECRET_FILE_KEY"


def files_in(*folders: Path) -> list[str]:
    return [path.name for folder in folders for path in folder.iterdir()]


# Secrets as files


def test_a_phase_gets_its_secrets_as_private_files_which_go_with_it(machine: Machine) -> None:
    outcome = machine.run(
        phase(
            f'stat -c %a "{FILE}"',
            f'cat "{FILE}" | tr a-z b-za',
            f'echo "{FILE}" > path',
            secrets=("key",),
        ),
        phase('test ! -e "$(cat path)"', 'test -z "${OPSICLE_SECRET_FILE_KEY+x}"', name="next"),
        secret_values={"key": "first line\nlast line"},
    )

    assert outcome.state is JobState.SUCCEEDED, outcome.explanation
    assert machine.log.stdout == b"600\ngjstu mjof\nmbtu mjof\n"
    assert files_in(machine.root) == []


def test_the_file_of_a_secret_lies_in_memory_and_not_in_the_workspace(machine: Machine) -> None:
    machine.private_folder = private_folder(machine.root)
    try:
        machine.run(
            phase(f'echo "{FILE}"; ls -A', f'stat -f -c %T "{FILE}"', secrets=("key",)),
            secret_values={"key": "s" * 9},
        )
        place, kind = machine.log.stdout.decode().split()
        assert Path(place).parent == machine.private_folder
        assert kind == "tmpfs"
        assert machine.private_folder.stat().st_mode & 0o777 == 0o700
        assert files_in(machine.private_folder) == []
    finally:
        machine.private_folder.rmdir()


def test_a_failed_and_a_cancelled_phase_leave_no_file_either(machine: Machine) -> None:
    machine.run(phase("exit 1", secrets=("key",)), secret_values={"key": "secret value"})
    machine.run(
        phase("true", secrets=("key",), shell="/absent"), secret_values={"key": "secret value"}
    )

    machine.run(
        phase("sleep 60", secrets=("key",), timeout=0.2), secret_values={"key": "secret value"}
    )

    assert files_in(machine.root) == []


def test_openssh_takes_a_key_from_the_file(machine: Machine, tmp_path: Path) -> None:
    require(shutil.which("ssh-keygen") is not None, "ssh-keygen")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    value = key.read_text().removesuffix("\n")  # as `secrets create --value-file` keeps it

    outcome = machine.run(
        phase(f'ssh-keygen -y -f "{FILE}"', secrets=("key",)), secret_values={"key": value}
    )

    assert outcome.state is JobState.SUCCEEDED, machine.log.everything
    assert machine.log.stdout.split()[:2] == (tmp_path / "key.pub").read_bytes().split()[:2]


def test_what_somebody_else_has_put_in_the_folders_place_is_not_used(tmp_path: Path) -> None:
    first = private_folder(tmp_path)
    first.rmdir()
    first.mkdir(mode=0o777)
    first.chmod(0o777)

    try:
        assert private_folder(tmp_path) == tmp_path
    finally:
        first.rmdir()

    first.symlink_to(tmp_path)

    try:
        assert private_folder(tmp_path) == tmp_path
    finally:
        first.unlink()


def test_a_new_life_removes_the_files_that_the_last_one_left(tmp_path: Path) -> None:
    data = WorkerDataFolder.open(tmp_path / "worker")
    folder = private_folder(data.workspaces)
    (folder / "job.secret.key").write_text("secret")
    os.mkfifo(folder / "job.mask")
    (folder / "job.output/what the job has put there").mkdir(parents=True)

    cleanup.remove(data, set())

    assert files_in(folder) == []

    data.close()
    folder.rmdir()


def test_two_secrets_of_a_phase_cannot_have_one_variable() -> None:
    source = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: t}
spec: {template: {phases: [{name: p, secrets: [key, file-key], commands: ["true"]}]}}
"""

    with pytest.raises(InvalidInput) as refused:
        parse_document(source.encode())

    assert "OPSICLE_SECRET_FILE_KEY" in refused.value.problems[0].message


# Values that a job makes


def test_what_a_job_asks_to_mask_is_masked_from_then_on_in_the_same_shell(machine: Machine) -> None:
    commands = (
        "token=$(echo made-by-the-job | tr a-z n-za-m); "
        'echo "$token" >> "$OPSICLE_MASK"; echo "is $token"'
    )
    for _ in range(20):
        machine.log = Log()
        assert machine.run(phase(commands)).state is JobState.SUCCEEDED
        assert machine.log.stdout == b"is ***\n"


def test_what_was_asked_for_holds_in_later_phases_both_streams_and_explanations(
    machine: Machine,
) -> None:
    outcome = machine.run(
        phase('printf "%s\\n%s" first-value "second value" > "$OPSICLE_MASK"'),
        phase('echo first-value; echo "second value" >&2; printf Zmlyc3QtdmFsdWU=', name="later"),
        phase("true", name="odd", shell="/first-value"),
    )

    printed = machine.log.of(1)  # the two streams are printed at once, so either may come first
    assert printed.count(b"***") == 3
    assert printed.replace(b"***", b"").strip() == b""
    assert "first-value" not in outcome.explanation
    assert "***" in outcome.explanation


def test_a_value_to_mask_is_known_before_what_was_printed_behind_it_is_read(tmp_path: Path) -> None:
    """However late the worker looks, and though the output became readable first."""
    log, waiter = Log(), Waiter()
    output, requests = JobOutput(log, waiter), MaskRequests(tmp_path / "mask")
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    output.add(read_end, 0, 1)
    output.watch_mask_requests(requests)
    os.write(write_end, b"before, ")
    (tmp_path / "mask").write_bytes(b"made-by-the-job\n")
    os.write(write_end, b"made-by-the-job\n")
    output.drain()
    os.close(write_end)

    output.drain()

    assert log.everything == b"before, ***\n"
    assert isinstance(output.masking, Masking)

    output.close()
    requests.close()
    waiter.close()
    assert files_in(tmp_path) == []


def test_a_value_to_mask_is_known_before_a_text_about_the_job_is_masked(tmp_path: Path) -> None:
    """Such as an output, of a phase that has printed nothing."""
    waiter = Waiter()
    output, requests = JobOutput(Log(), waiter), MaskRequests(tmp_path / "mask")
    output.watch_mask_requests(requests)
    (tmp_path / "mask").write_bytes(b"made-by-the-job\n")

    text = output.without_secrets("it is made-by-the-job")

    assert text == "it is ***"

    output.close()
    requests.close()
    waiter.close()


def test_values_of_many_lines_and_bytes_that_are_no_text_are_masked(machine: Machine) -> None:
    machine.run(
        phase(
            r"""printf 'line number one\nline number two\n\377\376binary\n' >> "$OPSICLE_MASK" """
        ),
        phase(r"""printf 'a line number two, \377\376binary.'""", name="later"),
    )
    assert machine.log.stdout == b"a ***, ***."


def test_a_job_that_asks_for_more_than_fits_into_a_pipe_is_not_held_up(machine: Machine) -> None:
    lines = 'seq -f "value-number-%.0f" 1 8000 >> "$OPSICLE_MASK"; echo value-number-199'

    outcome = machine.run(phase(lines, timeout=30))

    assert outcome.state is JobState.SUCCEEDED
    assert machine.log.stdout == b"***\n"
    assert b"one too many" in machine.log.stderr


def test_what_a_job_has_masked_has_a_maximum_in_bytes_also_without_a_line_break(
    tmp_path: Path,
) -> None:
    """Sixty forms of each are made.

    200 values of 64 KiB held a worker up for 30 s, in which nothing was cancelled.
    """
    requests = MaskRequests(tmp_path / "mask")
    taken = 0

    try:
        for _ in range(20):
            os.write(requests.fd, b"x" * 60_000)
            taken += sum(map(len, requests.read()))
    finally:
        requests.close()

    assert 0 < taken <= 1024 * 1024
    assert requests.has_ignored


def test_a_value_that_is_too_short_to_be_masked_is_named_in_the_log(machine: Machine) -> None:
    machine.run(
        phase('echo abc >> "$OPSICLE_MASK"; echo abc'),
        phase("true", name="clean", when=When.ALWAYS),
    )

    assert machine.log.stdout == b"abc\n"
    assert b"opsicle: a value written to OPSICLE_MASK is not masked" in machine.log.stderr


def test_masks_reach_no_disk_and_leave_nothing(tmp_path: Path, fake_server: FakeServer) -> None:
    worker = RunningWorker(tmp_path, fake_server)
    worker.start()

    try:
        fake_server.give(
            work(
                JOB,
                'echo made-by-the-job >> "$OPSICLE_MASK"; '
                'echo made-by-the-job; echo "$OPSICLE_MASK"',
            )
        )
        assert worker.wait_for_finish(JOB) == JobState.SUCCEEDED
        masked, place = bytes(fake_server.logs[JOB]).decode().split()
        assert masked == "***"
        assert place.startswith("/dev/shm/opsicle-")
        wait_until(lambda: not files_in(Path(place).parent), 60, "the pipe to go")
        found = [
            path
            for path in worker.folder.rglob("*")
            if path.is_file() and b"made-by-the-job" in path.read_bytes()
        ]
        assert found == []
        worker.signal(signal.SIGTERM)
        assert worker.wait_for_end() == 0
        assert not Path(place).parent.exists()
    finally:
        worker.close()


def test_who_never_stops_naming_values_holds_nobody_up(tmp_path: Path) -> None:
    requests = MaskRequests(tmp_path / "mask")
    writer = subprocess.Popen(["sh", "-c", f"exec yes long-value > {requests.path}"])

    try:
        wait_until(lambda: bool(requests.read()))
        for _ in range(50):
            requests.read()
        assert writer.poll() is None, "it writes on, and every look came back"
    finally:
        writer.kill()
        writer.wait()
        requests.close()


def test_what_would_fill_the_workers_memory_is_not_masked_and_that_is_known(tmp_path: Path) -> None:
    requests = MaskRequests(tmp_path / "mask")
    writer = subprocess.Popen(
        [
            "sh",
            "-c",
            f"head -c 200000 /dev/zero | tr '\\\\0' x > {requests.path}; echo >{requests.path}",
        ]
    )
    found: list[str] = []

    try:
        wait_until(lambda: found.extend(requests.read()) or writer.poll() == 0)
        found += requests.read()
        assert requests.has_ignored
        assert max(map(len, found), default=0) <= 64 * 1024
    finally:
        writer.wait()
        requests.close()
