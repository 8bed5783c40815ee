"""The older documents with images, from a push over an approval to the end, by a real podman."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.podman import Podman
from tests.product import Installation, Place
from tests.support import require, wait_until

pytestmark = pytest.mark.e2e

POLICY = """
apiVersion: v1
type: ApprovalPolicy
metadata: {name: tg-one}
spec: {gates: [{name: g, approvers: {users: [bob@example.com]}}]}
"""
VALUES = (
    "string-wo-default-value=some text",
    "bool-wo-default-value=true",
    "number-wo-default-value=3",
    "float-wo-default-value=0.5",
)


def upstream(kind: str) -> list[Path]:
    for folder in Path(__file__).parents:
        if (found := folder / "shared/real/opsicle-upstream" / kind).is_dir():
            return sorted(found.glob("*.yaml"))
    require(False, "the older Opsicle's own documents (shared/real/opsicle-upstream)")
    return []


@pytest.fixture
def podman() -> Iterator[Podman]:
    podman = Podman()
    yield podman
    podman.close()


def test_the_older_templates_wait_for_a_worker_with_containers_and_run_there_unchanged(
    tmp_path: Path, podman: Podman
) -> None:
    with_podman = Place(("env", *(f"{name}={value}" for name, value in podman.environment.items())))
    documents = [path for path in upstream("automationTemplate") if "image:" in path.read_text()]
    assert len(documents) == 3

    with Installation(tmp_path / "installation") as installation:
        bob = installation.person("bob@example.com", "approver")
        (tmp_path / "policy.yaml").write_text(POLICY)
        installation.admin.cli("policies", "push", str(tmp_path / "policy.yaml"))
        installation.worker("plain", Place(("env", f"PATH={tmp_path}")))

        asked = []
        for path in documents:
            name = installation.admin.json("templates", "push", str(path))["name"]
            options = [option for value in VALUES for option in ("--var", value)]
            asked.append(installation.admin.json("run", name, *(options if name == "vars" else ())))
            bob.json("approvals", "approve", asked[-1]["approval_id"])

        waiting = installation.admin.json("automations", "show", asked[0]["id"])
        assert waiting["state"] == "queued"
        assert waiting["waiting_reason"] == (
            "no connected worker runs containers (phase `initialisation` has an image)"
        )

        installation.worker("boxes", with_podman)
        for each in asked:
            wait_until(
                lambda id=each["id"]: installation.state(id) == "succeeded",
                120,
                "the end of a job in containers",
            )
            assert "Name: google.com" in installation.admin.cli("logs", each["id"])
            assert "cleanup done" in installation.admin.cli("logs", each["id"])

    assert podman.containers() == []
