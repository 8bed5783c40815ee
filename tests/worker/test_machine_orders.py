"""A worker runs only its own part of what runs on several machines, and never the whole of it."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from opsicle.domain.bound_fan_outs import BoundFanOut, BoundMember, MemberOf
from opsicle.domain.fan_outs import FanOutKind
from opsicle.worker.verification import Refused, Verifier
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.signed_work import WORKER_ID, manifest_of, ordered


def part_for(worker_id: str) -> MemberOf:
    member = BoundMember(name="edge1", worker_id=worker_id)
    return MemberOf(automation_id="whole", position=0, member=member)


def test_its_own_part_is_run(fake_server: FakeServer) -> None:
    manifest = manifest_of(work(J1, "true"), member_of=part_for(WORKER_ID))

    Verifier(fake_server.identity(), {}).check(
        ordered(work(J1, "true"), fake_server.order_key, manifest)
    )


def test_the_part_of_another_worker_is_refused(fake_server: FakeServer) -> None:
    manifest = manifest_of(work(J1, "true"), member_of=part_for("w2"))

    with pytest.raises(Refused, match="it is for another worker alone"):
        Verifier(fake_server.identity(), {}).check(
            ordered(work(J1, "true"), fake_server.order_key, manifest)
        )


def test_what_another_worker_was_chosen_for_is_refused(fake_server: FakeServer) -> None:
    for worker_id, refuses in ((WORKER_ID, False), ("w2", True)):
        only = BoundMember(name="edge1", worker_id=worker_id)
        order = ordered(
            work(J1, "true"), fake_server.order_key, manifest_of(work(J1, "true"), only_worker=only)
        )

        with pytest.raises(Refused, match="alone") if refuses else nullcontext():
            Verifier(fake_server.identity(), {}).check(order)


def test_what_is_planned_for_later_than_its_order_is_refused(fake_server: FakeServer) -> None:
    for seconds, refuses in ((-60, False), (60, True)):
        start_at = datetime.now(UTC) + timedelta(seconds=seconds)
        order = ordered(
            work(J1, "true"),
            fake_server.order_key,
            manifest_of(work(J1, "true"), start_at=start_at),
        )

        with pytest.raises(Refused, match="planned for later") if refuses else nullcontext():
            Verifier(fake_server.identity(), {}).check(order)


def test_the_whole_is_refused(fake_server: FakeServer) -> None:
    members = (BoundMember(name="edge1", worker_id=WORKER_ID),)
    manifest = manifest_of(
        work(J1, "true"), fan_out=BoundFanOut(kind=FanOutKind.EACH, members=members)
    )

    with pytest.raises(Refused, match="it runs on several machines"):
        Verifier(fake_server.identity(), {}).check(
            ordered(work(J1, "true"), fake_server.order_key, manifest)
        )
