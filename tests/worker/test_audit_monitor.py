"""What a worker makes of the checkpoints that it is shown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from opsicle.security.audit_key import AuditKey
from opsicle.wire.audit import Checkpoint, SeenCheckpoint
from opsicle.worker.audit_monitor import AuditMonitor
from opsicle.worker.connection import ServerConnection
from opsicle.worker.poller import Poller, WorkerDescription
from tests.audit_records import CHAIN, checkpoints, entries
from tests.support import wait_until
from tests.worker.fake_server import FakeServer
from tests.worker.test_poller import Table

KEY = AuditKey.create()
ORIGINAL = checkpoints(KEY, 10, list(entries(50)))


def seen(checkpoint: Checkpoint, chain: str = CHAIN) -> SeenCheckpoint:
    return SeenCheckpoint(chain, checkpoint)


def altered(number: int, **changes: object) -> SeenCheckpoint:
    return seen(msgspec.structs.replace(ORIGINAL[number - 1], **changes))


def test_a_record_that_grows_is_accepted(tmp_path: Path) -> None:
    audit_monitor = AuditMonitor(tmp_path / "checkpoint.json")

    for checkpoint in (*ORIGINAL[:3], ORIGINAL[2], ORIGINAL[4]):
        audit_monitor.see(seen(checkpoint))

    assert audit_monitor.report == ""
    assert msgspec.json.decode(
        (tmp_path / "checkpoint.json").read_bytes(), type=SeenCheckpoint
    ) == seen(ORIGINAL[4])


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        (seen(ORIGINAL[0]), "older"),
        (altered(4, seq=9), "older"),
        (altered(3, hash="0" * 64), "another than"),
        (altered(4, previous="0" * 64), "does not follow"),
        (seen(ORIGINAL[3], "01k9another"), "another one"),
    ],
    ids=["older", "shorter", "other", "other past", "other org"],
)
def test_a_checkpoint_that_contradicts_the_last_one_is_reported_and_not_kept(
    tmp_path: Path, shown: SeenCheckpoint, says: str
) -> None:
    AuditMonitor(tmp_path / "checkpoint.json").see(seen(ORIGINAL[2]))
    audit_monitor = AuditMonitor(tmp_path / "checkpoint.json")  # the worker's next run

    audit_monitor.see(shown)

    assert says in audit_monitor.report

    audit_monitor.reported()
    audit_monitor.see(shown)
    assert audit_monitor.report == "", "it is said once"
    assert msgspec.json.decode(
        (tmp_path / "checkpoint.json").read_bytes(), type=SeenCheckpoint
    ) == seen(ORIGINAL[2])


def test_a_file_that_cannot_be_read_is_as_if_there_had_been_none(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_bytes(b"\xff{")
    audit_monitor = AuditMonitor(tmp_path / "checkpoint.json")

    audit_monitor.see(seen(ORIGINAL[0]))

    assert audit_monitor.report == ""


def test_the_server_is_told_with_the_next_poll(tmp_path: Path) -> None:
    fake_server = FakeServer(tmp_path)
    fake_server.start()
    connection = ServerConnection(fake_server.identity())
    poller = Poller(
        WorkerDescription("boot-1", {}, 1, ("subprocess",)),
        connection,
        Table(),
        lambda _: None,
        lambda _: None,
        lambda: None,
    )
    poller.audit_monitor = AuditMonitor(tmp_path / "checkpoint.json")
    poller.audit_monitor.see(seen(ORIGINAL[2]))
    poller.audit_monitor.see(seen(ORIGINAL[0]))
    poller.start()

    try:
        wait_until(lambda: len(fake_server.polls) >= 2)
        assert "older" in fake_server.polls[0].history_rewritten
        assert fake_server.polls[1].history_rewritten == ""
    finally:
        poller.stop(5)
        connection.close()
        fake_server.stop()
