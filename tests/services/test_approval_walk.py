"""Whatever happens to people, policies and approvals, only what is approved runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.approval_walk import Walk
from tests.support import SCALE, seeded_random

STEPS = 250


@pytest.mark.parametrize("round_", range(max(1, round(2 * SCALE))))
def test_whatever_happens_only_what_is_approved_runs(tmp_path: Path, round_: int) -> None:
    walk = Walk(tmp_path, seeded_random())
    try:
        for _ in range(STEPS):
            walk.step()
    finally:
        walk.team.core.close()
        print(dict(walk.did), len(walk.asked), "asked,", len(walk.ran), "ran")

    assert len(walk.ran) == len(set(walk.ran))
