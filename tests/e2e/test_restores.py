"""A real server that is restored from a copy, with a real worker that knows more than it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.restored_sites import Site
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    """Return a folder on a disk: `opsicle doctor` minds one in memory."""
    return disk_path


def test_what_a_restored_server_does_not_know_runs_once_and_is_reported(
    site: Site, tmp_path: Path
) -> None:
    first = site.run()
    site.wait_for(first, "succeeded")
    assert site.worker.process.stop() == 0
    twice = site.run()  # waits in the copy, and runs after it was made
    old = site.copy(tmp_path / "old")
    site.start()
    site.worker.start()
    site.wait_for(twice, "succeeded")
    lost = site.run(go=str(site.go))  # the copy knows nothing of this one
    wait_until(lambda: site.ran(lost), 60, "the job to run")
    site.server.process.kill()
    site.restore(old)

    refused = site.refused()
    assert "opsicle.db is a copy" in refused
    assert "--accept-restored" in refused

    facts = site.start("--accept-restored")
    assert (facts["held"], facts["epoch"]) == (True, 2)
    assert site.show(twice)["waiting_reason"].startswith("held after a restore")
    wait_until(lambda: site.record("report_unknown_job"), 60, "the worker to be heard")
    wait_until(lambda: site.record("report_ran"), 60, "the worker to tell what it ran")
    assert [each["resource"] for each in site.record("report_ran")] == [f"automations/{twice}"]
    assert [each["resource"] for each in site.record("report_unknown_automation")] == [
        f"automations/{lost}"
    ]
    (entry,) = site.record("accept_restored")
    assert (entry["data"]["epoch"], entry["data"]["epoch_before"]) == (2, 1)
    written = {(each["epoch"], each["seq"] >= entry["seq"]) for each in site.record("")}
    assert written == {(1, False), (2, True)}
    assert site.ran(lost) == 1, "its job was not begun again"
    assert "job dropped" not in site.worker.process.log(), "nor stopped"
    worker = site.installation.admin.json("workers", "show", "w1")
    assert len(worker["unknown_jobs"]) == 1

    fresh = site.run()
    assert site.ran(fresh) == 0
    assert site.installation.admin.json("orgs", "release-queue")["held"] == ""
    wait_until(lambda: not site.server.facts["held"], 60, "server.json to say so")
    assert site.wait_for(fresh, "succeeded")["jobs"][0]["fence"] > 2**32
    found = site.wait_for(twice, "cancelled")
    assert "ran on this worker already" in found["explanation"]
    assert (site.ran(twice), site.ran(lost), site.ran(first)) == (1, 1, 1)


def test_a_backup_that_was_made_while_jobs_ran_is_restored_and_nothing_runs_twice(
    site: Site,
) -> None:
    done = site.run()
    site.wait_for(done, "succeeded")
    running = site.run(go=str(site.go))
    wait_until(lambda: site.ran(running), 60, "the job to run")

    site.do_documented("opsicle backup - ")  # to where a pipe leads
    findings = site.installation.admin.json("doctor", "--data-dir", str(site.data))
    levels = {(each["check"], each["message"].split()[-1]): each["level"] for each in findings}
    assert levels["server", "ready"] == levels["workers", "service"] == "ok"
    assert [each["message"] for each in findings if each["check"] == "backup"] != ["there was none"]
    plan = site.installation.admin.json("upgrade", "--check", "--data-dir", str(site.data))
    assert (plan["migrations"], plan["workers"]) == ([], {})
    after = site.run()
    site.wait_for(after, "succeeded")
    site.server.process.kill()
    shutil.rmtree(site.data)
    assert "its queue is held" in site.do_documented(
        "opsicle restore /var/backups/opsicle.age --data-dir"
    )
    facts = site.start()  # without being told to accept anything

    assert (facts["held"], facts["epoch"]) == (True, 2)
    site.go.touch()
    site.wait_for(running, "succeeded")  # the backup knows this job, and its worker has its end
    waiting = site.run()
    assert site.show(waiting)["waiting_reason"].startswith("held after a restore")
    (entry,) = site.record("accept_restored")
    assert entry["data"]["missing"][0].startswith("restored from the backup of")
    site.do_documented("opsicle orgs release-queue")
    site.wait_for(waiting, "succeeded")
    assert [site.ran(each) for each in (done, running, after, waiting)] == [1, 1, 1, 1]


def test_what_a_job_says_to_a_server_that_does_not_know_it_is_kept_for_one_that_does(
    site: Site, tmp_path: Path
) -> None:
    """A folder was replaced by an older copy by mistake.

    The job goes on, and ends, before the mistake is mended.
    """
    old = site.copy(tmp_path / "old")
    site.start()
    going_on = site.run(go=str(site.go))
    wait_until(lambda: site.ran(going_on), 60, "the job to run")
    site.server.process.kill()
    newest = tmp_path / "newest"
    site.data.rename(newest)
    shutil.copytree(old, site.data)
    assert site.start("--accept-restored")["held"]
    wait_until(lambda: site.record("report_unknown_job"), 60, "the job to be reported")
    site.go.touch()
    wait_until(lambda: "job ended" in site.worker.process.log(), 60, "the job to end")
    assert site.server.process.stop() == 0

    shutil.rmtree(site.data)
    newest.rename(site.data)
    assert site.start()["held"] is False

    assert (
        site.wait_for(going_on, "succeeded", "cancelled", "failed", "unknown")["state"]
        == "succeeded"
    )
    assert site.ran(going_on) == 1


def test_a_server_on_an_older_copy_cannot_make_workers_run_anything(
    site: Site, tmp_path: Path
) -> None:
    """The first server is replaced by one on a copy, then comes back beside it, same address."""
    site.wait_for(site.run(), "succeeded")
    copy = site.copy(tmp_path / "copy")
    first = tmp_path / "first"
    site.data.rename(first)
    shutil.copytree(copy, site.data)
    site.start("--accept-restored")
    site.installation.admin.cli("orgs", "release-queue")
    site.wait_for(site.run(), "succeeded")
    assert site.server.process.stop() == 0

    site.data.rename(tmp_path / "second")
    first.rename(site.data)  # the very files of the first server, which miss nothing
    assert site.start()["held"] is False
    again = site.run()

    wait_until(
        lambda: site.server.facts["held"], 60, "the server to learn that it runs on an older copy"
    )
    reason = "held, because a worker has worked for a later state"
    wait_until(
        lambda: site.show(again)["waiting_reason"].startswith(reason),
        60,
        "what was refused to wait again",
    )
    assert site.show(again)["state"] == "queued"
    assert site.record("report_newer_epoch")
    assert site.ran(again) == 0
    assert site.server.process.stop() == 0
    assert "epoch" in site.refused()
