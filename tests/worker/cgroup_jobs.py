"""Jobs of a worker that has cgroups; run as a program, within a kernel that has version 2 of them.

Argument: a folder for workspaces. Prints a JSON object of what became of each job; root's jobs run
as itself and as another user.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from opsicle.domain.templates import Phase, ResourceLimits
from opsicle.worker.cgroups import NoCgroups, find_cgroups
from opsicle.worker.os_account import OsAccount
from opsicle.worker.run_as import find_accounts
from opsicle.worker.runner import Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.support import wait_until
from tests.worker.job_runs import Machine, is_alive, phase

HOG = "perl -e '$x = \"x\" x 60e6'"
TEN = "i=0; while [ $i -lt 10 ]; do sleep 60 & i=$((i+1)); done"


DAEMON = "setsid sh -c 'echo $$ >pid; exec sleep 300' >/dev/null 2>&1 &"


def main(folder: Path) -> None:
    """Run the jobs, one after another."""
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            find_cgroups()
        except NoCgroups as problem:
            refused = str(problem)
        other.kill()

    own = Path("/sys/fs/cgroup", Path("/proc/self/cgroup").read_text()[4:].strip())
    if os.geteuid() == 0:
        try:
            find_cgroups()
        except NoCgroups as problem:
            refused_to_root = str(problem)
        os.setxattr(own, "trusted.delegate", b"1")
    else:
        os.setxattr(own, "user.delegate", b"1")

    runtimes = Runtimes([SubprocessRuntime(Machine(folder).environment)])
    told: dict[str, Any] = {"refused": refused, "own": run_as(None, folder, runtimes)}
    if os.geteuid() == 0:
        told["refused to root"] = refused_to_root
        told["other"] = run_as(find_accounts(["nobody"]).default, folder, runtimes)
    print(json.dumps(told))


def run_as(account: OsAccount | None, folder: Path, runtimes: Runtimes) -> dict[str, Any]:
    """Return what became of the jobs, which run as this user."""
    here = Path("/sys/fs/cgroup", Path("/proc/self/cgroup").read_text()[4:].strip()).parent
    host = RunnerHost(workspace_root=folder, runtimes=runtimes, account=account, grace_seconds=0.5)

    def run(*phases: Phase) -> dict[str, object]:
        machine = Machine(folder)
        outcome = Runner(machine.work(*phases), machine.log, host, machine.cancellation).run()
        assert outcome is not None
        return {
            "state": outcome.state,
            "exit_code": outcome.phases[0].exit_code,
            "explanation": outcome.phases[0].explanation,
            "log": machine.log.everything.decode(),
            "left": [path.name for path in here.glob("opsicle-phase-*")],
        }

    memory, processes = ResourceLimits(memory_mib=24), ResourceLimits(processes=6)
    told: dict[str, Any] = {
        "by": runtimes.limits_by["subprocess"],
        "hog": run(phase(f"{HOG} || true; echo went on", limits=memory)),
        "bomb": run(phase(f"({TEN}) || true; exit 0", limits=processes)),
        "both": run(phase("id -un; echo fits", limits=ResourceLimits(memory_mib=24, processes=6))),
        "daemon": run(
            phase(f"{DAEMON}\nuntil [ -s pid ]; do sleep 0.05; done; cat pid", limits=memory)
        ),
    }
    daemon = int(told["daemon"]["log"].split()[-1])
    os.kill(daemon, signal.SIGKILL)
    wait_until(lambda: not is_alive(daemon), 60, "the end of the daemon")
    told["after the daemon"] = run(phase("true", limits=memory))
    return told


main(Path(sys.argv[1]))
