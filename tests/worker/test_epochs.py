"""What a worker remembers of its server's epochs, and of what it has begun in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.manifests import WorkOrder
from opsicle.wire.worker_api import SignedOrder
from opsicle.worker import ran_automations
from opsicle.worker.journal import Journal
from opsicle.worker.known_epoch import KnownEpoch, Outdated
from opsicle.worker.ran_automations import KEPT_FOR, RanEntry
from opsicle.worker.verification import Refused
from tests.worker.job_runs import Machine, phase
from tests.worker.signed_work import manifest_of, order_of

NOW = datetime.now(UTC)


def order(epoch: int, epoch_id: str = "a") -> WorkOrder:
    work = Machine(Path("/nowhere")).work(phase("true"))
    made = order_of(work, b"", epoch=epoch, epoch_id=epoch_id)
    assert manifest_of(work).automation_id == made.automation_id
    return made


def signed(name: str) -> SignedOrder:
    return SignedOrder(name.encode(), b"s" * 64)


def test_the_newest_epoch_outlives_the_worker_and_nothing_earlier_is_carried_out(
    tmp_path: Path,
) -> None:
    KnownEpoch(tmp_path / "epoch.json").take(order(2), signed("two"))
    known = KnownEpoch(tmp_path / "epoch.json")
    known.take(order(2), signed("again"))

    with pytest.raises(Outdated, match="older copy") as refusal:
        known.take(order(1), signed("one"))

    assert refusal.value.proof == signed("two")

    with pytest.raises(Outdated, match="two servers run on copies of one"):
        known.take(order(2, "b"), signed("other"))

    with pytest.raises(Outdated):
        known.take(order(0, ""), signed("of an old program"))

    known.take(order(3, "c"), signed("three"))
    with pytest.raises(Outdated):
        known.take(order(2), signed("two"))


def test_a_server_that_was_never_restored_may_go_back_to_a_version_without_epochs(
    tmp_path: Path,
) -> None:
    known = KnownEpoch(tmp_path / "epoch.json")
    known.take(order(0, ""), signed("old"))
    known.take(order(1), signed("new"))
    known.take(order(0, ""), signed("old again"))


@pytest.mark.parametrize(
    ("said", "is_shown"),
    [((1, "a"), True), ((2, "b"), True), ((2, "a"), False), ((3, "c"), False), ((0, ""), False)],
)
def test_the_proof_is_shown_to_a_server_that_does_not_know_of_it(
    tmp_path: Path, said: tuple[int, str], is_shown: bool
) -> None:
    known = KnownEpoch(tmp_path / "epoch.json")
    known.take(order(2), signed("two"))

    known.note_server_epoch(*said)

    assert known.proof == (signed("two") if is_shown else None)


def test_a_file_that_cannot_be_read_is_as_if_there_were_none(tmp_path: Path) -> None:
    (tmp_path / "epoch.json").write_bytes(b"\xff{")
    KnownEpoch(tmp_path / "epoch.json").take(order(1), signed("one"))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def ran(fence: int, epoch: int = 1, automation: str = "a", at: datetime = NOW) -> RanEntry:
    return RanEntry(automation, epoch, fence, at)


def test_an_automation_runs_again_by_a_later_fence_of_the_same_epoch_only(journal: Journal) -> None:
    journal.remember(ran(1))
    journal.remember(ran(2))
    for again in (ran(2), ran(1), ran((1 << 32) + 1, epoch=2)):
        with pytest.raises(Refused, match="ran on this worker already"):
            journal.remember(again)
    journal.remember(ran(1, automation="b"))


def test_it_is_remembered_for_a_week_whatever_becomes_of_the_worker(tmp_path: Path) -> None:
    now = NOW
    journal = Journal(tmp_path / "journal", now=lambda: now)
    journal.remember(ran(1))
    journal.remember(ran(1, automation="b", at=NOW + timedelta(days=1)))
    journal.close()

    now = NOW + KEPT_FOR - timedelta(minutes=1)
    again = Journal(tmp_path / "journal", now=lambda: now)
    with pytest.raises(Refused):
        again.remember(ran(9, epoch=2))
    again.close()

    now = NOW + KEPT_FOR + timedelta(minutes=1)
    later = Journal(tmp_path / "journal", now=lambda: now)
    assert [each.automation_id for each in later.list_ran(10)] == ["b"]
    later.remember(ran(9, epoch=2))


def test_what_is_remembered_is_bounded(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ran_automations, "MOST", 10)

    for number in range(25):
        journal.remember(ran(1, automation=f"a{number}"))

    assert [each.automation_id for each in journal.list_ran(100)] == [
        f"a{number}" for number in range(15, 25)
    ]
    assert [each.automation_id for each in journal.list_ran(2)] == ["a23", "a24"]


def test_a_journal_of_before_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)

    journal.starting("one", 1)
    journal.close()

    assert b'"ran"' not in path.read_bytes()
    assert [entry.job_id for entry in Journal(path).open_jobs()] == ["one"]
    assert msgspec.json.encode(ran(1))
