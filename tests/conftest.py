"""What all tests share."""

from __future__ import annotations

import pytest

MOST_CHARACTERS = 40


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a long text by its parameter: keys and hashes differ at each start, and parallel runs compare names."""
    return argname if isinstance(val, str) and len(val) > MOST_CHARACTERS else None
