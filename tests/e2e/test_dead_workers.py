"""A worker that is killed while it waits for work: real processes, real TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Installation
from tests.support import wait_until

pytestmark = pytest.mark.e2e

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: hello}
spec:
  template: {phases: [{name: act, commands: [echo hello]}]}
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path / "place") as installation:
        installation.push(TEMPLATE)
        yield installation


def is_connected(installation: Installation, name: str) -> bool:
    return bool(installation.look_at(f"workers/{name}")["is_connected"])


def test_a_killed_worker_is_named_and_given_nothing(installation: Installation) -> None:
    worker = installation.worker("w1")
    wait_until(lambda: is_connected(installation, "w1"), what="the worker's poll")

    worker.process.kill()

    # Its last poll would be held for up to 30 s more, and what is given to it comes back after as
    # many.
    wait_until(
        lambda: not is_connected(installation, "w1"), timeout=60, what="that the worker is gone"
    )
    queued = installation.admin.json("run", "hello")
    assert queued["waiting_reason"].startswith("w1 fits, but has not been heard of since")
    assert queued["jobs"] == []
    installation.worker("w2")
    wait_until(
        lambda: installation.state(queued["id"]) == "succeeded",
        what="the other worker's success",
    )


ESTABLISHED, KEEPALIVE_TIMER = "01", "02"
"""As `/proc/net/tcp` has them."""


def test_the_kernel_watches_over_the_connections_of_workers(installation: Installation) -> None:
    installation.worker("w1")
    port = int(str(installation.server.facts["worker_url"]).rpartition(":")[2])

    def timers() -> set[str]:
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return {
            line[5].split(":")[0]
            for line in lines
            if line[3] == ESTABLISHED and int(line[1][-4:], 16) == port
        }

    wait_until(
        lambda: timers() == {KEEPALIVE_TIMER}, what="timers of TCP keep-alive, and of nothing else"
    )
