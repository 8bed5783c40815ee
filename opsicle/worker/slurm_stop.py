"""What Slurm is told to end a job's work: all that goes by the job's name."""

from __future__ import annotations

from opsicle.worker.cluster_stop import StopScripts
from opsicle.worker.engine_calls import call

_TERM = """\
scancel --quiet --state=PENDING --name="$1"
scancel --quiet --state=RUNNING --full --signal=TERM --name="$1"
"""
"""`--full` are the commands, too, and not only what `srun` has started. One that waits knows no
signal: `scancel` would try for minutes to send it one."""

_KILL = """\
scancel --quiet --state=RUNNING --full --signal=KILL --name="$1"
scancel --quiet --name="$1"
"""

STOP = StopScripts(_TERM, _KILL, 'squeue --noheader --format=%i --name="$1"')


def slurm_name(job_id: str) -> str:
    """Return what a job's work is called in Slurm, by which any life of its worker finds it."""
    return f"opsicle-{job_id}"


def list_jobs(job_id: str) -> list[str]:
    """Return the numbers of what Slurm has of a job that is not over. Raises OSError."""
    answer = call("squeue", "--noheader", "--format=%i", f"--name={slurm_name(job_id)}")
    if answer.exit_code:
        raise OSError(answer.reason)
    return answer.output.split()
