"""The walk of `approval_walk.py`, with rows altered behind the server's back between steps.

Somebody writes to the database: any column of an automation, its approval, a decision or its secret
values; whole rows go, are copied or made up. What comes out to a worker must still be exactly what
somebody asked for, once, agreed to by those who might: or nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.tampered_walk import TamperedWalk
from tests.support import SCALE, seeded_random

STEPS = 250


@pytest.mark.parametrize("round_", range(max(1, round(3 * SCALE))))
def test_whatever_is_altered_only_what_was_asked_and_agreed_to_runs(
    tmp_path: Path, round_: int
) -> None:
    walk = TamperedWalk(tmp_path, seeded_random())
    try:
        for _ in range(STEPS):
            walk.step()
    finally:
        walk.team.core.close()
        print(dict(walk.did), len(walk.asked), "asked,", len(walk.ran), "ran")

    assert len(walk.ran) == len(set(walk.ran))
