"""A worker whose certificate is revoked, expired, renewed, or not for this server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from opsicle.security.authority import Authority
from opsicle.worker.identity import Identity, WorkerDataFolder
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import is_alive
from tests.worker.running_worker import RunningWorker, lines, run_worker


def test_a_revoked_worker_ends_its_jobs_and_says_why(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    fake_server.give(work(J1, f"echo $$ > {pid_file}; sleep 60"))
    worker.wait(lambda: lines(pid_file), "the job")
    fake_server.is_revoked = True

    fake_server.answer_polls()

    assert worker.wait_for_end() == 3
    assert "this worker was revoked" in worker.log.read_text()
    assert not is_alive(int(pid_file.read_text()))


def refused(fake_server: FakeServer, folder: Path, identity: Identity) -> str:
    """Return what a worker with this identity says when it gives up."""
    data = WorkerDataFolder.open(folder)
    data.save_identity(identity)
    data.close()
    ended = run_worker(folder)
    assert ended.returncode == 3
    assert "Traceback" not in ended.stderr
    assert not fake_server.polls
    return ended.stderr


def test_an_expired_certificate_is_named_with_the_way_out(
    fake_server: FakeServer, tmp_path: Path
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=8)

    text = refused(fake_server, tmp_path / "worker", fake_server.identity(now=long_ago))

    assert f"certificate expired on {long_ago + timedelta(days=7):%Y-%m-%d}" in text
    assert "join token" in text


def test_a_server_of_another_ca_is_not_spoken_to(fake_server: FakeServer, tmp_path: Path) -> None:
    other = Authority.create(datetime.now(UTC))
    identity = msgspec.structs.replace(fake_server.identity(authority=other), ca_pem=other.cert_pem)

    text = refused(fake_server, tmp_path / "worker", identity)

    assert "is not this worker's server" in text


def test_the_certificate_is_renewed_at_half_its_life_and_used_at_once(
    fake_server: FakeServer, tmp_path: Path
) -> None:
    running_worker = RunningWorker(tmp_path, fake_server)
    data = WorkerDataFolder.open(running_worker.folder)
    old = fake_server.identity(now=datetime.now(UTC) - timedelta(days=5))
    data.save_identity(old)
    data.close()
    running_worker.start()
    try:
        running_worker.wait(lambda: fake_server.calls["renew"] == 1, "the renewal")
        running_worker.wait(
            lambda: len(set(fake_server.serials)) == 2, "calls with the new certificate"
        )
        fake_server.give(work(J1, "true"))
        running_worker.wait_for_finish(J1)
    finally:
        running_worker.close()

    new = WorkerDataFolder(running_worker.folder).load_identity()

    assert new
    assert new.key_pem != old.key_pem
    assert new.expires_at > old.expires_at
    assert new.worker_id == old.worker_id
