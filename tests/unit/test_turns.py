"""What is scarce is shared out: an org that asks for much waits for itself."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from opsicle.domain.errors import TooManyRequests
from opsicle.server.turns import Allowance, ConcurrencyLimit, FairTurns


class Desk:
    """A place where one is served at a time; `served` says who was, in order."""

    def __init__(self, most_waiting: int = 100) -> None:
        self.turns = FairTurns("things", 1, most_waiting)
        self.served: list[str] = []
        self.door = Event()
        self.refused: list[str] = []
        self.greenlets: list[gevent.Greenlet[..., None]] = []

    def come(self, org: str, times: int = 1) -> None:
        self.greenlets += [gevent.spawn(self._be_served, org) for _ in range(times)]
        gevent.idle()

    def open(self) -> None:
        self.door.set()
        gevent.joinall(self.greenlets, timeout=60, raise_error=True)

    def _be_served(self, org: str) -> None:
        try:
            with self.turns.turn(org):
                self.door.wait()
                self.served.append(org)
        except TooManyRequests:
            self.refused.append(org)


def test_an_org_with_one_wish_waits_for_one_turn_of_another_with_fifty() -> None:
    desk = Desk()
    desk.come("noisy", 50)
    desk.come("quiet")
    desk.come("third", 2)

    desk.open()

    assert desk.served[:6] == ["noisy", "noisy", "quiet", "third", "noisy", "third"]
    assert len(desk.served) == 53


def test_an_org_that_waits_for_too_much_is_refused_and_no_other_is() -> None:
    desk = Desk(most_waiting=3)
    desk.come("noisy", 10)
    desk.come("quiet", 2)

    desk.open()

    assert desk.refused == ["noisy"] * 6
    assert desk.served.count("noisy") == 4
    assert desk.served.count("quiet") == 2


@pytest.mark.parametrize("who", [0, 1, 2, 3])
def test_whoever_goes_away_takes_no_turn_with_them(who: int) -> None:
    desk = Desk()
    desk.come("noisy", 3)
    desk.come("quiet")

    desk.greenlets.pop(who).kill()
    desk.open()
    desk.door.clear()
    desk.come("later")
    desk.open()

    assert len(desk.served) == 4
    assert desk.served[-1] == "later"


def test_a_place_is_given_back_however_it_was_left() -> None:
    places = ConcurrencyLimit("exports", 2)

    def pieces(org: str) -> Iterator[int]:
        with places.place(org):
            yield 1
            yield 2

    first, second = pieces("acme"), pieces("acme")
    assert (next(first), next(second)) == (1, 1)
    with pytest.raises(TooManyRequests):
        places.check("acme")
    places.check("globex")

    second.close()
    with pytest.raises(ZeroDivisionError), places.place("acme"):
        _ = 1 / 0
    assert list(first) == [1, 2][1:]
    with places.place("acme"), places.place("acme"):
        pass


def test_an_allowance_comes_back_with_time_and_belongs_to_one_org() -> None:
    now = 0.0
    allowance = Allowance("documents", 600, lambda: now)
    allowance.spend("acme", 600)

    with pytest.raises(TooManyRequests) as refused:
        allowance.spend("acme", 100)
    allowance.spend("globex", 600)

    assert refused.value.retry_after == 11
    now = 11.0
    allowance.spend("acme", 100)
    with pytest.raises(TooManyRequests):
        allowance.spend("acme", 100)
