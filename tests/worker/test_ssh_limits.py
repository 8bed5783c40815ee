"""`limits.processes` on a target: by a cgroup, by systemd, by its user, or refused."""

from __future__ import annotations

import os
from pathlib import Path

from opsicle.domain.automations import JobState
from opsicle.domain.templates import ResourceLimits
from tests.ssh_servers import SshServer, ssh_server
from tests.support import require
from tests.worker.job_runs import Machine, phase


def _has_pids_cgroup() -> bool:
    return any(Path(f"/sys/fs/cgroup/{name}").exists() for name in ("pids", "cgroup.controllers"))


TOO_MANY = "for i in 1 2 3 4 5 6 7 8; do sleep 3 & done; wait; echo through"


def test_root_has_its_processes_limited_by_a_cgroup_where_there_is_one(
    ssh_machine: Machine, sshd: SshServer
) -> None:
    require(os.geteuid() == 0 and _has_pids_cgroup(), "root, and cgroups with the controller pids")
    limits = ResourceLimits(processes=5)

    outcome = ssh_machine.run(
        phase("cat /proc/self/cgroup; sleep 0 & wait", name="few", limits=limits),
        phase(f"({TOO_MANY}) || true", name="many", limits=limits),
        target=sshd.target(),
        job_id=f"j-{os.getpid()}-pids",
    )

    assert [each.state for each in outcome.phases] == ["succeeded", "failed"]
    assert outcome.phases[1].explanation == "it needed more than its limit of 5 processes"
    assert f"opsicle-j-{os.getpid()}-pids-".encode() in ssh_machine.log.of(0)
    assert not list(Path("/sys/fs/cgroup").glob(f"**/opsicle-j-{os.getpid()}-*"))


RUN_SCOPE = """\
#!/bin/sh
echo "$*" >>TOLD
while [ "$1" != true ] && [ "$1" != -- ]; do shift; done
[ "$1" = true ] || shift
exec "$@"
"""
"""Stands in for systemd's program, where no systemd runs."""


def test_root_has_a_scope_of_systemd_where_that_runs(ssh_machine: Machine, tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root, whose processes are not counted")
    told, program = tmp_path / "told", tmp_path / "systemd-run"
    program.write_text(RUN_SCOPE.replace("TOLD", str(told)))
    program.chmod(0o755)
    way = f'PATH={tmp_path}:$PATH exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'

    with ssh_server(tmp_path / "sshd", f"ForceCommand {way}") as server:
        outcome = ssh_machine.run(
            phase("cut -d' ' -f1,6 /proc/$$/stat", limits=ResourceLimits(processes=7)),
            target=server.target(),
        )

    assert outcome.state is JobState.SUCCEEDED, outcome
    pid, session = ssh_machine.log.stdout.split()
    assert pid == session
    asked = "--scope --quiet -p TasksMax=7"
    probe, real = told.read_text().splitlines()
    assert probe == f"{asked} true"
    assert real.startswith(f"{asked} -- /usr/bin/setsid /bin/sh")


def test_another_user_may_have_so_many_processes_more(ssh_machine: Machine, tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root, to become another user")
    become = "exec setpriv --reuid=61234 --regid=61234 --clear-groups"
    way = f'{become} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'

    with ssh_server(tmp_path / "sshd", f"ForceCommand {way}") as server:
        outcome = ssh_machine.run(
            phase("sleep 0 & wait", name="few", limits=ResourceLimits(processes=9)),
            phase(TOO_MANY, name="many", limits=ResourceLimits(processes=4), shell="/bin/dash"),
            target=server.target(),
        )

    assert [each.state for each in outcome.phases] == ["succeeded", "failed"], outcome
    assert b"through" not in ssh_machine.log.stdout
    assert b"fork" in ssh_machine.log.of(1)


def test_root_without_anything_that_counts_its_processes_is_refused(
    ssh_machine: Machine, tmp_path: Path
) -> None:
    require(os.geteuid() == 0, "root, whose processes are not counted")
    way = tmp_path / "way"
    way.write_text('#!/bin/sh\numount -R /sys/fs/cgroup\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
    way.chmod(0o755)

    with ssh_server(tmp_path / "sshd", f"ForceCommand exec unshare -m {way}") as server:
        outcome = ssh_machine.run(
            phase("touch ran; echo ran", limits=ResourceLimits(processes=9)),
            target=server.target(),
        )

    assert outcome.phases[0].exit_code == 126
    assert b"`limits.processes` cannot be kept on this target" in ssh_machine.log.stderr
    assert not ssh_machine.log.stdout
