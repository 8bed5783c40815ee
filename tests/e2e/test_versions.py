"""Two built files, this version's and the one before it.

Workers and servers of both, and a data folder taken over.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Use
from tests.product import Installation, User, Worker
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.packaging, pytest.mark.timeout(300)]

BEFORE = "5e43c1a0641c85b0828a2c87ad05715d960b8908"
"""The last commit whose server and worker know format 1 of manifests and orders alone."""

POLICY = """
apiVersion: v1
type: ApprovalPolicy
metadata: {name: production}
spec:
  gates: [{name: approvers, approvers: {roles: [approver]}, required: 1}]
"""
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec:
  APPROVAL
  variables: [{id: who, type: string, default: world}, {id: password, type: secret}]
  onWorkerLost: requeue
  template:
    phases:
      - name: act
        timeout: 30
        env: {A: b}
        retries: {limit: 1, delay: 0}
        commands: ['echo "$OPSICLE_VAR_WHO $OPSICLE_AUTOMATION_ID" >> FILE']
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where jobs write what they did."""
    return tmp_path / "ran"


@pytest.fixture
def installation(tmp_path: Path, log: Path, old: Path, use: Use) -> Iterator[Installation]:
    """Run a server of the version before, with a policy and two templates."""
    use(old)
    with Installation(tmp_path / "place") as installation:
        policy = tmp_path / "policy.yaml"
        policy.write_text(POLICY)
        installation.admin.cli("policies", "push", str(policy))
        _push(installation, "plain", "", log)
        _push(installation, "careful", "approvalPolicy: {policyRef: production}", log)
        yield installation


def _push(installation: Installation, name: str, approval: str, log: Path) -> None:
    installation.push(
        TEMPLATE.replace("NAME", name).replace("APPROVAL", approval).replace("FILE", str(log))
    )


def _start_old(worker: Worker, join_token: str = "") -> None:
    """Start a worker of the version before, and again if it dies, as a service manager does.

    It has a fault that is mended since: when two of its threads are the first to decode a type of
    message at once, the process is ended by SIGSEGV (see `opsicle/kit/structs.py`).
    """
    for token in (join_token, "", ""):
        try:
            worker.start(token)
        except AssertionError:
            if worker.process.popen.poll() != -signal.SIGSEGV:
                raise
            worker.starts -= 1  # it did not get as far as saying that it is ready
        else:
            return
    pytest.fail("the worker of the version before died three times")


def _run(user: User, template: str, who: str) -> str:
    values = user.folder / "values.yaml"
    values.write_text(f"{{who: {who}, password: hunter2-hunter2}}")
    found = user.json("run", template, "--var-file", str(values))
    return str(found["id"])


def _ends_well(here: Installation, automation: str, old_worker: Worker | None = None) -> None:
    def is_over() -> bool:
        if old_worker and old_worker.process.popen.poll() == -signal.SIGSEGV:
            _start_old(old_worker)
        state = here.state(automation)
        assert state in {"awaiting_approval", "queued", "running", "succeeded"}, automation
        return state == "succeeded"

    wait_until(is_over, 60.0, f"{automation} to succeed")


def _ran(log: Path) -> list[str]:
    return [line.split()[0] for line in log.read_text().splitlines()]


def test_what_waited_in_the_version_before_runs_after_the_upgrade_on_workers_of_both(
    installation: Installation, log: Path, old: Path, new: Path, use: Use
) -> None:
    alice, dave = installation.admin, installation.person("dave@example.com", "approver")
    token = installation.admin.json("workers", "token")["token"]
    worker = Worker(installation.folder / "w", options=("--name", "w"))
    installation.processes.append(worker)
    _start_old(worker, token)
    worker.process.stop()
    queued, approved, awaiting = (
        _run(alice, template, who)
        for template, who in (("plain", "queued"), ("careful", "approved"), ("careful", "awaiting"))
    )
    asked = {each["automation_id"]: each["id"] for each in dave.json("approvals", "list")}
    dave.cli("approvals", "approve", asked[approved])
    installation.server.process.stop()

    use(new)
    installation.server.start()
    dave.cli("approvals", "approve", asked[awaiting])
    use(old)
    _start_old(worker)
    for automation in (queued, approved, awaiting):
        _ends_well(installation, automation, worker)
    of_old_worker = _run(alice, "plain", "new-server-old-worker")
    _ends_well(installation, of_old_worker, worker)
    worker.process.stop()

    use(new)
    worker.start()
    with_approval = _run(alice, "careful", "new-server-new-worker")
    [newest] = [
        each for each in dave.json("approvals", "list") if each["automation_id"] == with_approval
    ]
    dave.cli("approvals", "approve", newest["id"])
    _ends_well(installation, with_approval)
    expected = ["approved", "awaiting", "new-server-new-worker", "new-server-old-worker", "queued"]
    assert sorted(_ran(log)) == expected
    bound = alice.json("audit", "list", "--verb", "bind")
    assert {entry["resource"] for entry in bound} == {
        f"automations/{each}" for each in (queued, approved, awaiting)
    }


def test_a_worker_of_this_version_works_for_a_server_of_the_one_before(
    installation: Installation, log: Path, old: Path, new: Path, use: Use
) -> None:
    dave = installation.person("dave@example.com", "approver")
    token = installation.admin.json("workers", "token")["token"]
    use(new)
    installation.join("w", token)
    use(old)  # people's: a command line may be newer than its server where the API has not grown

    plain = _run(installation.admin, "plain", "plain")
    careful = _run(installation.admin, "careful", "careful")
    [asked] = dave.json("approvals", "list")
    dave.cli("approvals", "approve", asked["id"])

    for automation in (plain, careful):
        _ends_well(installation, automation)
    assert sorted(_ran(log)) == ["careful", "plain"]
