"""A time limit that nobody has written is named as such.

Before the run, and when it has ended a phase.
"""

from __future__ import annotations

import json
from pathlib import Path

from opsicle.domain.templates import Phase
from opsicle.worker.runner import Cancellation, Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.known import known_runtimes
from opsicle.worker.runtimes.table import Runtimes
from tests.product import User
from tests.worker.job_runs import Log, Machine, phase

TEMPLATE = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: t}
spec:
  template:
    phases:
      - {name: check, commands: ["true"]}
      - {name: change, timeout: 75, commands: ["true"]}
"""
SAID = "the default; `timeout: 300` in the phase allows more"


def ended(phase: Phase, tmp_path: Path) -> str:
    """Return what is said of a phase that its limit ended; the default is too long to wait for."""
    host = RunnerHost(workspace_root=tmp_path, runtimes=Runtimes(known_runtimes()))
    runner = Runner(Machine(tmp_path).work(phase), Log(), host, Cancellation())
    return runner._phases._limits(phase).explanation


def test_a_phase_that_the_default_has_ended_says_what_allows_more(tmp_path: Path) -> None:
    assert ended(phase("sleep 75"), tmp_path) == f"timed out after 60 s, {SAID}"
    assert ended(phase("sleep 75", timeout=70), tmp_path) == "timed out after 70 s"


def test_validate_names_the_limit_of_a_phase_that_has_none_of_its_own(tmp_path: Path) -> None:
    user, file = User(tmp_path / "user", "a@example.com"), tmp_path / "t.yaml"
    file.write_text(TEMPLATE)

    said = user.cli("templates", "validate", str(file))

    assert f"{file}: phase check: at most 60 s, {SAID}\n" in said
    assert "phase change" not in said
    assert json.loads(user.cli("-o", "json", "templates", "validate", str(file)))["notes"] == [
        f"phase check: at most 60 s, {SAID}"
    ]
