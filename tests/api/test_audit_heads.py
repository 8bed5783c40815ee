"""What is cut off the end of a record is noticed.

At once after a clean stop, after 5 s while the server runs.
"""

from __future__ import annotations

from datetime import timedelta

import apsw
import pytest

from opsicle.client.audit_export import verify_export
from opsicle.security.certificates import WorkerIdentity
from opsicle.server.audit.checkpoints import SIGN_AFTER
from opsicle.server.http.request import WORKER_IDENTITY
from opsicle.server.store import audit_checkpoints
from tests.api.audit_changes import ALICE, fault, sign, tamper, verdict, write
from tests.api.running_server import ApiServer, Client

CUT = "DELETE FROM audit_entries WHERE org_id = ? AND seq > ?"


def turn(api_server: ApiServer) -> None:
    """Do what the loop does every 5 s."""
    api_server.services.audit_checkpoints.sign_due()


def checkpoints(api_server: ApiServer) -> int:
    org_id = api_server.actor(ALICE).org_id
    return api_server.state.read(
        lambda db: db.execute(
            "SELECT count(*) FROM audit_checkpoints WHERE org_id = ?", (org_id,)
        ).fetchone()[0]
    )


def test_an_entry_that_is_gone_after_one_turn_is_missed(api_server: ApiServer) -> None:
    sign(api_server)
    last = write(api_server, 1)
    turn(api_server)
    assert verdict(api_server).signed_to == last
    tamper(api_server, CUT, api_server.actor(ALICE).org_id, last - 1)

    assert fault(verdict(api_server)) == ("cut_off", last)
    export = b"".join(api_server.services.audit.export(api_server.actor(ALICE))).splitlines()
    found = verify_export(export, api_server.services.audit.public_key).fault
    assert found is not None
    assert (found.kind, found.seq) == ("cut_off", last)


def test_what_was_cut_off_stays_missed_however_the_record_goes_on(api_server: ApiServer) -> None:
    sign(api_server)
    last = write(api_server, 5)
    turn(api_server)
    tamper(api_server, CUT, api_server.actor(ALICE).org_id, last - 3)
    for _ in range(20):
        write(api_server, 1)
        turn(api_server)
        api_server.clock.advance(seconds=SIGN_AFTER.total_seconds() / 4)
    assert fault(verdict(api_server))[0] == "rewritten"


def test_after_a_clean_stop_every_entry_is_signed_for_good(api_server: ApiServer) -> None:
    turn(api_server)
    last = write(api_server, 3)
    api_server.services.audit_checkpoints.sign_all()
    org_id = api_server.actor(ALICE).org_id
    assert api_server.state.read(lambda db: audit_checkpoints.find_last(db, org_id)).seq == last
    tamper(api_server, CUT, org_id, last - 1)
    assert fault(verdict(api_server)) == ("cut_off", last)


def test_a_signature_every_5_seconds_does_not_fill_the_database(api_server: ApiServer) -> None:
    sign(api_server)
    before = checkpoints(api_server)
    for _ in range(50):
        write(api_server, 1)
        turn(api_server)
        api_server.clock.advance(seconds=5)
        assert verdict(api_server).is_intact
    assert checkpoints(api_server) == before
    api_server.clock.advance(seconds=SIGN_AFTER.total_seconds())
    write(api_server, 1)
    turn(api_server)
    assert checkpoints(api_server) == before + 1
    assert verdict(api_server).is_intact


def test_nothing_new_means_no_write(api_server: ApiServer) -> None:
    write(api_server, 1)
    turn(api_server)
    before = api_server.state.read(
        lambda db: db.execute("SELECT * FROM audit_heads ORDER BY org_id").fetchall()
    )
    api_server.clock.advance(seconds=10)
    turn(api_server)
    assert (
        api_server.state.read(
            lambda db: db.execute("SELECT * FROM audit_heads ORDER BY org_id").fetchall()
        )
        == before
    )


def test_retention_and_signatures_agree(api_server: ApiServer) -> None:
    write(api_server, 50)
    turn(api_server)
    api_server.clock.advance(days=40)
    write(api_server, 5)
    turn(api_server)
    api_server.services.audit_checkpoints.prune(timedelta(days=30))
    turn(api_server)
    write(api_server, 2)
    turn(api_server)
    assert verdict(api_server).is_intact


@pytest.mark.parametrize("change", ["number = number - 1", "seq = seq - 1"])
def test_the_server_itself_cannot_set_a_signature_back(api_server: ApiServer, change: str) -> None:
    sign(api_server)
    write(api_server, 2)
    turn(api_server)
    with pytest.raises(apsw.ConstraintError, match="never goes back"):
        api_server.state.write(lambda db: db.execute(f"UPDATE audit_heads SET {change}"))


def test_a_worker_that_claims_a_rewritten_history_is_heard_once_a_day(
    api_server: ApiServer,
) -> None:
    worker = api_server.worker("acme", "web")
    environ = {WORKER_IDENTITY: WorkerIdentity("acme", worker.worker_id, "1")}
    poll = {
        "boot_id": "b",
        "version": "1",
        "labels": {},
        "slots": 1,
        "free_slots": 0,
        "runtimes": [],
        "wait_seconds": 0,
    }

    def claim(count: int) -> int:
        client = Client(api_server.applications.for_workers, environ=environ)
        for n in range(count):
            client.post(
                "/worker/v1/poll", {**poll, "history_rewritten": f"checkpoint {n} is another"}
            )
        return len(
            api_server.session(ALICE)
            .get("/api/v1/audit?verb=report_rewritten_history")
            .json["items"]
        )

    assert claim(60) == 1
    api_server.services.audit_checkpoints._reported_at.clear()  # a restart forgets nothing
    assert claim(5) == 1
    api_server.clock.advance(hours=25)
    assert claim(5) == 2
