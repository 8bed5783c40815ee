"""Jobs that wait for people, whatever is killed meanwhile.

The judge is outside the product: every job appends its automation's id to files, and fsyncs them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.test_kills import (
    SCALE,
    assert_sound,
    kill_and_restart,
    killing,
    orphans,
    state_of,
    trigger,
)
from tests.product import Installation, User, Worker
from tests.support import wait_until
from tests.thin_api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

DECISION_REQUESTS = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec:
  variables: [{id: judge, type: string, isRequired: true}]
  template:
    phases:
      - name: before
        commands:
          - echo "$OPSICLE_AUTOMATION_ID" > left-here
          - echo "before $OPSICLE_AUTOMATION_ID" |
            dd of="$OPSICLE_VAR_JUDGE" oflag=append conv=notrunc,fsync status=none
      - name: look
        pause:
          message: Shall it go on?
          approvers: {users: [bob@example.com, carol@example.com]}
          expiresAfter: EXPIRES
          variables: [{id: note, type: string, isRequired: true}]
      - name: after
        commands:
          - echo "after $(cat left-here) $OPSICLE_VAR_NOTE" |
            dd of="$OPSICLE_VAR_JUDGE" oflag=append conv=notrunc,fsync status=none
          - sleep 0.1
"""

FINAL = {"succeeded", "failed", "rejected", "expired", "cancelled", "unknown", "timed_out"}


def template(name: str, expires_after: int = 3600) -> str:
    return DECISION_REQUESTS.replace("NAME", name).replace("EXPIRES", str(expires_after))


@pytest.fixture
def people(installation: Installation) -> dict[str, User]:
    return {
        name: installation.person(f"{name}@example.com", "approver") for name in ("bob", "carol")
    }


@pytest.fixture
def apis(installation: Installation, people: dict[str, User]) -> Iterator[dict[str, Api]]:
    """Return a connection for each person, and one of the admin's, who triggers."""
    with ExitStack() as stack:
        named = {
            name: stack.enter_context(Api(installation.access(p))) for name, p in people.items()
        }
        named["admin"] = stack.enter_context(Api(installation.access()))
        yield named


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    judge = tmp_path / "judge"
    judge.touch()
    return judge


def lines(judge: Path) -> Counter[str]:
    return Counter(judge.read_text().splitlines())


def wait_for(api: Api, ids: list[str], states: set[str]) -> dict[str, str]:
    return {
        i: wait_until(lambda i=i: (s := state_of(api, i)) in states and s, 180, f"{i} in {states}")
        for i in ids
    }


def pause_of(api: Api, automation_id: str) -> str:
    return str(api.retry("GET", f"/api/v1/automations/{automation_id}")["pause_id"])


def said(call: Callable[[], object]) -> bool:
    """Return whether a decision was taken: one that came too late is refused."""
    try:
        call()
    except RuntimeError:
        return False
    return True


def approve(api: Api, pause: str, note: str) -> bool:
    body = {"values": {"note": note}}
    return said(lambda: api.retry("POST", f"/api/v1/approvals/{pause}/approve", body))


def reject(api: Api, pause: str) -> bool:
    return said(lambda: api.retry("POST", f"/api/v1/approvals/{pause}/reject", {}))


def cancel(api: Api, automation_id: str) -> bool:
    return said(lambda: api.retry("POST", f"/api/v1/automations/{automation_id}/cancel", {}))


def test_jobs_that_pause_go_on_once_by_a_decision_that_stands_whatever_is_killed(
    installation: Installation, apis: dict[str, Api], judge: Path, seed: random.Random
) -> None:
    count = max(10, int(30 * SCALE))
    installation.push(template("asking"))
    installation.push(template("forgotten", expires_after=1))
    worker = installation.worker("w1", None, "--slots", "4")
    ids = trigger(apis["admin"], "asking", judge, count - count // 10)
    wait_for(apis["admin"], ids, {"paused"})
    forgotten = trigger(apis["admin"], "forgotten", judge, count // 10)
    wait_for(apis["admin"], forgotten, {"expired"})

    for _ in range(max(2, int(3 * SCALE))):
        kill_and_restart(seed.choice([installation.server, worker]))
    pauses = {i: pause_of(apis["admin"], i) for i in ids}
    worker.process.kill()
    contests = {i: seed.choice(["two approve", "reject", "cancel"]) for i in ids}
    with killing(
        lambda: kill_and_restart(installation.server), max(2, int(3 * SCALE)), seed, longest=0.5
    ):
        taken = decide(apis, pauses, contests)
    worker.start()
    ends = wait_for(apis["admin"], ids, FINAL)

    found = lines(judge)
    for i in (*ids, *forgotten):
        assert found.pop(f"before {i}") == 1
    went_on = [line for line in found if line.startswith("after ")]
    assert all(found[line] == 1 for line in went_on)
    assert len(went_on) == sum(state == "succeeded" for state in ends.values())
    for i, state in ends.items():
        of_it = [line for line in went_on if line.split()[1] == i]
        if state == "succeeded":
            assert of_it in [[f"after {i} {name}"] for name in taken[i]]
        else:
            assert of_it == []
            assert state == {"reject": "rejected", "cancel": "cancelled"}.get(contests[i])
    workspaces = worker.folder / "data/workspaces"
    wait_until(lambda: not list(workspaces.iterdir()), 60, "the workspaces to be gone")
    assert_sound(installation)


def decide(
    apis: dict[str, Api], pauses: dict[str, str], contests: dict[str, str]
) -> dict[str, list[str]]:
    """Have two people decide at once on each; return whose approvals were taken."""
    taken: dict[str, list[str]] = {}
    with ThreadPoolExecutor(2) as pool:
        for i, pause in pauses.items():
            first = pool.submit(approve, apis["bob"], pause, "bob")
            second = {
                "two approve": lambda p=pause: approve(apis["carol"], p, "carol"),
                "reject": lambda p=pause: reject(apis["carol"], p),
                "cancel": lambda i=i: cancel(apis["admin"], i),
            }[contests[i]]
            other = pool.submit(second)
            taken[i] = ["bob"] if first.result() else []
            if other.result() and contests[i] == "two approve":
                taken[i].append("carol")
    return taken


def test_no_kill_of_the_worker_lets_a_job_go_on_twice(
    installation: Installation, apis: dict[str, Api], judge: Path, seed: random.Random
) -> None:
    installation.push(template("asking"))
    worker: Worker = installation.worker("w1", None, "--slots", "4")
    with killing(lambda: kill_and_restart(worker), max(4, int(5 * SCALE)), seed, longest=0.6):
        ids = trigger(apis["admin"], "asking", judge, max(8, int(13 * SCALE)))
        ended = wait_for(apis["admin"], ids, FINAL | {"paused"})
        for i in [i for i, state in ended.items() if state == "paused"]:
            approve(apis["bob"], pause_of(apis["admin"], i), "bob")
    for i in ids:  # some come to wait only now
        if wait_for(apis["admin"], [i], FINAL | {"paused"})[i] == "paused":
            approve(apis["bob"], pause_of(apis["admin"], i), "bob")
    ends = wait_for(apis["admin"], ids, FINAL)

    assert set(ends.values()) <= {"succeeded", "unknown"}
    found = lines(judge)
    assert all(times == 1 for times in found.values()), found
    for i, state in ends.items():
        assert state == "unknown" or found[f"after {i} bob"] == 1
    assert wait_until(lambda: not orphans(ids), 60, "the jobs' processes to be gone")
    assert_sound(installation)


FAILING = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: failing}
spec:
  template:
    phases:
      - {name: act, onFailure: ask, commands: ["test -e again || { touch again; exit 3; }"]}
"""


def test_the_command_line_gives_values_and_chooses(
    installation: Installation, apis: dict[str, Api], people: dict[str, User], judge: Path
) -> None:
    installation.push(template("asking"))
    installation.push(FAILING)
    installation.worker("w1")
    [asking] = trigger(apis["admin"], "asking", judge, 1)
    failing = apis["admin"].run("failing")
    wait_for(apis["admin"], [asking, failing], {"paused"})

    bob, admin = people["bob"], installation.admin
    [inbox] = bob.json("approvals", "list")
    assert (inbox["kind"], inbox["phase"], inbox["automation_id"]) == ("pause", "look", asking)
    assert bob.attempt("approvals", "approve", inbox["id"]).returncode == 2
    wrong = bob.attempt("approvals", "approve", inbox["id"], "--var", "nota=by-hand")
    assert "this pause has no variable `nota` (did you mean `note`?)" in wrong.stderr
    assert "It asks for (--var id=value)" in bob.cli("approvals", "show", inbox["id"])
    bob.cli("approvals", "approve", inbox["id"], "--var", "note=by-hand")
    assert "It asks for" not in bob.cli("approvals", "show", inbox["id"])
    asked = pause_of(apis["admin"], failing)
    assert admin.json("approvals", "show", asked)["kind"] == "failure"
    admin.cli("approvals", "approve", asked, "--choice", "retry")

    ends = wait_for(apis["admin"], [asking, failing], FINAL)
    assert set(ends.values()) == {"succeeded"}
    assert lines(judge)[f"after {asking} by-hand"] == 1
    assert "exit code 0, at attempt 2 of 2\n" in admin.cli("automations", "show", failing)
