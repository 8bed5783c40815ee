"""What a phase hands on: to later phases as it was written, to everybody else masked."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.outputs import MAX_SUMMARY_BYTES, SUMMARY_CUT
from opsicle.domain.templates import Phase, Retries, When
from opsicle.wire.jobs import Outcome, PhaseOutput, Work, outputs_of, summary_of
from tests.worker.fake_server import FakeServer, work
from tests.worker.job_runs import Machine, phase
from tests.worker.running_worker import RunningWorker

SECRET = "correct horse battery staple"


def writer(*commands: str, **more: object) -> Phase:
    return phase(*commands, name="write", outputs=("a", "b"), **more)


def reader(**more: object) -> Phase:
    return phase(
        'printf "%s|%s\\n" "${OPSICLE_OUTPUT_A-unset}" "${OPSICLE_OUTPUT_B-unset}"',
        name="read",
        **more,
    )


def read_by_later(machine: Machine, outcome: Outcome) -> str:
    return machine.log.of(phase=len(outcome.phases) - 1).decode()


# What later phases get


def test_a_later_phase_gets_what_an_earlier_one_has_written(machine: Machine) -> None:
    outcome = machine.run(
        writer('echo "a=one  two *" >> "$OPSICLE_OUTPUT"',
               "printf 'b<<END\\nx\\n\\ny=1\\nEND\\n' >> $OPSICLE_OUTPUT"),
        reader(),
    )  # fmt: skip

    assert outcome.state is JobState.SUCCEEDED
    assert read_by_later(machine, outcome) == "one  two *|x\n\ny=1\n"
    assert outcome.phases[0].outputs == (
        PhaseOutput(name="a", value="one  two *"),
        PhaseOutput(name="b", value="x\n\ny=1"),
    )
    assert outputs_of(outcome.phases) == {"a": "one  two *", "b": "x\n\ny=1"}
    assert list(machine.root.iterdir()) == []


def test_the_file_is_there_and_goes_with_its_phase(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    machine.private_folder = tmp_path / "private"

    outcome = machine.run(
        writer('stat -c %a-%s "$OPSICLE_OUTPUT" "$OPSICLE_SUMMARY"; echo a=$OPSICLE_OUTPUT '
               '>> "$OPSICLE_OUTPUT"'),
        phase('[ "$OPSICLE_OUTPUT_A" = "$OPSICLE_OUTPUT" ]; ls "$(dirname "$OPSICLE_OUTPUT")"'),
    )  # fmt: skip

    assert outcome.state is JobState.SUCCEEDED
    assert machine.log.of(phase=0) == b"600-0\n600-0\n"
    files = machine.log.of(phase=1).decode().split()
    assert sorted(name.rpartition(".")[2] for name in files) == ["mask", "output", "summary"]
    assert list(machine.private_folder.iterdir()) == []


def test_every_later_phase_gets_it_and_no_earlier_one(machine: Machine) -> None:
    outcome = machine.run(
        phase('test -z "${OPSICLE_OUTPUT_A+x}"', name="before"),
        writer("echo a=1 >> $OPSICLE_OUTPUT"),
        phase('test "$OPSICLE_OUTPUT_A" = 1; test ! -s "$OPSICLE_OUTPUT"', name="next"),
        reader(),
    )

    assert outcome.state is JobState.SUCCEEDED
    assert read_by_later(machine, outcome) == "1|unset\n"


def test_a_template_cannot_set_what_a_phase_has_handed_on(machine: Machine) -> None:
    outcome = machine.run(
        writer("echo a=written >> $OPSICLE_OUTPUT"), reader(env={"OPSICLE_OUTPUT_A": "forged"})
    )

    assert read_by_later(machine, outcome) == "written|unset\n"


@pytest.mark.parametrize("ending", ["exit 3", "kill -9 $$", "sleep 60"])
def test_a_clean_up_phase_gets_what_a_failed_one_had_written(machine: Machine, ending: str) -> None:
    outcome = machine.run(
        writer("echo a=1 >> $OPSICLE_OUTPUT; echo half >> $OPSICLE_OUTPUT", ending, timeout=1.5),
        reader(when=When.ALWAYS),
    )

    assert outcome.state in {JobState.FAILED, JobState.TIMED_OUT}
    assert outcome.phases[0].exit_code in {3, 137, 143}
    assert "OPSICLE_OUTPUT" not in outcome.explanation
    assert read_by_later(machine, outcome) == "1|unset\n"
    assert b"opsicle: line 2 of OPSICLE_OUTPUT is not `name=value`" in machine.log.stderr


def test_each_try_begins_with_nothing_written(machine: Machine, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    outcome = machine.run(
        writer(
            'cat "$OPSICLE_OUTPUT" "$OPSICLE_SUMMARY" 2>&1 | grep -v "No such file" && exit 9',
            'test -z "${OPSICLE_OUTPUT_A+x}"',
            f'if [ -e {seen} ]; then echo b=2 >> "$OPSICLE_OUTPUT"; exit 0; fi; touch {seen}; '
            'echo a=1 >> "$OPSICLE_OUTPUT"; echo first >> "$OPSICLE_SUMMARY"; exit 1',
            retries=Retries(limit=1, delay=0),
        ),
        reader(),
    )

    assert outcome.state is JobState.SUCCEEDED
    assert outputs_of(outcome.phases) == {"b": "2"}
    assert summary_of(outcome.phases) == ""
    assert read_by_later(machine, outcome) == "unset|2\n"


# What is wrong


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo kept", "line 1 of OPSICLE_OUTPUT is not `name=value`"),
        ("echo c=1", "sets a name that is not among the phase's `outputs`, which are `a` or `b`"),
        ("echo a=1; echo 'b<<END'", "line 2 of OPSICLE_OUTPUT opens a value of several lines"),
        ("echo a=$(head -c 33000 /dev/zero | tr '\\0' x)", "sets `a` to more than 32 KiB"),
        ("head -c 2000000 /dev/zero", "OPSICLE_OUTPUT holds more than 1024 KiB"),
    ],
)
def test_a_phase_with_wrong_outputs_has_failed(machine: Machine, command: str, said: str) -> None:
    outcome = machine.run(writer(f"{{ {command}; }} > $OPSICLE_OUTPUT"), reader())

    assert outcome.state is JobState.FAILED
    assert outcome.exit_code is None
    assert outcome.explanation.startswith("phase write: ")
    assert said in outcome.explanation
    assert [str(report.state) for report in outcome.phases] == ["failed", "skipped"]


def test_wrong_outputs_are_a_failure_that_is_tried_again(machine: Machine, tmp_path: Path) -> None:
    outcome = machine.run(
        writer(f"echo a=1 | tee $OPSICLE_OUTPUT; mkdir {tmp_path}/x || exit 0; "
               "echo wrong >> $OPSICLE_OUTPUT", retries=Retries(limit=1, delay=0)),
        reader(),
    )  # fmt: skip

    assert (outcome.state, outcome.phases[0].tries) == (JobState.SUCCEEDED, 2)
    assert read_by_later(machine, outcome) == "1|unset\n"


def test_all_outputs_of_a_job_are_bounded_together(machine: Machine) -> None:
    names = tuple(f"n{number}" for number in range(5))
    large = "head -c 30000 /dev/zero | tr '\\0' x"
    command = "; ".join(f"echo {name}=$({large}) >> $OPSICLE_OUTPUT" for name in names)

    outcome = machine.run(phase(command, outputs=names))

    assert outcome.state is JobState.FAILED
    assert "the outputs of the job are larger than 128 KiB together" in outcome.explanation
    assert outcome.phases[0].outputs == ()


@pytest.mark.parametrize(
    "command",
    [
        "ln -sf {secret} $OPSICLE_OUTPUT",
        "rm -f $OPSICLE_OUTPUT; mkfifo $OPSICLE_OUTPUT",
        "rm -f $OPSICLE_OUTPUT; mkdir -p $OPSICLE_OUTPUT/a/b",
        "rm -f $OPSICLE_OUTPUT; ln -s /dev/zero $OPSICLE_OUTPUT",
    ],
)
def test_what_was_put_in_the_files_place_is_not_followed_and_holds_nobody_up(
    machine: Machine, tmp_path: Path, command: str
) -> None:
    (tmp_path / "secret").write_text("a=of the worker\n")
    command = command.format(secret=tmp_path / "secret")

    outcome = machine.run(
        writer(command, command.replace("OUTPUT", "SUMMARY")), reader(when=When.ALWAYS)
    )

    assert outcome.state is JobState.FAILED
    assert "OPSICLE_OUTPUT is no file any more" in outcome.explanation
    assert "OPSICLE_SUMMARY is no file any more" in outcome.phases[0].summary
    assert read_by_later(machine, outcome) == "unset|unset\n"
    assert list(machine.root.iterdir()) == []


# Secrets


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_a_secret_goes_on_to_later_phases_and_leaves_the_machine_masked(
    machine: Machine, is_asked_for: bool
) -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()
    ask = 'echo "$PLAIN" > "$OPSICLE_MASK"' if is_asked_for else ":"
    given = {} if is_asked_for else {"secret_environment": {"PLAIN": SECRET}}

    outcome = machine.run(
        writer(ask, f'echo "a=<$PLAIN>" >> $OPSICLE_OUTPUT; echo b={encoded} >> $OPSICLE_OUTPUT',
               'echo "it is $PLAIN" >> $OPSICLE_SUMMARY', env={"PLAIN": SECRET}),
        phase('test "$OPSICLE_OUTPUT_A" = "<$PLAIN>"', f'test "$OPSICLE_OUTPUT_B" = {encoded}',
              name="read", env={"PLAIN": SECRET}),
        **given,
    )  # fmt: skip

    assert outcome.state is JobState.SUCCEEDED
    assert outcome.phases[0].outputs == (
        PhaseOutput(name="a", value="<***>", is_masked=True),
        PhaseOutput(name="b", value="***", is_masked=True),
    )
    assert summary_of(outcome.phases) == "it is ***"


def test_half_a_secret_at_the_cut_of_a_summary_is_masked(machine: Machine) -> None:
    fill = MAX_SUMMARY_BYTES - 10
    outcome = machine.run(
        writer(
            f"head -c {fill} /dev/zero | tr '\\0' x > $OPSICLE_SUMMARY",
            'echo "$PLAIN" >> $OPSICLE_SUMMARY',
        ),
        secret_environment={"PLAIN": SECRET},
    )

    assert "correct" not in outcome.phases[0].summary


def test_a_secret_written_by_mistake_as_a_line_is_not_in_the_explanation(machine: Machine) -> None:
    secret = "c2VjcmV0IHdvcmRz=="
    outcome = machine.run(
        writer('echo "$PLAIN" >> $OPSICLE_OUTPUT'), secret_environment={"PLAIN": secret}
    )

    assert outcome.state is JobState.FAILED
    assert "c2Vjcm" not in outcome.explanation


# The summary


def test_a_summary_is_made_of_what_each_phase_has_written(machine: Machine) -> None:
    outcome = machine.run(
        phase("echo '# Done' >> $OPSICLE_SUMMARY", "echo >> $OPSICLE_SUMMARY", name="one"),
        phase("true", name="two"),
        phase("printf '* 3 hosts' >> $OPSICLE_SUMMARY; exit 1", name="three"),
    )

    assert outcome.state is JobState.FAILED
    assert summary_of(outcome.phases) == "# Done\n\n* 3 hosts"


def test_a_long_summary_is_cut_once_and_says_so(machine: Machine) -> None:
    write = "head -c 40000 /dev/zero | tr '\\0' x > $OPSICLE_SUMMARY"
    outcome = machine.run(*(phase(write, name=name) for name in ("one", "two", "three")))

    summary = summary_of(outcome.phases)
    assert outcome.state is JobState.SUCCEEDED
    assert summary.endswith(SUMMARY_CUT.rstrip("\n"))
    assert summary.count(SUMMARY_CUT.strip()) == 1
    assert MAX_SUMMARY_BYTES < len(summary) < MAX_SUMMARY_BYTES + 200


def test_a_summary_that_is_no_text_is_shown_as_far_as_it_is(machine: Machine) -> None:
    outcome = machine.run(phase("printf 'a\\377\\0b' > $OPSICLE_SUMMARY"))

    assert summary_of(outcome.phases) == "a\ufffd\ufffdb"


def test_a_phase_that_has_no_place_for_its_outputs_is_not_started(
    machine: Machine, tmp_path: Path
) -> None:
    machine.private_folder = tmp_path / "absent"

    outcome = machine.run(phase("echo ran"))

    assert (outcome.state, outcome.exit_code) == (JobState.FAILED, 126)
    assert "the files for its outputs and secrets could not be made" in outcome.explanation
    assert machine.log.stdout == b""


# When the worker dies


def test_outputs_are_told_while_the_job_runs_and_known_to_a_next_life(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    job_id = f"outputs-{os.getpid()}"
    judge = tmp_path / "judge"
    given = _crashing(job_id, judge)
    fake_server.give(given)
    worker.wait(lambda: bytes(fake_server.logs[job_id]) == b"begun\n", "the job's output")
    worker.wait(
        lambda: outputs_of(fake_server.phases.get(job_id) or ()) == {"folder": "/made"},
        "the outputs while it runs",
    )
    worker.kill()

    worker.start()

    assert worker.wait_for_finish(job_id) == JobState.UNKNOWN
    assert judge.read_text() == "tidied /made\n"
    outcome = fake_server.finished[job_id]
    assert outputs_of(outcome.phases) == {"folder": "/made", "tidied": "yes"}
    assert summary_of(outcome.phases) == "made a folder"


def _crashing(job_id: str, judge: Path) -> Work:
    return msgspec.structs.replace(
        work(job_id),
        phases=(
            Phase(
                name="make",
                commands=(
                    "echo folder=/made > $OPSICLE_OUTPUT; echo made a folder > $OPSICLE_SUMMARY",
                ),
                outputs=("folder",),
            ),
            Phase(name="use", commands=("echo begun; sleep 60",)),
            Phase(
                name="tidy",
                commands=(
                    f'echo "tidied $OPSICLE_OUTPUT_FOLDER" >> {judge}',
                    "echo tidied=yes > $OPSICLE_OUTPUT",
                ),
                outputs=("tidied",),
                when=When.ALWAYS,
            ),
        ),
    )
