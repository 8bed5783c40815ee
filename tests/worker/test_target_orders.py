"""A worker runs commands on just the target that was ordered, and never without one that was."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.templates import When
from opsicle.wire.jobs import TargetAccess
from opsicle.worker.after_crash import plan_for
from opsicle.worker.verification import Refused, Verifier
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import phase
from tests.worker.signed_work import ordered

WEB1 = TargetAccess(
    name="web1", host="10.0.0.1", user="ops", host_keys=("ssh-ed25519 AAAA",), key="-----BEGIN"
)


def test_a_target_that_was_ordered_is_used(fake_server: FakeServer) -> None:
    verifier = Verifier(fake_server.identity(), {})
    handed = msgspec.structs.replace(work(J1, "true"), target=WEB1)

    verifier.check(ordered(handed, fake_server.order_key))


@pytest.mark.parametrize(
    "other",
    [
        None,
        msgspec.structs.replace(WEB1, name="web2"),
        msgspec.structs.replace(WEB1, host="10.0.0.2"),
        msgspec.structs.replace(WEB1, port=2222),
        msgspec.structs.replace(WEB1, user="root"),
        msgspec.structs.replace(WEB1, host_keys=("ssh-ed25519 BBBB",)),
    ],
)
def test_another_target_is_refused(fake_server: FakeServer, other: TargetAccess | None) -> None:
    verifier = Verifier(fake_server.identity(), {})
    good = ordered(msgspec.structs.replace(work(J1, "true"), target=WEB1), fake_server.order_key)

    with pytest.raises(Refused, match=r"not as ordered: (whether it has a|its) target"):
        verifier.check(msgspec.structs.replace(good, target=other))


def test_a_target_that_nobody_ordered_is_refused(fake_server: FakeServer) -> None:
    verifier = Verifier(fake_server.identity(), {})
    good = ordered(work(J1, "true"), fake_server.order_key)

    with pytest.raises(Refused, match="whether it has a target"):
        verifier.check(msgspec.structs.replace(good, target=WEB1))


def test_the_key_is_neither_shown_nor_written_down() -> None:
    handed = msgspec.structs.replace(
        work(J1, "true"), target=WEB1, phases=(phase("true", when=When.ALWAYS),)
    )

    plan = plan_for(handed, "o1")

    assert plan
    assert plan.has_secrets
    assert WEB1.key not in repr(handed) + repr(WEB1) + repr(plan.work.target)
    assert WEB1.key.encode() not in msgspec.json.encode(plan)
