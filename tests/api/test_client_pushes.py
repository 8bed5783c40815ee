"""Several files are pushed, and one of them is wrong: nobody is left in doubt about the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Installation, User

GOOD = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec: {template: {phases: [{name: one, commands: ["true"]}]}}
"""
WITHOUT_PHASES = GOOD.replace('phases: [{name: one, commands: ["true"]}]', "phases: []")
GATED = GOOD.replace("spec: {", "spec: {approvalPolicy: {spec: {gates: [{name: a, approvers: {manager: true}}]}}, ")
POLICY = """
apiVersion: v1
type: ApprovalPolicy
metadata: {name: NAME}
spec: {gates: [{name: a, approvers: {roles: [admin]}}]}
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("pushes")) as installation:
        yield installation


def write(folder: Path, name: str, source: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(source.replace("NAME", name))
    return str(path)


def names(user: User, noun: str) -> set[str]:
    return {found["name"] for found in user.json(noun, "list")}


def test_nothing_is_pushed_when_one_of_several_templates_is_wrong(installation: Installation, tmp_path: Path) -> None:
    good, bad = write(tmp_path, "good", GOOD), write(tmp_path, "bad", WITHOUT_PHASES)

    done = installation.admin.attempt("templates", "push", good, bad)

    assert done.returncode == 2
    assert f"nothing was pushed: {bad}" in done.stderr
    assert f"{bad}: spec.template.phases (line 5)" in done.stderr
    assert done.stdout == ""
    assert "good" not in names(installation.admin, "templates")


def test_nothing_is_pushed_when_one_of_several_policies_is_wrong(installation: Installation, tmp_path: Path) -> None:
    good, bad = write(tmp_path, "fine", POLICY), write(tmp_path, "wrong", POLICY.replace("gates", "doors"))

    done = installation.admin.attempt("policies", "push", bad, good)

    assert done.returncode == 2
    assert names(installation.admin, "policies") == set()


@pytest.mark.parametrize("form", ["table", "json"])
def test_what_was_pushed_before_the_server_refused_one_is_told(
    installation: Installation, tmp_path: Path, form: str
) -> None:
    installation.push(GATED.replace("NAME", f"gated-{form}"))
    operator = installation.person(f"olga-{form}@example.com", "operator")
    first, second = write(tmp_path, f"first-{form}", GOOD), write(tmp_path, f"gated-{form}", GOOD)
    third = write(tmp_path, f"third-{form}", GOOD)

    done = operator.attempt("-o", form, "templates", "push", first, second, third)

    assert done.returncode == 3
    assert f"first-{form}" in done.stdout
    assert second in done.stderr
    assert f"Not pushed: {second}, {third}." in done.stderr
    assert f"first-{form}" in names(installation.admin, "templates")
    assert f"third-{form}" not in names(installation.admin, "templates")
