"""What may be under way at once: for one user, for one org, and in all."""

from __future__ import annotations

from opsicle.domain.errors import TooManyRequests
from opsicle.server.http.shares import Shares, Whose


def test_each_share_says_whose_it_is_and_what_ends_gives_it_back() -> None:
    shares = Shares(of_user=1, of_org=2, in_all=3)
    shares.add(Whose("ada", "acme"))

    assert refusal(shares, Whose("ada", "acme")) == "you have too many requests"
    assert refusal(shares, Whose("bob", "acme")) == ""
    shares.add(Whose("bob", "acme"))
    assert refusal(shares, Whose("carol", "acme")) == "your org has too many requests"
    shares.add(Whose("dana", "initech"))
    assert refusal(shares, Whose("erin", "initech")) == "the server has too many requests"

    shares.remove(Whose("ada", "acme"))
    assert refusal(shares, Whose("ada", "acme")) == ""


def refusal(shares: Shares, whose: Whose) -> str:
    try:
        shares.check(whose, "requests", retry_after=1, hint="Send one after the other.")
    except TooManyRequests as error:
        return str(error)
    return ""
