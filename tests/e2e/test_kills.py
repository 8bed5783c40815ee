"""`kill -9` at random moments.

The judge is outside the product: every job writes its automation's id and fsyncs it.
"""

from __future__ import annotations

import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.product import Installation, Server, Worker
from tests.support import SCALE, wait_until
from tests.thin_api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FINAL = {"succeeded", "failed", "cancelled", "timed_out", "unknown"}

JUDGED = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec:
  variables: [{id: judge, type: string, isRequired: true}]
  onWorkerLost: ONLOST
  template:
    phases:
      - name: act
        commands:
          - |
            echo "$OPSICLE_AUTOMATION_ID" |
              dd of="$OPSICLE_VAR_JUDGE" oflag=append conv=notrunc,fsync status=none
          - sleep 0.PAUSE
          - echo done
"""


def template(name: str, pause: int, on_lost: str = "unknown") -> str:
    return JUDGED.replace("NAME", name).replace("ONLOST", on_lost).replace("PAUSE", str(pause))


@contextmanager
def killing(
    kill: Callable[[], None], times: int, seed: random.Random, longest: float
) -> Iterator[threading.Event]:
    """Kill again and again in a thread of its own, at random moments.

    All kills are done when this ends.
    """
    failures: list[BaseException] = []
    over = threading.Event()

    def work() -> None:
        try:
            for _ in range(times):
                over.wait(seed.uniform(0.02, longest))
                kill()
        except BaseException as error:  # noqa: BLE001 - raised again by the test itself
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    yield over
    thread.join()
    assert not failures, failures


def kill_at_random(worker: Worker, seed: random.Random) -> None:
    """Kill a worker at a moment while it takes up, carries out or reports a job."""
    threading.Event().wait(seed.uniform(0.02, 0.4))  # the moment is what is tried: no condition
    kill_and_restart(worker)


def kill_and_restart(thing: Server | Worker) -> None:
    thing.process.kill()
    thing.start()


@pytest.fixture
def api(installation: Installation) -> Iterator[Api]:
    with Api(installation.access()) as api:
        yield api


def executions(judge: Path) -> Counter[str]:
    """Return how often each automation really ran."""
    return Counter(judge.read_text().split())


def trigger(api: Api, name: str, judge: Path, count: int) -> list[str]:
    """Trigger until each is acknowledged, as a client that retries does."""
    return [trigger_once(api, name, judge, f"{name}-{n}") for n in range(count)]


def trigger_once(api: Api, name: str, judge: Path, key: str) -> str:
    request = {"template": name, "values": {"judge": str(judge)}}
    return str(api.retry("POST", "/api/v1/automations", request, key=key)["id"])


def state_of(api: Api, automation_id: str) -> str:
    return str(api.retry("GET", f"/api/v1/automations/{automation_id}")["state"])


def wait_for_ends(api: Api, ids: list[str]) -> Counter[str]:
    states = {
        i: wait_until(lambda i=i: (s := state_of(api, i)) in FINAL and s, 120, f"{i} to end")
        for i in ids
    }
    return Counter(states.values())


def assert_sound(installation: Installation) -> None:
    """Assert that the server's databases pass SQLite's own check."""
    installation.server.process.stop()
    for name in ("opsicle.db", "logs.db"):
        database = sqlite3.connect(installation.server.folder / "data" / name)
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        database.close()


def test_no_kill_of_the_server_loses_or_repeats_an_acknowledged_automation(
    installation: Installation, api: Api, tmp_path: Path, seed: random.Random
) -> None:
    judge = tmp_path / "judge"
    judge.touch()
    # Together they take as long as all kills do, so that the last ones find some in flight too.
    installation.push(template("act", pause=5))
    installation.worker("w1", None, "--slots", "4")
    with killing(lambda: kill_and_restart(installation.server), int(12 * SCALE), seed, longest=0.2):
        ids = trigger(api, "act", judge, int(30 * SCALE))
    assert wait_for_ends(api, ids) == {"succeeded": len(ids)}
    assert executions(judge) == dict.fromkeys(ids, 1)
    assert_sound(installation)


ALONE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: alone}
spec:
  variables: [{id: judge, type: string, isRequired: true}]
  concurrency: {group: db, by: [judge]}
  template:
    phases:
      - name: act
        commands:
          - mkdir "$OPSICLE_VAR_JUDGE.taken"
          - |
            echo "$OPSICLE_AUTOMATION_ID" |
              dd of="$OPSICLE_VAR_JUDGE" oflag=append conv=notrunc,fsync status=none
          - sleep 0.02
          - rmdir "$OPSICLE_VAR_JUDGE.taken"
"""
"""Fails if another one of its group runs at the same time."""


def test_no_kill_of_the_server_lets_two_of_a_concurrency_group_run_at_once(
    installation: Installation, api: Api, tmp_path: Path, seed: random.Random
) -> None:
    judges = [tmp_path / "orders", tmp_path / "users"]
    installation.push(ALONE)
    for name in ("w1", "w2"):
        installation.worker(name, None, "--slots", "4")

    with killing(lambda: kill_and_restart(installation.server), int(4 * SCALE), seed, longest=0.5):
        asked = [
            (judge, trigger_once(api, "alone", judge, f"{judge.name}-{n}"))
            for n in range(int(6 * SCALE))
            for judge in judges
        ]

    for judge in judges:
        ids = [automation_id for of, automation_id in asked if of == judge]
        assert wait_for_ends(api, ids) == {"succeeded": len(ids)}
        assert judge.read_text().split() == ids
    assert_sound(installation)


def test_no_kill_of_the_worker_repeats_what_may_run_once_only(
    installation: Installation, api: Api, tmp_path: Path, seed: random.Random
) -> None:
    judge, again = tmp_path / "judge", tmp_path / "again"
    judge.touch()
    again.touch()
    installation.push(template("once", pause=2))
    installation.push(template("harmless", pause=2, on_lost="requeue"))
    worker = installation.worker("w1", None, "--slots", "4")

    once, harmless = [], []
    for n in range(int(12 * SCALE)):  # each kill finds one that has just been triggered
        once.append(trigger_once(api, "once", judge, f"once-{n}"))
        if n % 2:
            harmless.append(trigger_once(api, "harmless", again, f"harmless-{n}"))
        kill_at_random(worker, seed)

    states = wait_for_ends(api, once)
    assert set(states) <= {"succeeded", "unknown"}
    ran = executions(judge)
    assert set(ran) <= set(once)
    assert all(count == 1 for count in ran.values())
    succeeded = {i for i in once if state_of(api, i) == "succeeded"}
    assert succeeded <= set(ran)
    assert wait_for_ends(api, harmless) == {"succeeded": len(harmless)}
    assert set(executions(again)) == set(harmless)
    assert wait_until(lambda: not orphans(once + harmless), 60, "the jobs' processes to be gone")
    assert_sound(installation)


def orphans(ids: list[str]) -> list[int]:
    """Return the processes that belong to one of these automations."""
    marker_pipe = {f"OPSICLE_AUTOMATION_ID={i}".encode() for i in ids}
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker_pipe & set(
                (entry / "environ").read_bytes().split(b"\0")
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


LINES = 200_000
LONG = f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: long}}
spec:
  template:
    phases:
      - name: talk
        timeout: 300
        commands:
          - |
            i=0
            while [ $i -lt {LINES} ]; do
              echo "$i {"x" * 92}"; i=$((i+1)); [ $((i % 20000)) -ne 0 ] || sleep 0.2
            done
"""


def test_a_log_is_byte_equal_however_often_the_server_is_killed_meanwhile(
    installation: Installation, api: Api, seed: random.Random
) -> None:
    installation.push(LONG)
    installation.worker("w1")
    automation = api.run("long")
    with killing(lambda: kill_and_restart(installation.server), int(3 * SCALE), seed, longest=0.8):
        pass
    assert wait_for_ends(api, [automation]) == {"succeeded": 1}
    wait_until(api.reconnects, 60, "the server")
    expected = b"".join(b"%d %s\n" % (n, b"x" * 92) for n in range(LINES))
    assert api.request("GET", f"/api/v1/automations/{automation}/log") == expected
    assert_sound(installation)
