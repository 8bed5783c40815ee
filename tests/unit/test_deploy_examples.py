"""The examples of how to deploy: by foreign schemas and models, and by what they say.

Models of KEDA and Nomad are published for Python, not by who makes those two: see
examples/deploy/README.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from opsicle.cli import reference
from tests.guides import blocks
from tests.product import CHECKOUT
from tests.support import require
from tests.unit import nomad_jobs
from tests.unit.deploy_models import mistakes

DEPLOY = CHECKOUT / "examples" / "deploy"
KUBERNETES = {path.name: path for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))}
COMPOSE = DEPLOY / "compose.yaml"
NOMAD = DEPLOY / "opsicle.nomad.hcl"
NOBODY = 65532

MODELS_OF_KEDA = "cloudcoil/models/keda"
MODELS_OF_NOMAD = "nomadpy"

SCHEMAS_OF = "1.31"
"""The release of Kubernetes by whose schemas the files are judged."""

OPTION = re.compile(r"--[a-z-]+")


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def pods() -> Iterator[dict[str, Any]]:
    for path in KUBERNETES.values():
        for document in documents(path):
            if "template" in document.get("spec", {}):
                yield document["spec"]["template"]["spec"]


def tasks() -> Iterator[dict[str, Any]]:
    for group in nomad_jobs.job(NOMAD)["task_groups"]:
        yield from group["tasks"]


def arguments() -> Iterator[list[str]]:
    """Yield what the program is started with, in each of the files."""
    yield from (container["args"] for pod in pods() for container in pod["containers"])
    yield from (each["command"] for each in documents(COMPOSE)[0]["services"].values())
    yield from (task["config"]["args"] for task in tasks())


@pytest.mark.parametrize("name", ["server.yaml", "workers.yaml"])
def test_files_for_kubernetes_fit_its_schemas(name: str) -> None:
    for document in documents(KUBERNETES[name]):
        kubernetes_validate.validate(document, SCHEMAS_OF, strict=True)


def test_those_schemas_find_a_field_that_there_is_not() -> None:
    broken = documents(KUBERNETES["workers.yaml"])[0]
    broken["spec"]["template"]["spec"]["containers"][0]["readonlyRootFilesystem"] = True

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, SCHEMAS_OF, strict=True)


def of_keda() -> list[dict[str, Any]]:
    """Return what is made for KEDA: the example, and what the guide of autoscaling shows."""
    shown = [each for text in blocks("autoscaling", "yaml") for each in yaml.safe_load_all(text)]
    return [*documents(KUBERNETES["keda.yaml"]), *shown]


def test_files_for_keda_fit_its_models() -> None:
    assert sorted(each["kind"] for each in of_keda()) == ["ScaledJob", "ScaledObject"]

    for document in of_keda():
        assert mistakes(document, MODELS_OF_KEDA, document["kind"]) == []
        named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": document["metadata"]}
        kubernetes_validate.validate(named, SCHEMAS_OF, strict=True)


def test_the_file_for_nomad_fits_its_models() -> None:
    assert mistakes(nomad_jobs.job(NOMAD), MODELS_OF_NOMAD, "Job") == []


def test_those_models_find_what_there_is_not() -> None:
    scaled, job = of_keda()[0], nomad_jobs.job(NOMAD)
    scaled["spec"]["coolDownPeriod"] = scaled["spec"].pop("cooldownPeriod")
    scaled["spec"]["triggers"][0]["metadata"]["threshold"] = 1
    del scaled["spec"]["scaleTargetRef"]
    task = job["task_groups"][1]["tasks"][0]
    task["killtimeout"] = task.pop("kill_timeout")
    task["templates"][0]["gid"] = "nobody"

    assert sorted(mistakes(scaled, MODELS_OF_KEDA, "ScaledObject")) == [
        "$.spec.triggers[0].metadata.threshold: 1 is not of type 'string'",
        "$.spec: 'scaleTargetRef' is a required property",
        "$.spec: Additional properties are not allowed ('coolDownPeriod' was unexpected)",
    ]
    where = "$.task_groups[1].tasks[0]"
    assert sorted(mistakes(job, MODELS_OF_NOMAD, "Job")) == [
        f"{where}.templates[0].gid: 'nobody' is not of type 'integer'",
        f"{where}: Additional properties are not allowed ('killtimeout' was unexpected)",
    ]


def test_compose_takes_its_file() -> None:
    require(shutil.which("docker-compose") is not None, "Compose: apt-get install docker-compose")
    command = ["docker-compose", "--file", COMPOSE, "config", "--quiet"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


def test_what_keda_scales_is_there_and_so_is_what_it_asks_for() -> None:
    (scaled,) = documents(KUBERNETES["keda.yaml"])
    workers = documents(KUBERNETES["workers.yaml"])[0]
    metrics = (CHECKOUT / "docs/operations/monitoring.md").read_text()

    named = scaled["spec"]["scaleTargetRef"]["name"]
    assert (named, scaled["metadata"]["namespace"]) == (
        workers["metadata"]["name"],
        workers["metadata"]["namespace"],
    )
    assert "opsicle_waiting_automations" in scaled["spec"]["triggers"][0]["metadata"]["query"]
    assert "opsicle_waiting_automations" in metrics


def test_every_option_is_one_of_the_program() -> None:
    known = set(OPTION.findall(reference.render()))
    started = list(arguments())

    assert sorted(each[0] for each in started) == ["server"] * 3 + ["worker"] * 3
    for each in started:
        named = {option for word in each[1:] for option in OPTION.findall(word.split("=")[0])}
        assert named
        assert named <= known


def test_nothing_runs_as_root_or_can_write_its_root_or_has_a_capability() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == NOBODY
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            inside = container["securityContext"]
            assert inside["readOnlyRootFilesystem"] is True
            assert inside["allowPrivilegeEscalation"] is False
            assert inside["capabilities"] == {"drop": ["ALL"]}
    for service in documents(COMPOSE)[0]["services"].values():
        assert (service["user"], service["read_only"]) == (f"{NOBODY}:{NOBODY}", True)
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    for task in tasks():
        config = task["config"]
        assert (task["user"], config["readonly_rootfs"]) == (f"{NOBODY}:{NOBODY}", True)
        assert config["cap_drop"] == ["all"]
        assert config["security_opt"] == ["no-new-privileges"]


def test_there_is_one_server_to_a_folder() -> None:
    (server,) = (
        each for each in documents(KUBERNETES["server.yaml"]) if "replicas" in each.get("spec", {})
    )
    (count,) = (
        group["count"]
        for group in nomad_jobs.job(NOMAD)["task_groups"]
        if group["name"] == "server"
    )

    assert (server["kind"], server["spec"]["replicas"]) == ("StatefulSet", 1)
    assert count == 1
