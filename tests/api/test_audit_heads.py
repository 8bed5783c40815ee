"""What is cut off the end of a record is noticed: at once after a clean stop, after 5 s while the server runs."""

from __future__ import annotations

from datetime import timedelta

import apsw
import pytest

from opsicle.client.audit_export import verify_export
from opsicle.security.certificates import WorkerIdentity
from opsicle.server.audit.checkpoints import SIGN_AFTER
from opsicle.server.http.request import WORKER_IDENTITY
from opsicle.server.store import audit_checkpoints
from tests.api.running_server import Client, House
from tests.api.test_audit_chain import ALICE, fault, sign, tamper, verdict, write

CUT = "DELETE FROM audit_entries WHERE org_id = ? AND seq > ?"


def turn(house: House) -> None:
    """What the loop does every 5 s."""
    house.services.audit_checkpoints.sign_due()


def checkpoints(house: House) -> int:
    org_id = house.actor(ALICE).org_id
    return house.state.read(
        lambda db: db.execute("SELECT count(*) FROM audit_checkpoints WHERE org_id = ?", (org_id,)).fetchone()[0]
    )


def test_an_entry_that_is_gone_after_one_turn_is_missed(house: House) -> None:
    sign(house)
    last = write(house, 1)
    turn(house)
    assert verdict(house).signed_to == last
    tamper(house, CUT, house.actor(ALICE).org_id, last - 1)

    assert fault(verdict(house)) == ("cut_off", last)
    export = b"".join(house.services.audit.export(house.actor(ALICE))).splitlines()
    found = verify_export(export, house.services.audit.public_key).fault
    assert found is not None
    assert (found.kind, found.seq) == ("cut_off", last)


def test_what_was_cut_off_stays_missed_however_the_record_goes_on(house: House) -> None:
    sign(house)
    last = write(house, 5)
    turn(house)
    tamper(house, CUT, house.actor(ALICE).org_id, last - 3)
    for _ in range(20):
        write(house, 1)
        turn(house)
        house.clock.advance(seconds=SIGN_AFTER.total_seconds() / 4)
    assert fault(verdict(house))[0] == "rewritten"


def test_after_a_clean_stop_every_entry_is_signed_for_good(house: House) -> None:
    turn(house)
    last = write(house, 3)
    house.services.audit_checkpoints.sign_all()
    org_id = house.actor(ALICE).org_id
    assert house.state.read(lambda db: audit_checkpoints.find_last(db, org_id)).seq == last
    tamper(house, CUT, org_id, last - 1)
    assert fault(verdict(house)) == ("cut_off", last)


def test_a_signature_every_5_seconds_does_not_fill_the_database(house: House) -> None:
    sign(house)
    before = checkpoints(house)
    for _ in range(50):
        write(house, 1)
        turn(house)
        house.clock.advance(seconds=5)
        assert verdict(house).is_intact
    assert checkpoints(house) == before
    house.clock.advance(seconds=SIGN_AFTER.total_seconds())
    write(house, 1)
    turn(house)
    assert checkpoints(house) == before + 1
    assert verdict(house).is_intact


def test_nothing_new_means_no_write(house: House) -> None:
    write(house, 1)
    turn(house)
    before = house.state.read(lambda db: db.execute("SELECT * FROM audit_heads ORDER BY org_id").fetchall())
    house.clock.advance(seconds=10)
    turn(house)
    assert house.state.read(lambda db: db.execute("SELECT * FROM audit_heads ORDER BY org_id").fetchall()) == before


def test_retention_and_signatures_agree(house: House) -> None:
    write(house, 50)
    turn(house)
    house.clock.advance(days=40)
    write(house, 5)
    turn(house)
    house.services.audit_checkpoints.prune(timedelta(days=30))
    turn(house)
    write(house, 2)
    turn(house)
    assert verdict(house).is_intact


@pytest.mark.parametrize("change", ["number = number - 1", "seq = seq - 1"])
def test_the_server_itself_cannot_set_a_signature_back(house: House, change: str) -> None:
    sign(house)
    write(house, 2)
    turn(house)
    with pytest.raises(apsw.ConstraintError, match="never goes back"):
        house.state.write(lambda db: db.execute(f"UPDATE audit_heads SET {change}"))


def test_a_worker_that_claims_a_rewritten_history_is_heard_once_a_day(house: House) -> None:
    worker = house.worker("acme", "web")
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
        client = Client(house.frontage._workers._application, environ=environ)
        for n in range(count):
            client.post("/worker/v1/poll", {**poll, "history_rewritten": f"checkpoint {n} is another"})
        return len(house.session(ALICE).get("/api/v1/audit?verb=report_rewritten_history").json["items"])

    assert claim(60) == 1
    house.services.audit_checkpoints._reported_at.clear()  # a restart forgets nothing
    assert claim(5) == 1
    house.clock.advance(hours=25)
    assert claim(5) == 2
