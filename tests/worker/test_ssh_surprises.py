"""What is made of a target that does not keep to what was agreed, or is lost between phases."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Retries, When
from opsicle.wire.jobs import StepState
from opsicle.worker import ssh_connection
from tests.ssh_servers import SshServer, ssh_server
from tests.support import wait_until
from tests.worker.job_runs import Machine, cut_between_tries, phase

_LIAR = """\
#!/bin/sh
case $SSH_ORIGINAL_COMMAND in
*'!= .'*)
    while read -r line && [ "$line" != . ]; do
        case $line in nonce=*) nonce=${line#nonce=} ;; esac
    done
    echo "$nonce ready"
    while read -r word grace; do echo "$nonce ANSWER"; done ;;
*) touch BEGAN; exec sleep 30 ;;
esac
"""


@contextmanager
def cancelled_once_there(machine: Machine, file: Path) -> Iterator[None]:
    """Cancel the machine's job as soon as its target has made a file."""

    def cancel() -> None:
        wait_until(file.exists)
        machine.cancellation.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("answer", ["stopped", "stopped all", "stopped " + "9" * 5000])
def test_what_a_target_answers_to_a_cancel_keeps_no_job_from_its_end(
    ssh_machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(ssh_connection, "SECONDS_BEYOND_GRACE", 0.2)
    began, liar = tmp_path / "began", tmp_path / "liar"
    liar.write_text(_LIAR.replace("ANSWER", answer).replace("BEGAN", str(began)))
    liar.chmod(0o755)

    with (
        ssh_server(tmp_path / "sshd", f"ForceCommand {liar}") as server,
        cancelled_once_there(ssh_machine, began),
    ):
        outcome = ssh_machine.run(phase("true"), target=server.target(), grace_seconds=0.2)

    assert outcome.state is JobState.CANCELLED
    assert "could not be ended" in outcome.phases[0].explanation


def test_a_cancel_does_not_wait_for_a_target_that_says_nothing(
    ssh_machine: Machine, tmp_path: Path
) -> None:
    began = tmp_path / "began"

    with (
        ssh_server(tmp_path / "sshd", f"ForceCommand touch {began}; exec sleep 60") as server,
        cancelled_once_there(ssh_machine, began),
    ):
        outcome = ssh_machine.run(
            phase("true", "true", retries=Retries(limit=5, delay=0)), target=server.target()
        )

    assert outcome.state is JobState.CANCELLED
    assert "cancelled before it began" in outcome.explanation
    assert ssh_machine.seconds < 50


def test_who_waits_for_a_target_that_says_nothing_does_nothing_meanwhile(
    ssh_machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_connection, "READY_SECONDS", 3.0)
    silent = 'ForceCommand exec /bin/sh -c "exec >&- 2>&-; exec sleep 30"'

    with ssh_server(tmp_path / "sshd", silent) as server:
        before = time.process_time()
        outcome = ssh_machine.run(phase("true"), target=server.target())

    assert time.process_time() - before < 0.5
    assert "its shell has not answered within 3 s" in outcome.explanation


def test_a_phase_does_not_begin_without_what_those_before_it_have_left(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path
) -> None:
    cut = cut_between_tries(ssh_machine, sshd)

    outcome = ssh_machine.run(
        phase("touch made", name="make"),
        phase(
            f"echo tried; test -e {tmp_path}/failed || {{ touch {tmp_path}/failed; exit 1; }}",
            name="use",
            retries=Retries(limit=1, delay=2),
        ),
        phase("echo tidy", name="tidy", when=When.ALWAYS),
        target=sshd.target(),
    )
    cut.join()

    assert outcome.state is JobState.FAILED
    assert [report.state for report in outcome.phases] == ["succeeded", "failed", "succeeded"]
    assert "was lost before it began" in outcome.phases[1].explanation
    assert ssh_machine.log.of(1, 1) == b"tried\n"
    assert ssh_machine.log.of(2) == b"tidy\n"


def test_the_first_phase_is_tried_again_over_another_connection(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path
) -> None:
    cut = cut_between_tries(ssh_machine, sshd)

    outcome = ssh_machine.run(
        phase(
            f"test -e {tmp_path}/failed || {{ touch {tmp_path}/failed; exit 1; }}",
            retries=Retries(limit=1, delay=2),
        ),
        phase("true", name="next"),
        target=sshd.target(),
    )
    cut.join()

    assert [report.state for report in outcome.phases] == [StepState.SUCCEEDED] * 2
