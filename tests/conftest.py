"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from opsicle.kit import signals

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

MOST_CHARACTERS = 40


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start, even if they were started in the background themselves."""
    signals.restore_defaults()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a long text by its parameter: keys and hashes differ at each start, and parallel runs compare names."""
    return argname if isinstance(val, str) and len(val) > MOST_CHARACTERS else None


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers: one for all tests of a process, because a second one cannot be started in it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started
