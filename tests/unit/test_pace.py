"""However many read a list again, it takes a bounded share of the server, and all hear of all."""

from __future__ import annotations

import pytest

from opsicle.server.automations.live_streams import (
    MIN_INTERVAL_SECONDS,
    READS_PER_SECOND,
    refresh_interval,
)


@pytest.mark.parametrize("followers", [1, 2, 20, 21, 50, 500, 1_000])
def test_followers_read_no_more_often_together_than_a_server_can_bear(followers: int) -> None:
    calm, spread = refresh_interval(followers)

    assert followers / calm <= READS_PER_SECOND
    assert 0 <= spread <= calm


def test_a_few_are_told_at_once_and_many_one_after_the_other() -> None:
    assert refresh_interval(3) == (MIN_INTERVAL_SECONDS, 0.0)
    assert refresh_interval(500) == (5.0, 5.0)
