"""The pod of a phase, and the Secret that it is given, as Kubernetes' API has them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from opsicle.domain.templates import KubernetesOptions, Phase, Pull
from opsicle.wire.jobs import Work
from opsicle.worker.kubernetes_scripts import GIVEN, LEFT, WORKSPACE

JOB_LABEL = "opsicle.job"

_PULL = {Pull.MISSING: "IfNotPresent", Pull.ALWAYS: "Always", Pull.NEVER: "Never"}
_SECONDS_BEYOND = 60
"""For how long a pod outlives its phase's time limit, if no worker ends it."""


def secret_of(work: Work, name: str, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the Secret with a pod's script and files."""
    data = {key: base64.b64encode(content).decode() for key, content in contents.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": _labels(work)},
        "immutable": True,
        "data": data,
    }


def pod_of(work: Work, phase: Phase, name: str) -> dict[str, Any]:
    """Return the pod. No value stands in it.

    A pod that is nobody's part is begun once, and never replaced by another one.
    """
    asked = phase.kubernetes or KubernetesOptions()
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": phase.timeout + _SECONDS_BEYOND,
        "terminationGracePeriodSeconds": 10,
        "automountServiceAccountToken": asked.service_account is not None,
        "enableServiceLinks": False,
        "containers": [_container(phase, asked)],
        "volumes": [
            {"name": "given", "secret": {"secretName": name, "defaultMode": 0o444}},
            {"name": "work", "emptyDir": {}},
        ],
    }
    if asked.service_account:
        spec["serviceAccountName"] = asked.service_account
    if phase.user:
        uid, _, gid = phase.user.partition(":")
        group = int(gid or uid)
        spec["securityContext"] = {"runAsUser": int(uid), "runAsGroup": group, "fsGroup": group}
    labels = _labels(work)
    about = {"opsicle.automation": work.automation_id, "opsicle.phase": phase.name}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, "annotations": about},
        "spec": spec,
    }


def _container(phase: Phase, asked: KubernetesOptions) -> dict[str, Any]:
    return {
        "name": "phase",
        "image": phase.image,
        "imagePullPolicy": _PULL[phase.pull],
        "command": ["/bin/sh", f"{GIVEN}/first"],
        "resources": _resources(asked),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": phase.read_only,
        },
        "volumeMounts": [
            {"name": "given", "mountPath": GIVEN, "readOnly": True},
            {"name": "work", "mountPath": WORKSPACE, "subPath": "workspace"},
            {"name": "work", "mountPath": LEFT, "subPath": "left"},
        ],
    }


def _labels(work: Work) -> dict[str, str]:
    return {JOB_LABEL: work.job_id, "app.kubernetes.io/managed-by": "opsicle"}


def _resources(asked: KubernetesOptions) -> dict[str, Any]:
    given = {}
    if asked.cpu_millis:
        given["cpu"] = f"{asked.cpu_millis}m"
    if asked.memory_mib:
        given["memory"] = f"{asked.memory_mib}Mi"
    limits = {key: value for key, value in given.items() if key == "memory"}
    return {"requests": given, "limits": limits}
