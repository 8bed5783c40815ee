"""A worker process and its server, which goes away, forgets to answer, and changes its mind."""

from __future__ import annotations

import hashlib
import random
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.pki.authority import Authority
from opsicle.wire.jobs import StepState
from opsicle.worker.identity import DataFolder, Identity
from tests.worker.peer import J1, J2, J9, Peer, Refusal, work
from tests.worker.working import Working, is_alive, let_pass, lines, run_worker


@pytest.fixture
def worker(tmp_path: Path, peer: Peer) -> Iterator[Working]:
    working = Working(tmp_path, peer)
    working.start()
    yield working
    working.close()


# The usual way


def test_a_short_job_costs_two_calls_and_leaves_nothing_behind(worker: Working, peer: Peer) -> None:
    peer.give(work(J1, "echo hello; echo problem >&2"))
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert sorted(bytes(peer.logs[J1]).splitlines()) == [b"hello", b"problem"]
    assert (peer.calls["start"], peer.calls["finish"]) == (1, 1)
    worker.wait(lambda: not worker.files("spool"), "an empty spool")
    assert worker.files("workspaces") == []


def test_output_arrives_while_the_job_runs(worker: Working, peer: Peer, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    peer.give(work(J1, f"echo early; while ! test -e {go_on}; do sleep 0.01; done"))
    worker.wait(lambda: bytes(peer.logs[J1]) == b"early\n", "live output")
    assert peer.phases[J1][0].state == StepState.RUNNING
    go_on.touch()
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED


def test_a_poll_tells_the_truth_about_slots_and_jobs(worker: Working, peer: Peer) -> None:
    peer.give(work(J1, "sleep 30"))
    worker.wait(lambda: peer.polls[-1].jobs, "a poll with the job")
    poll = peer.polls[-1]
    assert [(job.job_id, job.fence) for job in poll.jobs] == [(J1, 1)]
    assert (poll.slots, poll.free_slots, poll.runtimes) == (4, 3, ("subprocess",))
    peer.cancel(J1)
    worker.wait_for_finish(J1)


def test_a_worker_without_a_free_slot_hears_of_a_cancel_at_once(worker: Working, peer: Peer) -> None:
    peer.give(*(work(job_id, "sleep 100") for job_id in (J1, J2, J9, f"{J1}-more")))
    worker.wait(lambda: peer.polls[-1].free_slots == 0, "a full worker")
    peer.cancel(J2)
    assert worker.wait_for_finish(J2) == JobState.CANCELLED
    assert len(peer.finished) == 1


def test_work_that_is_handed_out_twice_runs_once(worker: Working, peer: Peer, tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    peer.give(work(J1, f"echo ran >> {judge}; sleep 0.5"))
    worker.wait(lambda: lines(judge), "the job")
    peer.give(work(J1, f"echo ran >> {judge}; sleep 0.5"))
    worker.wait_for_finish(J1)
    assert lines(judge) == ["ran"]


# At most once


def test_nothing_is_executed_before_the_server_has_said_go(worker: Working, peer: Peer, tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    peer.refusals["start"] = Refusal(503, "unavailable", "starting")
    peer.give(work(J1, f"echo ran >> {judge}"))
    worker.wait(lambda: peer.calls["start"] >= 3, "repeated requests to start")
    assert lines(judge) == []
    del peer.refusals["start"]
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert lines(judge) == ["ran"]


def test_a_lost_answer_to_start_is_asked_for_again_and_the_job_runs_once(worker, peer, tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    peer.faults["start"] += ["after", "before", "after"]
    peer.give(work(J1, f"echo ran >> {judge}"))
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert lines(judge) == ["ran"]
    assert set(peer.starts) == {(J1, 1)}


def test_a_job_whose_lease_is_gone_is_never_begun(worker: Working, peer: Peer, tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    peer.lost.add(J1)
    peer.give(work(J1, f"echo ran >> {judge}"))
    worker.wait(lambda: peer.calls["start"], "the request to start")
    worker.wait(lambda: not peer.polls[-1].jobs, "a worker that holds nothing")
    peer.give(work(J2, "true"))
    worker.wait_for_finish(J2)
    assert lines(judge) == []
    assert J1 not in peer.finished


@pytest.mark.parametrize("how", ["drop", "log"])
def test_a_job_that_lost_its_lease_is_stopped_and_not_reported(worker, peer, tmp_path: Path, how: str) -> None:
    pid_file = tmp_path / "pid"
    peer.give(work(J1, f"echo $$ > {pid_file}; while :; do echo tick; sleep 0.05; done"))
    worker.wait(lambda: len(peer.logs[J1]) > 10, "output")
    pid = int(pid_file.read_text())
    peer.lost.add(J1)
    if how == "drop":
        peer.drop(J1)
    worker.wait(lambda: not is_alive(pid), "the job's end")
    worker.wait(lambda: not worker.files("spool"), "its spool's removal")
    assert J1 not in peer.finished


def test_the_end_is_told_until_the_server_has_heard_it(worker: Working, peer: Peer) -> None:
    peer.faults["finish"] += ["before", "after", "before", "after"]
    peer.give(work(J1, "echo once"))
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    worker.wait(lambda: not worker.files("spool"), "an acknowledged end")
    assert bytes(peer.logs[J1]) == b"once\n"
    assert peer.calls["finish"] >= 3


# The server goes away


def test_a_server_that_was_away_is_found_within_five_seconds(worker: Working, peer: Peer) -> None:
    for _ in range(2):
        peer.stop()
        time_away = random.uniform(0.5, 4)
        let_pass(time_away)
        polls = len(peer.polls)
        peer.start()
        back_at = time.monotonic()
        worker.wait(lambda: len(peer.polls) > polls, "a poll")  # noqa: B023
        assert time.monotonic() - back_at < 5


def test_a_job_goes_on_without_its_server_and_all_of_it_arrives_later(worker, peer, tmp_path: Path) -> None:
    done = tmp_path / "done"
    peer.give(work(J1, f"for i in $(seq 300); do echo line $i; sleep 0.005; done; touch {done}"))
    worker.wait(lambda: len(peer.logs[J1]) > 0, "the first output")
    peer.stop()
    worker.wait(done.exists, "the job's end without a server")
    peer.start()
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert bytes(peer.logs[J1]) == b"".join(b"line %d\n" % number for number in range(1, 301))


def test_a_big_log_is_byte_equal_after_twenty_disconnects(worker: Working, peer: Peer) -> None:
    peer.faults["log"] += ["", "after", "before"] * 7
    peer.faults["finish"] += ["after", "before"]
    peer.give(work(J1, "seq -f '%099.0f' 200000"))
    assert worker.wait_for_finish(J1, timeout=60) == JobState.SUCCEEDED
    expected = "".join(f"{number:099d}\n" for number in range(1, 200_001)).encode()
    assert hashlib.sha256(peer.logs[J1]).digest() == hashlib.sha256(expected).digest()


# The worker goes away


def test_a_worker_that_was_killed_says_unknown_of_its_jobs_with_all_they_said(worker, peer, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    peer.give(work(J1, f"echo $$ > {pid_file}; echo first; echo second; sleep 60", fence=9))
    worker.wait(lambda: peer.phases.get(J1) and bytes(peer.logs[J1]), "output")
    worker.kill()
    worker.start()
    assert worker.wait_for_finish(J1, timeout=60) == JobState.UNKNOWN
    outcome = peer.finished[J1]
    assert outcome.phases[0].state == StepState.UNKNOWN
    assert "worker ended" in outcome.explanation
    assert bytes(peer.logs[J1]) == b"first\nsecond\n"
    assert not is_alive(int(pid_file.read_text()))
    worker.wait(lambda: not worker.files("spool") and not worker.files("workspaces"), "a tidy data folder")


def test_a_killed_worker_delivers_output_that_the_server_never_saw(worker: Working, peer: Peer, tmp_path: Path) -> None:
    said = tmp_path / "said"
    peer.refusals["log"] = Refusal(503, "unavailable", "disk full")
    peer.give(work(J1, f"seq 20000; touch {said}; sleep 60"))
    worker.wait(said.exists, "output")
    size = len("".join(f"{number}\n" for number in range(1, 20_001)))
    worker.wait(lambda: _spooled(worker) > size, "output in the spool")
    worker.kill()
    del peer.refusals["log"]
    worker.start()
    assert worker.wait_for_finish(J1, timeout=60) == JobState.UNKNOWN
    assert bytes(peer.logs[J1]) == "".join(f"{number}\n" for number in range(1, 20_001)).encode()


def test_a_worker_killed_before_it_could_tell_an_end_tells_it_in_its_next_life(worker, peer) -> None:
    peer.refusals["finish"] = Refusal(503, "unavailable", "away")
    peer.give(work(J1, "echo done; exit 3"))
    worker.wait(lambda: peer.calls["finish"], "the first attempt to tell")
    worker.kill()
    del peer.refusals["finish"]
    worker.start()
    assert worker.wait_for_finish(J1) == JobState.FAILED
    assert peer.finished[J1].exit_code == 3
    assert bytes(peer.logs[J1]) == b"done\n"


def test_a_job_of_an_earlier_life_keeps_its_lease_until_it_is_reported(worker: Working, peer: Peer) -> None:
    peer.refusals["finish"] = Refusal(503, "unavailable", "away")
    peer.give(work(J1, "sleep 60"))
    worker.wait(lambda: peer.starts and peer.polls[-1].jobs, "the job")
    first_boot = peer.polls[-1].boot_id
    worker.kill()
    worker.start()
    assert peer.polls[-1].boot_id != first_boot
    assert [job.job_id for job in peer.polls[-1].jobs] == [J1]
    del peer.refusals["finish"]
    worker.wait_for_finish(J1, timeout=60)
    worker.wait(lambda: not peer.polls[-1].jobs, "a poll without it")


def test_random_kills_run_nothing_twice_and_end_everything(worker: Working, peer: Peer, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    source = random.Random(seed)
    judge = tmp_path / "judge"
    jobs = [f"r{number}" for number in range(12)]
    for round_number in range(4):
        peer.give(*(work(job, f"echo {job} >> {judge}; sleep 0.2") for job in jobs[round_number * 3 :][:3]))
        let_pass(source.uniform(0, 0.4))
        worker.kill()
        worker.start()
    worker.wait(lambda: not peer.polls[-1].jobs, "a worker that holds nothing", timeout=60)
    executed = lines(judge)
    assert len(executed) == len(set(executed)), "a job was executed twice"
    assert set(executed) <= set(peer.finished), "a job was executed and never reported"


def test_a_second_worker_on_the_same_folder_refuses(worker: Working) -> None:
    ended = run_worker(worker.folder)
    assert ended.returncode == 5
    assert "another worker is running" in ended.stderr
    assert "Traceback" not in ended.stderr


# Stopping


def test_a_draining_worker_ends_its_jobs_takes_no_more_and_exits_well(worker, peer, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    peer.give(work(J1, f"while ! test -e {go_on}; do sleep 0.01; done; echo ended"))
    worker.wait(lambda: peer.starts and peer.polls[-1].jobs, "the job")
    worker.signal(signal.SIGTERM)
    worker.wait(lambda: peer.polls[-1].is_draining, "a draining poll")
    assert peer.polls[-1].free_slots == 0
    go_on.touch()
    assert worker.wait_for_end() == 0
    assert peer.finished[J1].state == JobState.SUCCEEDED
    assert bytes(peer.logs[J1]) == b"ended\n"


def test_a_second_signal_cancels_what_still_runs(worker: Working, peer: Peer) -> None:
    peer.give(work(J1, "sleep 60"))
    worker.wait(lambda: peer.starts and peer.polls[-1].jobs, "the job")
    worker.signal(signal.SIGTERM)
    worker.wait(lambda: peer.polls[-1].is_draining, "a draining poll")
    worker.signal(signal.SIGTERM)
    assert worker.wait_for_end() == 0
    assert peer.finished[J1].state == JobState.CANCELLED


def test_an_idle_worker_ends_at_once_and_says_farewell(worker: Working, peer: Peer) -> None:
    began_at = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait_for_end() == 0
    assert time.monotonic() - began_at < 3
    assert peer.polls[-1].is_draining


def test_a_worker_without_a_server_ends_when_told(worker: Working, peer: Peer) -> None:
    peer.stop()
    worker.signal(signal.SIGTERM)
    assert worker.wait_for_end() == 0


# Being refused


def test_a_revoked_worker_ends_its_jobs_and_says_why(worker: Working, peer: Peer, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    peer.give(work(J1, f"echo $$ > {pid_file}; sleep 60"))
    worker.wait(lambda: lines(pid_file), "the job")
    peer.is_revoked = True
    peer.answer_polls()
    assert worker.wait_for_end() == 3
    assert "this worker was revoked" in worker.log.read_text()
    assert not is_alive(int(pid_file.read_text()))


def refused(peer: Peer, folder: Path, identity: Identity) -> str:
    """What a worker with this identity says when it gives up."""
    data = DataFolder.open(folder)
    data.save_identity(identity)
    data.close()
    ended = run_worker(folder)
    assert ended.returncode == 3
    assert "Traceback" not in ended.stderr
    assert not peer.polls
    return ended.stderr


def test_an_expired_certificate_is_named_with_the_way_out(peer: Peer, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=8)
    text = refused(peer, tmp_path / "worker", peer.identity(now=long_ago))
    assert f"certificate expired on {long_ago + timedelta(days=7):%Y-%m-%d}" in text
    assert "join token" in text


def test_a_server_of_another_ca_is_not_spoken_to(peer: Peer, tmp_path: Path) -> None:
    import msgspec

    other = Authority.create(datetime.now(UTC))
    identity = msgspec.structs.replace(peer.identity(authority=other), ca_pem=other.cert_pem)
    text = refused(peer, tmp_path / "worker", identity)
    assert "is not this worker's server" in text


def test_the_certificate_is_renewed_at_half_its_life_and_used_at_once(peer: Peer, tmp_path: Path) -> None:
    working = Working(tmp_path, peer)
    data = DataFolder.open(working.folder)
    old = peer.identity(now=datetime.now(UTC) - timedelta(days=5))
    data.save_identity(old)
    data.close()
    working.start()
    try:
        working.wait(lambda: peer.calls["renew"] == 1, "the renewal")
        working.wait(lambda: len(set(peer.serials)) == 2, "calls with the new certificate")
        peer.give(work(J1, "true"))
        working.wait_for_finish(J1)
    finally:
        working.close()
    new = DataFolder(working.folder).load_identity()
    assert new
    assert new.key_pem != old.key_pem
    assert new.expires_at > old.expires_at
    assert new.worker_id == old.worker_id


def _spooled(worker: Working) -> int:
    return sum(path.stat().st_size for path in (worker.folder / "spool").iterdir())


# A server that answers, but cannot


def test_a_report_that_the_server_cannot_take_is_not_repeated_at_every_poll(worker: Working, peer: Peer) -> None:
    peer.refusals["finish"] = Refusal(503, "unavailable", "this is a copy")
    peer.give(work("j1", ":"))
    worker.wait(lambda: peer.calls["finish"], "the first report")

    for _ in range(60):
        polls = len(peer.polls)
        peer.cancel("nobody")
        worker.wait(lambda polls=polls: len(peer.polls) > polls, "an answered poll")

    assert peer.calls["finish"] < 30
    del peer.refusals["finish"]
    assert worker.wait_for_finish("j1", 60) == JobState.SUCCEEDED
