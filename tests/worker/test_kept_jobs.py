"""Jobs that a worker keeps for people: in its journal, and which orders it takes for them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsicle.domain.manifests import WorkOrder
from opsicle.domain.pauses import Resume, ResumeVerdict
from opsicle.wire.jobs import PhaseReport, StepState
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.job_reporter import JobReporter
from opsicle.worker.journal import COMPACT_BYTES, Journal
from opsicle.worker.paused_jobs import KeptJobs, KeptPause
from opsicle.worker.pausing import PausedRun
from opsicle.worker.verification import Refused

RUN = PausedRun(
    fence=3,
    phase=1,
    phases=(PhaseReport(name="before", state=StepState.SUCCEEDED), PhaseReport(name="look")),
    log_bytes=12,
    seconds_left=30.5,
)


def order(resume: Resume | None) -> WorkOrder:
    now = datetime.now(UTC)
    return WorkOrder(
        org_id="o",
        worker_id="w",
        automation_id="a",
        job_id="job",
        fence=4,
        nonce="n",
        manifest_digest="d",
        issued_at=now,
        expires_at=now,
        resume=resume,
    )


def resume(phase: int = 1, paused_fence: int = 3) -> Resume:
    return Resume(
        approval_id="p",
        phase=phase,
        paused_fence=paused_fence,
        verdict=ResumeVerdict.CONTINUE,
        reason="",
        values={},
        decisions=(),
    )


@pytest.fixture
def kept(tmp_path: Path) -> KeptJobs:
    """Return the table of a worker that keeps one job, and never has to ask its server."""
    reporter = JobReporter(None, lambda _error: None, lambda: False)
    kept = KeptJobs(WorkerDataFolder(tmp_path), Journal(tmp_path / "journal"), reporter)
    kept.keep(KeptPause("job", RUN))
    return kept


def test_an_order_about_the_very_pause_is_taken(kept: KeptJobs) -> None:
    found = kept.find_resumed("job", order(resume()))

    assert found is not None
    assert found.run == RUN


@pytest.mark.parametrize(
    ("job_id", "given", "why"),
    [
        ("job", None, "cannot begin anew"),
        ("job", resume(phase=2), "another pause"),
        ("job", resume(paused_fence=2), "another pause"),
        ("other", resume(), "keeps no such job"),
    ],
)
def test_every_other_order_is_refused(
    kept: KeptJobs, job_id: str, given: Resume | None, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        kept.find_resumed(job_id, order(given))


def test_where_a_job_waits_outlives_the_process_and_a_journal_written_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.starting("job", 3)
    journal.paused("job", RUN)
    journal.resuming("job", 4)
    for number in range(COMPACT_BYTES // 40):
        journal.starting(f"other-{number}", 1)
        journal.closed(f"other-{number}")
    journal.close()

    [entry] = Journal(tmp_path / "journal").open_jobs()

    assert (entry.paused, entry.is_resuming, entry.fence) == (RUN, True, 4)
    assert entry.phases == RUN.phases


def test_a_job_that_waits_again_is_resumed_no_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.starting("job", 3)
    journal.paused("job", RUN)
    journal.resuming("job", 4)
    journal.paused("job", RUN)
    journal.close()

    [entry] = Journal(tmp_path / "journal").open_jobs()

    assert (entry.paused, entry.is_resuming) == (RUN, False)
