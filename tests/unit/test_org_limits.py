"""What is scarce is shared out: an org that asks for much waits for itself."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from opsicle.domain.errors import TooManyRequests
from opsicle.server.org_limits import ConcurrencyLimit, FairSemaphore, RateLimit


class Requests:
    """Requests that are served one at a time; `served` says who was, in order."""

    def __init__(self, most_waiting: int = 100) -> None:
        self.semaphore = FairSemaphore("things", 1, most_waiting)
        self.served: list[str] = []
        self.may_end = Event()
        self.refused: list[str] = []
        self.greenlets: list[gevent.Greenlet[..., None]] = []

    def add(self, org: str, times: int = 1) -> None:
        self.greenlets += [gevent.spawn(self._be_served, org) for _ in range(times)]
        gevent.idle()

    def finish_all(self) -> None:
        self.may_end.set()
        gevent.joinall(self.greenlets, timeout=60, raise_error=True)

    def _be_served(self, org: str) -> None:
        try:
            with self.semaphore.slot(org):
                self.may_end.wait()
                self.served.append(org)
        except TooManyRequests:
            self.refused.append(org)


def test_an_org_with_one_request_waits_for_one_turn_of_another_with_fifty() -> None:
    requests = Requests()
    requests.add("noisy", 50)
    requests.add("quiet")
    requests.add("third", 2)

    requests.finish_all()

    assert requests.served[:6] == ["noisy", "noisy", "quiet", "third", "noisy", "third"]
    assert len(requests.served) == 53


def test_an_org_that_waits_for_too_much_is_refused_and_no_other_is() -> None:
    requests = Requests(most_waiting=3)
    requests.add("noisy", 10)
    requests.add("quiet", 2)

    requests.finish_all()

    assert requests.refused == ["noisy"] * 6
    assert requests.served.count("noisy") == 4
    assert requests.served.count("quiet") == 2


@pytest.mark.parametrize("who", [0, 1, 2, 3])
def test_whoever_goes_away_takes_no_turn_with_them(who: int) -> None:
    requests = Requests()
    requests.add("noisy", 3)
    requests.add("quiet")

    requests.greenlets.pop(who).kill()
    requests.finish_all()
    requests.may_end.clear()
    requests.add("later")
    requests.finish_all()

    assert len(requests.served) == 4
    assert requests.served[-1] == "later"


def test_a_slot_is_given_back_however_it_was_left() -> None:
    limit = ConcurrencyLimit("exports", 2)

    def pieces(org: str) -> Iterator[int]:
        with limit.slot(org):
            yield 1
            yield 2

    first, second = pieces("acme"), pieces("acme")
    assert (next(first), next(second)) == (1, 1)
    with pytest.raises(TooManyRequests):
        limit.check("acme")
    limit.check("globex")

    second.close()
    with pytest.raises(ZeroDivisionError), limit.slot("acme"):
        _ = 1 / 0
    assert list(first) == [1, 2][1:]
    with limit.slot("acme"), limit.slot("acme"):
        pass


def test_a_rate_limit_comes_back_with_time_and_belongs_to_one_org() -> None:
    now = 0.0
    limit = RateLimit("documents", 600, lambda: now)
    limit.consume("acme", 600)

    with pytest.raises(TooManyRequests) as refused:
        limit.consume("acme", 100)
    limit.consume("globex", 600)

    assert refused.value.retry_after == 11
    now = 11.0
    limit.consume("acme", 100)
    with pytest.raises(TooManyRequests):
        limit.consume("acme", 100)
