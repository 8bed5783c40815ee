"""What is remembered must not outlive a change."""

from __future__ import annotations

from opsicle.server.access.cache import MAX_ENTRIES, Cache


def test_what_was_found_is_not_looked_up_again() -> None:
    remembered: Cache[str, int] = Cache()
    assert remembered.get("a", lambda: 1) == 1
    assert remembered.get("a", lambda: 2) == 1


def test_what_was_not_found_is_looked_up_again() -> None:
    remembered: Cache[str, int] = Cache()
    assert remembered.get("a", lambda: None) is None
    assert remembered.get("a", lambda: 1) == 1


def test_after_a_change_everything_is_looked_up_again() -> None:
    remembered: Cache[str, int] = Cache()
    remembered.get("a", lambda: 1)

    remembered.invalidate()

    assert remembered.get("a", lambda: 2) == 2


def test_what_was_read_before_a_change_is_not_remembered_after_it() -> None:
    remembered: Cache[str, int] = Cache()

    def read_while_somebody_writes() -> int:
        remembered.invalidate()
        return 1

    remembered.get("a", read_while_somebody_writes)
    assert remembered.get("a", lambda: 2) == 2


def test_it_does_not_grow_without_end() -> None:
    remembered: Cache[int, int] = Cache()
    for n in range(MAX_ENTRIES + 1):
        remembered.get(n, lambda n=n: n)

    assert remembered.get(0, lambda: -1) == -1
