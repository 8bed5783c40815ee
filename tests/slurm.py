"""A Slurm cluster of the tests' own: one node, this machine, on loopback and without cgroups."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support import require, wait_until

_DAEMONS = ("/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd")
_CONF = """
ClusterName=tests
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={head_port}
SlurmdPort={node_port}
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=1
MessageTimeout=60
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerNode=100
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={node} MaxTime=INFINITE State=UP PriorityTier=2
"""


class Slurm:
    """munged, slurmctld and slurmd, which end with `close`."""

    def __init__(self) -> None:
        require(
            os.geteuid() == 0
            and all(Path(daemon).exists() for daemon in _DAEMONS)
            and shutil.which("sbatch") is not None,
            "root, and Slurm: apt-get install slurmctld slurmd slurm-client munge",
        )
        folder = self.folder = Path(tempfile.mkdtemp(prefix="opsicle-slurm-"))
        folder.chmod(0o711)  # munged wants its socket where all can reach it
        self.node = socket.gethostname().partition(".")[0]
        self.environment: Mapping[str, str] = {"SLURM_CONF": str(folder / "slurm.conf")}
        for name in ("state", "spool"):
            (folder / name).mkdir()
        head_port, node_port = _free_ports()
        conf = _CONF.format(
            folder=folder,
            node=self.node,
            head_port=head_port,
            node_port=node_port,
            cpus=os.cpu_count(),
        )
        (folder / "slurm.conf").write_text(conf)
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        self._daemons: list[subprocess.Popen[bytes]] = []
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise

    def _start_all(self) -> None:
        folder = self.folder
        self._start(
            "/usr/sbin/munged", "--foreground", f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
            f"--seed-file={folder}/munge.seed", "--num-threads=2",
        )  # fmt: skip
        wait_until((folder / "munge.socket").exists, 60, "munged")
        self._start("/usr/sbin/slurmctld", "-D")
        self._start("/usr/sbin/slurmd", "-D")
        wait_until(self._is_idle, 60, "an idle node")

    def _start(self, *command: str) -> None:
        with (self.folder / f"{Path(command[0]).name}.log").open("wb") as log:
            daemon = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        self._daemons.append(daemon)

    def _is_idle(self) -> bool:
        try:
            return self("sinfo", "--noheader", "--format=%T").split()[:1] == ["idle"]
        except AssertionError:
            return False

    def __call__(self, *command: str) -> str:
        """Call a program of Slurm, and return what it prints."""
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=120,
            check=False,
            env={**os.environ, **self.environment},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def jobs(self) -> list[str]:
        """Return the names of what is not over."""
        return self("squeue", "--noheader", "--format=%j").split()

    def lose_node(self) -> None:
        """Take the node down under its jobs, as if it had been lost."""
        self("scontrol", "update", f"nodename={self.node}", "state=down", "reason=test")

    def await_node(self) -> None:
        """Wait until the node is there again, with nothing on it."""
        wait_until(self._is_idle, 60, "the node's return")

    def close(self) -> None:
        """End it, and whatever runs in it."""
        if len(self._daemons) == len(_DAEMONS):
            subprocess.run(
                ["scancel", "--user=root"],
                check=False,
                timeout=120,
                env={**os.environ, **self.environment},
            )
            wait_until(lambda: not self.jobs(), 60, "the end of all jobs")
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_ports() -> list[int]:
    """Return two ports that are free just now."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        return [one.getsockname()[1], other.getsockname()[1]]
