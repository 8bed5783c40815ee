"""How long those who lost the server wait before they try again."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from opsicle.kit.backoff import Backoff
from opsicle.worker.poller import LONGEST_DELAY_SECONDS


@given(st.integers(), st.integers(1, 60))
def test_no_delay_leaves_its_bounds(seed: int, tries: int) -> None:
    backoff = Backoff(0.1, 30.0, source=random.Random(seed))
    for number in range(1, tries + 1):
        assert 0.1 <= backoff.next_delay() <= min(30.0, 0.1 * 2**number)


def test_delays_grow_until_the_longest_and_are_short_again_after_a_success() -> None:
    backoff = Backoff(0.1, 30.0, source=random.Random(7))

    late = [backoff.next_delay() for _ in range(200)][20:]
    assert max(late) > 25
    assert sum(late) / len(late) > 10

    backoff.reset()
    assert backoff.next_delay() <= 0.2


def test_workers_that_lost_the_server_at_once_come_back_spread_out_and_within_five_seconds() -> (
    None
):
    seed = random.randrange(2**32)
    print("seed", seed)
    source = random.Random(seed)

    returns_at = 60.0

    found_at = [_first_try_after(returns_at, source) - returns_at for _ in range(2000)]
    assert max(found_at) <= 5.0
    per_tenth = [sum(1 for at in found_at if tenth <= at * 10 < tenth + 1) for tenth in range(40)]
    assert max(per_tenth) < 200, "a stampede: more than a tenth of the fleet within 100 ms"


def _first_try_after(moment: float, source: random.Random) -> float:
    backoff = Backoff(longest=LONGEST_DELAY_SECONDS, source=source)
    at = 0.0
    while at < moment:
        at += backoff.next_delay()
    return at
