"""What every kind of test here needs."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pytest

T = TypeVar("T")

SCALE = float(os.environ.get("OPSICLE_TEST_SCALE", "1"))
"""How much larger than usual the counts of long tests are."""

SHORTEST_PAUSE = 0.01
LONGEST_PAUSE = 0.5


def wait_until(
    condition: Callable[[], T],
    timeout: float = 60.0,
    what: str = "",
    pause: Callable[[float], object] = time.sleep,
    longest_pause: float = LONGEST_PAUSE,
) -> T:
    """Ask `condition` again and again until its answer is true, and return that answer.

    What takes long is asked for less and less often: the answer comes at most a tenth later, and
    asking, which may take a process of its own, leaves the machine to what is waited for.

    `timeout` only guards against hanging, on a machine that does much else: never less than a
    process takes to start. Fails the test after so many seconds, naming `what` was waited for.
    `pause` is gevent's sleep where the condition comes true in another greenlet; `longest_pause`,
    in seconds, is less where each time of asking counts.
    """
    began_at = time.monotonic()
    while True:
        answer = condition()
        if answer:
            return answer
        waited = time.monotonic() - began_at
        if waited > timeout:
            raise AssertionError(f"waited {timeout} s in vain for {what or condition}")
        pause(min(max(waited / 10, SHORTEST_PAUSE), longest_pause))


def seeded_random() -> random.Random:
    """Return a generator by which a test decides; `OPSICLE_TEST_SEED` repeats what it printed."""
    seed = int(os.environ.get("OPSICLE_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"OPSICLE_TEST_SEED={seed}")
    return random.Random(seed)


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1 that the system gives to nobody who asks for any port.

    The system hands out ports from 32768 on, to whoever listens on port 0 and to each connection
    that goes out: those are gone again before a process has started, or started anew.
    """
    for port in random.SystemRandom().sample(range(10_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("100 ports in a row are in use")


def require(is_there: bool, what: str) -> None:
    """Skip the test on a machine that lacks `what`; where CI runs, nothing may be lacking."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"this needs {what}")
    pytest.skip(f"this needs {what}")
