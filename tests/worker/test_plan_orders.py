"""A worker that is ordered to plan carries out the plan, and nothing else of the manifest."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from opsicle.wire.jobs import Work
from opsicle.worker.verification import Refused, Verifier
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import Machine, phase
from tests.worker.signed_work import manifest_of, ordered

PLAN = (phase("terraform plan", name="look"),)
PHASES = (phase("terraform apply", name="act"),)
OF_PLAN = {"phases": PHASES, "plan": PLAN}
OF_REST = OF_PLAN | {"evidence": "e" * 64, "plan_outputs": {"changes": "4"}}


def given(
    server: FakeServer, manifest: dict[str, object], is_of_plan: bool, **changes: object
) -> Work:
    """Return work under a manifest and an order of either kind."""
    plain = {"phases": PLAN if is_of_plan else PHASES, "is_plan": is_of_plan}
    plain |= {} if is_of_plan else {"plan_outputs": manifest.get("plan_outputs", {})}
    handed: Work = msgspec.structs.replace(work(J1, "true"), **(plain | changes))
    return ordered(handed, server.order_key, manifest_of(handed, **manifest), is_plan=is_of_plan)


def test_the_plan_and_the_rest_each_have_an_order_of_their_own(fake_server: FakeServer) -> None:
    verifier = Verifier(fake_server.identity(), {})

    verifier.check(given(fake_server, OF_PLAN, True))
    verifier.check(given(fake_server, OF_REST, False))


@pytest.mark.parametrize(
    ("manifest", "is_of_plan", "changes"),
    [
        pytest.param(OF_PLAN, True, {"phases": PHASES}, id="a plan's order, the other phases"),
        pytest.param(OF_REST, False, {"phases": PLAN}, id="the plan under the order for the rest"),
        pytest.param(OF_PLAN, False, {}, id="the rest before its plan has shown anything"),
        pytest.param(OF_REST, True, {"plan_outputs": {"changes": "4"}}, id="the plan once more"),
        pytest.param({"phases": PLAN}, True, {}, id="a plan where the manifest has none"),
        pytest.param(
            {"phases": PHASES, "evidence": "e"}, False, {}, id="evidence of no plan at all"
        ),
        pytest.param(OF_PLAN, True, {"is_plan": False}, id="a plan that does not say so"),
        pytest.param(OF_REST, False, {"plan_outputs": {}}, id="without what the plan hands on"),
        pytest.param(
            OF_PLAN, True, {"secret_values": {"key": "s3cret!"}}, id="a secret of the rest"
        ),
    ],
)
def test_neither_order_lets_a_worker_run_anything_of_the_other(
    fake_server: FakeServer,
    manifest: dict[str, object],
    is_of_plan: bool,
    changes: dict[str, object],
) -> None:
    verifier = Verifier(fake_server.identity(), {})

    with pytest.raises(Refused, match="not as ordered"):
        verifier.check(given(fake_server, manifest, is_of_plan, **changes))


def test_later_phases_read_what_the_plan_has_handed_on(tmp_path: Path) -> None:
    machine = Machine(tmp_path)

    machine.run(phase("echo $OPSICLE_OUTPUT_CHANGES to come"), plan_outputs={"changes": "4"})

    assert machine.log.of(0) == b"4 to come\n"
