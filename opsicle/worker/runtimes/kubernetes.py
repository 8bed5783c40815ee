"""Running a phase as a pod of Kubernetes; see docs/kubernetes.md."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePath

import msgspec

from opsicle.domain.workers import KUBERNETES
from opsicle.wire.jobs import Work
from opsicle.worker import engine_calls, process
from opsicle.worker.cluster_stop import ClusterStop, StopScripts
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.kubernetes_ends import read_pod
from opsicle.worker.kubernetes_pods import JOB_LABEL, pod_of, secret_of
from opsicle.worker.kubernetes_scripts import FOLLOW, GIVEN, LEFT, WORKSPACE, first_script
from opsicle.worker.os_account import OsAccount
from opsicle.worker.phase_shell import phase_environment
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process import Child
from opsicle.worker.runtimes.cluster import ClusterJob, end_unfollowed
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.script import Script, is_posix_shell
from opsicle.worker.stdio_pipes import NamedPipes
from opsicle.worker.waiting import Cancellation
from opsicle.worker.workspace import Workspace, remove_folder

log = logging.getLogger(__name__)

_ASK_TENTHS = 20
"""How often Kubernetes is asked for a pod, in tenths of a second."""

_NO_JOB = 1
"""The tag of what is found by its environment (see process.py)."""

_SAY_WHERE = ("KUBECONFIG", "KUBERNETES_SERVICE_HOST")
"""Variables that tell `kubectl` of a cluster; the latter stands in each pod of one."""

_LEFT_IN_POD = frozenset({"output", "summary"})

STOP = StopScripts(
    term=f'kubectl delete pods --selector={JOB_LABEL}="$1" --wait=false --grace-period=10',
    kill=f'kubectl delete pods,secrets --selector={JOB_LABEL}="$1" --wait=false --grace-period=1',
    ask=f'kubectl get pods,secrets --selector={JOB_LABEL}="$1" --output=name',
)
"""Never by force: that takes a pod off the list while its node may still run it."""


class KubernetesRuntime:
    """Runs each phase as a pod, by `kubectl` and its context; see `Runtime` for the contract."""

    name = "kubernetes"
    kind = KUBERNETES
    limits_by = "Kubernetes"

    def unavailable_reason(self) -> str:
        """Look for the program, and ask the cluster whether pods may be made there."""
        if shutil.which("kubectl") is None:
            return "there is no program `kubectl`"
        config = Path(os.environ.get("HOME", "/"), ".kube/config")
        if not (config.is_file() or any(name in os.environ for name in _SAY_WHERE)):
            return "`kubectl` has no context: there is no ~/.kube/config, and no KUBECONFIG"
        answer = engine_calls.call(
            "kubectl",
            "get",
            "pods",
            f"--selector={JOB_LABEL}=",
            "--output=name",
            "--request-timeout=10s",
        )
        return f"`kubectl` reaches no cluster: {answer.reason}" if answer.exit_code else ""

    def open_job(
        self,
        work: Work,
        workspace: Workspace,
        _account: OsAccount | None,
        private: PrivateFiles,
        _cancellation: Cancellation,
    ) -> KubernetesJob:
        """Return what runs this job's phases.

        `kubectl` runs as the worker itself: nothing of the job runs here.
        """
        return KubernetesJob(work, workspace, private)

    def sweep(self, job_id: str, last_child: ChildProcess | None, grace_seconds: float) -> int:
        """End and remove what Kubernetes has of a job, by its label."""
        answer = engine_calls.call("/bin/sh", "-c", STOP.ask, "sh", job_id)
        if answer.exit_code:
            facts = {"job_id": job_id, "reason": answer.reason}
            log.warning("what Kubernetes has of a job cannot be listed", extra=facts)
        if answer.exit_code or not answer.output.strip():
            return 0
        return end_unfollowed(STOP, job_id, grace_seconds)


class KubernetesJob(ClusterJob):
    """One job's pods, one for each try; see `JobRuntime` for the contract."""

    def __init__(self, work: Work, workspace: Workspace, private: PrivateFiles) -> None:
        super().__init__(work, workspace.sibling("kubernetes"))
        self._private_files = private

    def environment(
        self, phase: int, private: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what is added to the image's own environment, from which PATH and HOME are."""
        names = self._take_private(private)
        there = {
            variable: f"{LEFT if name in _LEFT_IN_POD else GIVEN}/{name}"
            for variable, name in names.items()
        }
        base = {"LANG": os.environ.get("LANG") or "C.UTF-8"}
        return phase_environment(self._work, phase, base, PurePath(WORKSPACE), there, outputs)

    def shell_streams(self, _phase: int, _pipes: NamedPipes) -> None:
        """Return None: a pod's two streams come here as one, in no certain order."""

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> Child:
        """Hand a phase to Kubernetes. Raises CannotStart."""
        if self._work.volume_mounts or self._work.files:
            raise CannotStart("volume mounts and files of a job cannot be carried into a pod")
        asked = self._work.phases[phase]
        self._tries += 1
        name = f"opsicle-{self._work.job_id}-{phase}-{self._tries}".lower()
        at = f"{GIVEN}/script"
        shell = [asked.shell, "-e", at] if is_posix_shell(asked.shell) else [asked.shell, at]
        try:
            first = first_script(environment, [each.encode() for each in shell])
            contents = {"first": first, "script": script.text}
            contents |= {
                each: path.read_bytes()
                for each, path in self._private.items()
                if each not in _LEFT_IN_POD
            }
            self._write(secret_of(self._work, name, contents), pod_of(self._work, asked, name))
            self._child = self._follow(name)
        except ValueError:
            raise CannotStart("a command or a variable contains a NUL byte") from None
        except OSError as problem:
            raise CannotStart(f"the pod could not be made: {problem.strerror}") from None
        self._is_running = True
        return self._child

    def _write(self, secret: object, pod: object) -> None:
        """Write what is made of the phase; the Secret goes as soon as Kubernetes has it."""
        remove_folder(self._folder)
        self._folder.mkdir(mode=0o700)
        (self._folder / "secret.json").symlink_to(
            self._private_files.write(
                "kubernetes-secret", msgspec.json.encode(secret), is_ours=True
            )
        )
        (self._folder / "pod.json").write_bytes(msgspec.json.encode(pod))

    def _follow(self, name: str) -> Child:
        argv = ["/bin/sh", "-c", FOLLOW, "sh", name, str(_ASK_TENTHS)]
        environment = dict(os.environb)
        environment[b"OPSICLE_JOB_ID"] = self._work.job_id.encode()
        environment[b"FOLDER"] = os.fsencode(self._folder)
        return process.spawn(list(map(os.fsencode, argv)), environment, Path("/"), _NO_JOB)

    def fetch_result(self, _phase: int, _exit_code: int) -> str:
        """Take outputs and summary out of the pod's last message; see how it ended."""
        end = read_pod(self._folder)
        if left := end.left():
            for name, content in zip(("output", "summary"), left, strict=True):
                self._private[name].write_bytes(content)
        self._is_running = not end.is_gone
        self._problem = end.problem_text()
        return end.lost_text()

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> ClusterStop:
        """Begin to end what Kubernetes has of the job."""
        return self._begin_stop(STOP, self._work.job_id, grace_seconds)
