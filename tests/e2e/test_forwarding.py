"""Forwarding by a server that is killed again and again: nothing is missing at either place."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector import Collector
from tests.e2e.test_kills import kill_and_restart, killing
from tests.product import Installation
from tests.support import seeded_random, wait_until
from tests.thin_api import Api

pytestmark = pytest.mark.e2e

WAITS = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: waits}
spec:
  template: {phases: [{name: a, commands: ["true"]}]}
"""


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector(tmp_path).start()
    yield collector
    collector.stop()


def test_kills_of_the_server_and_the_collector_lose_nothing_and_leave_the_order(
    tmp_path: Path, collector: Collector
) -> None:
    path = tmp_path / "events.jsonl"
    options = (
        *("--forward-syslog", f"127.0.0.1:{collector.port}"),
        *("--forward-syslog-ca", str(collector.ca_file), "--forward-file", str(path)),
    )
    with Installation(tmp_path, server_options=options) as installation:
        before = _recorded(installation)  # a new destination begins behind what there was
        installation.push(WAITS)
        with Api(installation.access()) as api:
            with killing(
                lambda: kill_and_restart(installation.server), 2, seeded_random(), 1.5
            ) as over:
                for number in range(80):
                    request = {"template": "waits"}
                    api.retry("POST", "/api/v1/automations", request, key=f"key-{number}")
                    if number == 40:
                        collector.stop()
                        collector.start()
                over.set()
            recorded = _recorded(installation) - before
            wait_until(lambda: recorded <= set(collector.numbers), 120, "all at the collector")
            wait_until(lambda: recorded <= set(_numbers(path)), 60, "all in the file")
            api.retry("GET", "/api/v1/automations")
            metrics = api.request("GET", "/metrics").decode()

        assert len(recorded) > 80
        for numbers in (collector.numbers, _numbers(path)):
            assert _first_times(numbers) == sorted(_first_times(numbers))
        assert 'opsicle_forwarding_waiting_entries{destination="syslog"}' in metrics
        assert 'opsicle_forwarding_lag_seconds{destination="file"}' in metrics


def _recorded(installation: Installation) -> set[tuple[str, int]]:
    database = sqlite3.connect(installation.server.folder / "data/opsicle.db")
    recorded = set(database.execute("SELECT org_id, seq FROM audit_entries"))
    database.close()
    return recorded


def _numbers(path: Path) -> list[tuple[str, int]]:
    """Return what stands in the file, each line of which is whole."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [(entry["org_id"], entry["seq"]) for entry in entries]


def _first_times(numbers: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return each entry where it came first, chain by chain."""
    return sorted(dict.fromkeys(numbers), key=lambda number: number[0])
