"""Which worker can take an automation, and why none does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.templates import Phase, Template
from opsicle.domain.waiting_reasons import waiting_reason
from opsicle.domain.workers import (
    CONTAINER,
    KUBERNETES,
    SLURM,
    SUBPROCESS,
    Candidate,
    Requirements,
    can_take,
    requirements,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
BOTH = frozenset({SUBPROCESS, CONTAINER})
AMS = Requirements(labels={"site": "ams"})
IN_CONTAINER = Requirements(runtimes=frozenset({CONTAINER}), image_phase="initialisation")


def worker(name: str = "worker-1", **known: Any) -> Candidate:
    return Candidate(name=name, **known)


@pytest.mark.parametrize(
    ("asked", "candidates", "reason"),
    [
        (Requirements(), [], "no worker has enrolled yet"),
        (Requirements(), [worker(is_connected=False)], "worker-1 fits, but is not connected"),
        (
            Requirements(),
            [worker(is_connected=False, was_stopped=True)],
            "worker-1 fits, but was stopped",
        ),
        (
            Requirements(),
            [worker(is_connected=False, seen_at=NOON)],
            "worker-1 fits, but has not been heard of since 2026-01-31 12:00:00 UTC",
        ),
        (
            Requirements(),
            [worker(is_connected=False), worker("worker-2", is_connected=False)],
            "none of the 2 workers is connected: "
            "worker-1 is not connected, worker-2 is not connected",
        ),
        (AMS, [worker(labels={"site": "fra"})], "no connected worker has label site=ams"),
        (
            AMS,
            [worker(), worker("b", labels={"site": "ams"}, is_connected=False)],
            "no connected worker has label site=ams: b fits, but is not connected",
        ),
        (
            Requirements(labels={"site": "ams", "tier": "web"}),
            [worker(labels={"site": "ams"}), worker("b", labels={"tier": "web"})],
            "no connected worker has all of the labels site=ams, tier=web",
        ),
        (
            IN_CONTAINER,
            [worker()],
            "no connected worker runs containers (phase `initialisation` has an image)",
        ),
        (
            Requirements(labels={"site": "ams"}, runtimes=BOTH, image_phase="a"),
            [worker(labels={"site": "ams"})],
            "no connected worker with these labels runs containers (phase `a` has an image)",
        ),
        (
            Requirements(runtimes=BOTH),
            [worker(), worker("b", runtimes=frozenset({CONTAINER}))],
            "no connected worker runs both containers and subprocesses",
        ),
        (
            Requirements(runtimes=frozenset({SUBPROCESS, SLURM})),
            [worker()],
            "no connected worker has Slurm (it needs `sbatch`, and a cluster that answers)",
        ),
        (
            Requirements(runtimes=frozenset({KUBERNETES})),
            [worker()],
            "no connected worker has Kubernetes (it needs `kubectl`, and a cluster that answers)",
        ),
        (
            Requirements(),
            [worker(runtimes=frozenset({CONTAINER}))],
            "no connected worker runs subprocesses (phases without an image)",
        ),
        (Requirements(), [worker(is_draining=True)], "worker-1 is draining"),
        (
            AMS,
            [worker(is_draining=True, labels={"site": "ams"}), worker("b")],
            "worker-1 is draining",
        ),
        (
            Requirements(),
            [worker(is_draining=True), worker("b", is_draining=True)],
            "all 2 matching workers are draining",
        ),
        (Requirements(), [worker(busy=1)], "worker-1 is busy (its only slot)"),
        (Requirements(), [worker(slots=4, busy=4)], "worker-1 is busy (4 of 4 slots)"),
        (
            Requirements(),
            [
                worker(slots=4, busy=4),
                worker("b", slots=4, busy=4),
                worker("c", is_connected=False),
            ],
            "all 2 matching workers are busy (8 of 8 slots); c would fit, but is not connected",
        ),
        (
            AMS,
            [
                worker(labels={"site": "ams"}, is_draining=True),
                worker("b", labels={"site": "ams"}, is_connected=False, seen_at=NOON),
                worker("c", labels={"site": "fra"}, is_connected=False, seen_at=NOON),
                worker("d", labels={"site": "ams"}, is_connected=False, was_stopped=True),
            ],
            "worker-1 is draining; "
            "b would fit, but has not been heard of since 2026-01-31 12:00:00 UTC",
        ),
        (
            Requirements(),
            [worker(is_draining=True), worker("b", busy=1)],
            "b is busy (its only slot)",
        ),
        (Requirements(), [worker(busy=1), worker("b")], ""),
    ],
)
def test_the_reason_names_what_is_missing(
    asked: Requirements, candidates: list[Candidate], reason: str
) -> None:
    assert waiting_reason(asked, candidates) == reason


def test_a_template_asks_for_its_labels_and_for_the_runtimes_of_its_phases() -> None:
    phases = (Phase(name="a", commands=("b",)), Phase(name="c", commands=("d",), image="alpine"))

    assert requirements(Template(name="t", phases=phases, runs_on={"site": "ams"})) == Requirements(
        labels={"site": "ams"}, runtimes=BOTH, image_phase="c"
    )
    assert requirements(Template(name="t", phases=phases[:1])) == Requirements()


LABELS = st.dictionaries(st.sampled_from(["site", "tier"]), st.sampled_from(["a", "b"]))
RUNTIMES = st.sampled_from([frozenset({SUBPROCESS}), frozenset({CONTAINER}), BOTH])
CANDIDATES = st.builds(
    Candidate,
    name=st.just("w"),
    labels=LABELS,
    runtimes=RUNTIMES,
    slots=st.integers(1, 2),
    busy=st.integers(0, 2),
    is_connected=st.booleans(),
    is_draining=st.booleans(),
)


@given(st.builds(Requirements, labels=LABELS, runtimes=RUNTIMES), st.lists(CANDIDATES, max_size=4))
def test_there_is_a_reason_to_wait_exactly_when_nobody_can_take_it(
    asked: Requirements, candidates: list[Candidate]
) -> None:
    assert (waiting_reason(asked, candidates) == "") == any(
        can_take(asked, candidate) for candidate in candidates
    )
