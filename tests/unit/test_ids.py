"""Ids sort by the time at which they were made, and none is given twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opsicle.kit.ids import new_id

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_ids_sort_in_the_order_in_which_they_were_made_also_within_a_millisecond() -> None:
    made = [new_id(NOW) for _ in range(1000)] + [new_id(NOW + timedelta(seconds=1))]
    assert made == sorted(set(made))


def test_a_clock_that_goes_back_does_not_bring_the_order_back() -> None:
    before = new_id(NOW + timedelta(days=1))
    assert new_id(NOW) > before


def test_an_id_cannot_be_told_from_its_neighbour() -> None:
    one, other = new_id(NOW), new_id(NOW)
    assert one[-12:] != other[-12:]
    assert len(one) == 26
