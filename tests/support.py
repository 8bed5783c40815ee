"""What every kind of test here needs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], timeout: float = 30.0, what: str = "", pause: Callable[[float], object] = time.sleep
) -> T:
    """Ask `condition` again and again until its answer is true, and return that answer.

    Fails the test after `timeout` seconds, naming `what` was waited for. `pause` is gevent's sleep where the condition
    comes true in another greenlet.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what or condition}")
        pause(0.01)


def require(is_there: bool, what: str) -> None:
    """Skip the test on a machine that lacks `what`; where CI runs, nothing may be lacking."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"this needs {what}")
    pytest.skip(f"this needs {what}")
