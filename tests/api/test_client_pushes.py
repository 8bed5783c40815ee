"""Several files are pushed, and one of them is wrong: nobody is left in doubt about the others."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from opsicle.security import totp
from tests.cutting_proxy import CuttingProxy
from tests.product import Installation, User

GOOD = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: NAME}
spec: {template: {phases: [{name: one, commands: ["true"]}]}}
"""
WITHOUT_PHASES = GOOD.replace('phases: [{name: one, commands: ["true"]}]', "phases: []")
GATED = GOOD.replace(
    "spec: {", "spec: {approvalPolicy: {spec: {gates: [{name: a, approvers: {manager: true}}]}}, "
)
POLICY = """
apiVersion: v1
type: ApprovalPolicy
metadata: {name: NAME}
spec: {gates: [{name: a, approvers: {roles: [admin]}}]}
"""
TRIGGER = """
apiVersion: v1
type: Trigger
metadata: {name: NAME}
spec: {template: called, verify: bearer}
"""


def write(folder: Path, name: str, source: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(source.replace("NAME", name))
    return str(path)


def names(user: User, noun: str) -> set[str]:
    return {found["name"] for found in user.json(noun, "list")}


def test_nothing_is_pushed_when_one_of_several_templates_is_wrong(
    installation: Installation, tmp_path: Path
) -> None:
    good, bad = write(tmp_path, "good", GOOD), write(tmp_path, "bad", WITHOUT_PHASES)

    done = installation.admin.attempt("templates", "push", good, bad)

    assert done.returncode == 2
    assert f"nothing was pushed: {bad}" in done.stderr
    assert f"{bad}: spec.template.phases (line 5)" in done.stderr
    assert done.stdout == ""
    assert "good" not in names(installation.admin, "templates")


def test_nothing_is_pushed_when_one_of_several_policies_is_wrong(
    installation: Installation, tmp_path: Path
) -> None:
    good, bad = (
        write(tmp_path, "fine", POLICY),
        write(tmp_path, "wrong", POLICY.replace("gates", "doors")),
    )

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


def test_the_secret_of_a_trigger_is_shown_though_a_later_file_is_refused(
    installation: Installation, tmp_path: Path
) -> None:
    installation.push(GOOD.replace("NAME", "called"))
    good = write(tmp_path, "called", TRIGGER)
    refused = write(tmp_path, "refused", TRIGGER.replace("spec: {", "spec: {runAs: nobody, "))

    done = installation.admin.attempt("triggers", "push", good, refused)

    assert done.returncode != 0
    assert f"Not pushed: {refused}." in done.stderr
    assert "secret  whsec_" in done.stdout


def recovery_codes(user: User) -> list[str]:
    """Let somebody enrol an app; codes that are good once each."""
    seed = base64.b32decode(user.json("totp", "enrol")["secret"])
    code = totp.code(seed, totp.step_of(datetime.now(UTC)))
    return list(user.json("totp", "confirm", "--totp", code)["codes"])


def versions(user: User, files: list[str]) -> list[int]:
    """Return how many versions each file's template has."""
    return [len(user.json("templates", "versions", Path(file).stem)) for file in files]


def test_files_of_which_some_ask_for_a_code_are_pushed_once_each(
    installation: Installation, tmp_path: Path
) -> None:
    ada = installation.person("ada@example.com", "admin")
    # Who shows a code to enrol, or to log in, has shown one: the push comes from a session that has
    # seen none.
    elsewhere = User(tmp_path, ada.email, ada.place)
    elsewhere.login(installation.server)
    codes = recovery_codes(elsewhere)
    gated = [write(tmp_path, name, GATED) for name in ("gated-1", "gated-2")]
    ada.cli("templates", "push", *gated)
    files = [write(tmp_path, name, GOOD) for name in ("plain-1", "gated-1", "plain-2", "gated-2")]
    untouched = f"Not pushed: {', '.join(files[1:])}."

    without = ada.attempt("templates", "push", *files)
    wrong = ada.attempt("-o", "json", "templates", "push", *files, "--totp", "000000")
    good = ada.json("templates", "push", *files, "--totp", codes[0])
    again = ada.json("templates", "push", *files)

    assert (without.returncode, without.stdout) == (3, "plain-1 version 1 pushed\n")
    assert "--totp" in without.stderr
    assert untouched in without.stderr
    assert wrong.returncode == 2
    assert [(done["name"], done["is_new"]) for done in json.loads(wrong.stdout)] == [
        ("plain-1", False)
    ]
    assert untouched in json.loads(wrong.stderr)["hint"]
    assert [done["is_new"] for done in good] == [False, True, True, True]
    assert [done["is_new"] for done in again] == [False] * 4
    assert versions(ada, files) == [1, 2, 1, 2]


def test_of_a_push_whose_answer_is_lost_nobody_says_that_it_was_not_done(
    installation: Installation, tmp_path: Path
) -> None:
    files = [write(tmp_path, name, GOOD) for name in ("kept-1", "lost-2", "left-3")]
    parts = urlsplit(installation.server.url)
    cut_at, limit = -1, 0
    with CuttingProxy(
        (str(parts.hostname), int(parts.port or 0)), lambda n: limit if n == cut_at else None
    ) as proxy:
        rita = installation.person("rita@example.com", "admin")
        rita.cli(
            *("login", "--server", f"https://127.0.0.1:{proxy.port}", "--email", rita.email),
            *(
                "--password-file",
                str(rita.password_file),
                "--ca-fingerprint",
                installation.server.facts["ca_fingerprint"],
            ),
        )
        before = proxy.passed
        rita.cli("templates", "push", write(tmp_path, "size-0", GOOD))
        limit, cut_at = proxy.passed - before - 50, proxy.connections + 1

        lost = rita.attempt("templates", "push", *files)

        assert proxy.cut == 1
    assert (lost.returncode, lost.stdout) == (6, "kept-1 version 1 pushed\n")
    assert f"Perhaps pushed: {files[1]}" in lost.stderr
    assert f"Not pushed: {files[2]}." in lost.stderr
    assert names(installation.admin, "templates") >= {"kept-1", "lost-2"}
    assert "left-3" not in names(installation.admin, "templates")
    installation.admin.cli("templates", "push", *files)
    assert versions(installation.admin, files) == [1] * 3
