"""Which of two versions is the older one."""

from __future__ import annotations

import pytest

from opsicle.domain.versions import is_older


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [
        ("0.9.1", "0.10.0", True),
        ("0.10.0", "0.9.1", False),
        ("0.9", "0.9.1", True),
        ("0.9.0", "0.9", False),
        ("0.9+3f2a", "0.9.0+aaaa", False),
        ("0.9.1+3f2a", "0.10", True),
        ("", "0.9", False),
        ("latest", "0.9", False),
        ("9" * 200, "0.9", False),
    ],
)
def test_releases_are_compared_by_their_numbers(version: str, than: str, expected: bool) -> None:
    assert is_older(version, than) is expected
