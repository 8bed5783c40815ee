"""Phases as pods: real `kubectl`, and an API server that speaks as Kubernetes' does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import KubernetesOptions, Phase
from opsicle.wire.jobs import Outcome, StepState, outputs_of, summary_of
from opsicle.worker.private_files import private_folder
from opsicle.worker.runtimes.kubernetes import KubernetesRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.support import wait_until
from tests.worker.container_phases import arguments_of_all
from tests.worker.fake_kubernetes import FakeKubernetes
from tests.worker.job_runs import Machine, in_background, phase

SECRET = "line one, secret\nline 'two' $HOME"
STUBBORN = "trap '' TERM; echo begun; while :; do sleep 1; done"


@pytest.fixture
def kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    folder = tmp_path / "kubernetes"
    folder.mkdir()
    cluster = FakeKubernetes(folder)
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    left = [list(each) for each in cluster.objects.values()]
    cluster.close()
    assert left == [[], []], "a pod or its secret was left"


@pytest.fixture
def cluster(machine: Machine, kubernetes: FakeKubernetes) -> Iterator[Machine]:
    machine.runtimes = Runtimes((KubernetesRuntime(),))
    assert machine.runtimes.kinds == ("kubernetes",), machine.runtimes.unavailable
    yield machine
    machine.cancellation.cancel()
    for thread in machine.beside:
        thread.join(60)
    assert list(machine.root.iterdir()) == []


def in_pod(*commands: str, image: str = "alpine", **more: Any) -> Phase:
    more.setdefault("timeout", 120)
    asked = more.pop("asked", KubernetesOptions())
    return phase(*commands, image=image, network=True, kubernetes=asked, **more)


def end_once_begun(cluster: Machine, end: Callable[[], object]) -> Outcome:
    """Run a stubborn pod, do something to it once it has printed, and return how it ended."""
    thread, outcomes = in_background(cluster, in_pod(STUBBORN, env={"V": "in no argument"}))
    wait_until(lambda: b"begun" in cluster.log.stdout, 60, "its output")
    end()
    thread.join(60)
    return outcomes[0]


def test_a_phase_in_a_pod_hands_on_all_that_one_does_elsewhere(
    cluster: Machine, kubernetes: FakeKubernetes, tmp_path: Path
) -> None:
    cluster.private_folder = private_folder(tmp_path)
    outcome = cluster.run(
        in_pod(
            'echo "$V|$OPSICLE_PHASE"; cat "$OPSICLE_SECRET_FILE_PIN"; echo "$OPSICLE_SECRET_PIN"',
            'echo out=1 >>"$OPSICLE_OUTPUT"; echo "# Done" >>"$OPSICLE_SUMMARY"',
            env={"V": "a\nb 'c'"},
            secrets=("pin",),
            outputs=("out",),
            user="1000:2000",
            asked=KubernetesOptions(cpu_millis=500, memory_mib=64, service_account="ops"),
        ),
        in_pod("echo $OPSICLE_OUTPUT_OUT; exit 7", name="next"),
        secret_values={"pin": SECRET},
    )

    assert (outcome.state, outcome.exit_code) == (JobState.FAILED, 7), cluster.log.everything
    assert cluster.log.stdout == b"a\nb 'c'|work\n***\n***\n1\n"
    assert outputs_of(outcome.phases) == {"out": "1"}
    assert summary_of(outcome.phases) == "# Done"
    for made in kubernetes.created:
        judged = {key: value for key, value in made.items() if key != "status"}
        kubernetes_validate.validate(judged, "1.31", strict=True)
        if made["kind"] == "Pod":
            assert "one, secret" not in json.dumps(made)
    cluster.private_folder.rmdir()


def test_a_log_whose_stream_is_cut_comes_whole_and_once(
    cluster: Machine, kubernetes: FakeKubernetes
) -> None:
    kubernetes.cut_log_after = 30_001
    count = 20_000
    outcome = cluster.run(
        in_pod(f"i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); done; sleep 2")
    )

    assert outcome.state is JobState.SUCCEEDED
    assert kubernetes.cut_log_after == 0
    assert cluster.log.stdout == b"".join(b"line %d\n" % i for i in range(count))


def test_a_cancel_ends_the_pod_and_no_value_stands_in_an_argument(
    cluster: Machine, kubernetes: FakeKubernetes
) -> None:
    told = bytearray()

    def cancel() -> None:
        told.extend(arguments_of_all())
        cluster.cancellation.cancel()

    outcome = end_once_begun(cluster, cancel)

    assert outcome.state is JobState.CANCELLED
    assert kubernetes.pods == []
    assert b"kubectl\0logs" in told
    assert b"in no argument" not in told


@pytest.mark.parametrize(
    ("why", "explanation"),
    [
        ({"container": "OOMKilled"}, "more memory than its pod may have (OOMKilled)"),
        ({"reason": "Evicted", "message": "disk pressure"}, "ended it: Evicted disk pressure"),
    ],
)
def test_what_ends_a_pod_is_told_apart(
    cluster: Machine, kubernetes: FakeKubernetes, why: dict[str, str], explanation: str
) -> None:
    outcome = end_once_begun(cluster, lambda: kubernetes.end(**why))

    assert outcome.state is JobState.FAILED
    assert explanation in outcome.phases[0].explanation


def test_a_pod_that_is_gone_leaves_nobody_knowing_how_it_ended(
    cluster: Machine, kubernetes: FakeKubernetes
) -> None:
    def lose() -> None:
        (name,) = kubernetes.pods
        kubernetes.lose()
        kubernetes.kill(name)

    outcome = end_once_begun(cluster, lose)

    assert outcome.phases[0].state is StepState.UNKNOWN
    assert "nobody can say how it ended" in outcome.phases[0].explanation


def test_an_image_that_there_cannot_be_fails_at_once(cluster: Machine) -> None:
    outcome = cluster.run(in_pod("true", image="no/such//name"))

    assert outcome.state is JobState.FAILED
    assert "InvalidImageName, no such name; nothing of it was run" in outcome.phases[0].explanation


def test_a_worker_without_a_context_has_no_kubernetes_and_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    assert "has no context" in KubernetesRuntime().unavailable_reason()


def test_what_kubernetes_does_not_take_has_run_nothing(
    cluster: Machine, kubernetes: FakeKubernetes
) -> None:
    kubernetes.refused = {"pods"}
    outcome = cluster.run(in_pod("true"))

    expected = "Kubernetes did not take it; nothing of it was run"
    assert outcome.phases[0].explanation == expected
    assert b"over the quota" in cluster.log.stderr


def test_what_a_pod_cannot_hand_on_is_a_failure(cluster: Machine) -> None:
    long = 'echo "out=$(head -c 5000 /dev/zero | tr \'\\0\' x)" >>"$OPSICLE_OUTPUT"'
    outcome = cluster.run(in_pod(long, outputs=("out",)))

    assert outcome.state is JobState.FAILED
    assert "more than the 4 KiB" in outcome.phases[0].explanation


def test_a_pod_of_an_earlier_life_is_swept_by_its_label(kubernetes: FakeKubernetes) -> None:
    left = {"metadata": {"name": "a", "labels": {"opsicle.job": "job-1"}}}
    other = {"metadata": {"name": "b", "labels": {"opsicle.job": "job-2"}}}
    kubernetes.objects["secrets"] |= {"a": left, "b": other}

    survivors = KubernetesRuntime().sweep("job-1", None, grace_seconds=0)

    assert survivors == 0
    assert list(kubernetes.objects["secrets"]) == ["b"]
    kubernetes.objects["secrets"].clear()
