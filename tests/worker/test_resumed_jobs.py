"""A job that goes on from another automation, on the worker's side."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.templates import When
from opsicle.worker.after_crash import LostJob, plan_for
from opsicle.worker.journal_lines import JobEntry
from opsicle.worker.verification import Refused, Verifier
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import Machine, phase
from tests.worker.signed_work import manifest_of, ordered

POINT = ResumePoint(
    automation_id="old", first_phase=2, outputs={"copy": {"path": "/b/1"}}, answers={"lag": 7}
)
PHASES = (
    phase("echo copied", name="copy", outputs=("path",), when=When.ALWAYS),
    phase("echo undone", name="undo", when=When.FAILURE),
    phase("echo $OPSICLE_OUTPUT_PATH $OPSICLE_VAR_LAG", name="restart"),
    phase("echo tidied for $OPSICLE_OUTPUT_PATH", name="tidy", when=When.ALWAYS),
)


def test_only_phases_from_the_resume_point_on_run_with_what_they_are_handed(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)

    outcome = machine.run(*PHASES, resumed_from=POINT)

    assert outcome.state == "succeeded"
    assert [each.state for each in outcome.phases] == [
        "done_before",
        "skipped",
        "succeeded",
        "succeeded",
    ]
    assert [(each.name, each.value) for each in outcome.phases[0].outputs] == [("path", "/b/1")]
    assert machine.log.of(0) == machine.log.of(1) == b""
    assert machine.log.of(2).endswith(b"were done in old\n/b/1 7\n")


def test_one_that_fails_again_runs_its_clean_up_and_nothing_from_before(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    failing = (*PHASES[:2], phase("false", name="restart"), PHASES[3])

    outcome = machine.run(*failing, resumed_from=POINT)

    assert (outcome.state, outcome.explanation) == (
        "failed",
        "phase restart failed with exit code 1",
    )
    assert machine.log.of(3) == b"tidied for /b/1\n"
    assert machine.log.of(0) == b""


def test_after_a_crash_no_clean_up_phase_from_before_the_resume_point_is_run(
    tmp_path: Path,
) -> None:
    given = Machine(tmp_path).work(*PHASES, resumed_from=POINT)

    lost = LostJob(JobEntry(given.job_id, 1, clean_up=plan_for(given, "o1")), tmp_path)

    assert lost.to_clean_up == [3]
    assert [each.state for each in lost.reports[:2]] == ["done_before", "skipped"]


@pytest.mark.parametrize(
    "changes",
    [{"first_phase": 1}, {"outputs": {}}, {"answers": {"lag": 8}}, {"automation_id": "other"}],
    ids=str,
)
def test_a_worker_goes_on_only_where_its_order_says(
    fake_server: FakeServer, changes: dict[str, object]
) -> None:
    verifier = Verifier(fake_server.identity(), {})
    plain = work(J1, "true")
    resumed = msgspec.structs.replace(plain, phases=PHASES, resumed_from=POINT)
    given = ordered(resumed, fake_server.order_key)
    verifier.check(given)

    other = msgspec.structs.replace(POINT, **changes)
    with pytest.raises(Refused, match="not as ordered: what it goes on from"):
        verifier.check(msgspec.structs.replace(given, resumed_from=other))
    with pytest.raises(Refused, match="not as ordered: what it goes on from"):
        verifier.check(msgspec.structs.replace(given, resumed_from=None))


@pytest.mark.parametrize("first_phase", [-1, 4])
def test_a_worker_does_not_call_done_what_goes_on_behind_the_last_phase(
    fake_server: FakeServer, first_phase: int
) -> None:
    plain = work(J1, "true")
    beyond = msgspec.structs.replace(POINT, first_phase=first_phase)
    resumed = msgspec.structs.replace(plain, phases=PHASES, resumed_from=beyond)
    given = ordered(resumed, fake_server.order_key, manifest_of(resumed))

    with pytest.raises(Refused, match="the phase to go on at"):
        Verifier(fake_server.identity(), {}).check(given)
