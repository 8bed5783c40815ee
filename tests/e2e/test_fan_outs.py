"""Templates that run on many machines, on a real server and workers, which are killed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.product import Installation, Worker
from tests.ssh_servers import SshServer, ssh_server
from tests.support import free_port, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Run a server and three workers that were granted `role=edge`."""
    with Installation(tmp_path_factory.mktemp("fan-outs")) as installation:
        for name in ("e1", "e2", "e3"):
            made = installation.admin.json("workers", "token", "--label", "role=edge")
            installation.join(name, made["token"])
        yield installation


def test_each_worker_runs_its_part_once_though_the_server_is_killed(
    installation: Installation, tmp_path: Path
) -> None:
    proof, gate = tmp_path / "proof", tmp_path / "gate"
    installation.push(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: patch}\n"
        "spec:\n  runsOn: {each: {where: role=edge, parallel: 2}}\n  template:\n    phases:\n"
        f"      - {{name: act, timeout: 300, commands: ['echo ran >> {proof}', "
        f"'until [ -e {gate} ]; do sleep 0.1; done']}}\n"
    )
    admin = installation.admin

    def ran() -> int:
        return len(proof.read_text().splitlines()) if proof.exists() else 0

    def shown() -> Any:
        return admin.json("automations", "show", whole)

    whole = admin.json("run", "patch")["id"]
    wait_until(lambda: ran() == 2, timeout=90)

    installation.server.process.kill()
    installation.server.start()
    gate.touch()
    wait_until(lambda: shown()["state"] == "succeeded", timeout=90)

    assert ran() == 3
    assert [(each["name"], each["state"], each["exit_code"]) for each in shown()["targets"]] == [
        ("e1", "succeeded", 0),
        ("e2", "succeeded", 0),
        ("e3", "succeeded", 0),
    ]
    assert "e2" in admin.cli("automations", "show", whole)
    assert " v1 on e2 " in admin.cli("automations", "list")
    lines = admin.cli("logs", whole).splitlines()
    assert sorted(line.split(" UTC ")[1] for line in lines) == [
        f"{name} succeeded, exit code 0" for name in ("e1", "e2", "e3")
    ]


def test_its_log_is_how_each_has_ended_and_that_of_its_plan_stands_beside(
    installation: Installation,
) -> None:
    installation.push(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: planned}\nspec:\n"
        "  plan: [{name: look, commands: ['echo looked around']}]\n"
        "  runsOn: {each: {where: role=edge}}\n"
        "  template: {phases: [{name: act, commands: ['echo acted']}]}\n"
    )
    admin = installation.admin

    whole = admin.json("run", "planned")["id"]
    wait_until(lambda: admin.json("automations", "show", whole)["finished_at"], timeout=90)

    ended = [line.split(" UTC ")[1] for line in admin.cli("logs", whole).splitlines()]
    assert sorted(ended) == [f"{name} succeeded, exit code 0" for name in ("e1", "e2", "e3")]
    assert admin.cli("logs", whole, "--plan") == "looked around\n"


def test_each_target_runs_its_part_over_ssh_and_a_changed_one_does_not(
    installation: Installation, tmp_path: Path
) -> None:
    admin, proof = installation.admin, tmp_path / "proof"
    with ssh_server(tmp_path / "sshd") as sshd:
        admin.cli("secrets", "create", "web-key", "--value-file", str(tmp_path / "sshd/key"))
        for name in ("web1", "web2", "web3"):
            _push_target(installation, tmp_path, sshd, name)

        installation.push(
            "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: restart}\n"
            "spec:\n  runsOn: {targets: {labels: {role: web}, maxFailures: 3}}\n"
            "  approvalPolicy: {spec: {gates: [{name: g, approvers: {roles: [admin]}, "
            "allowRequester: true}]}}\n"
            "  template:\n    phases:\n"
            f"      - {{name: act, commands: ['echo $OPSICLE_TARGET >> {proof}', "
            "'[ $OPSICLE_TARGET != web2 ] || exit 7']}\n"
        )

        whole = admin.json("run", "restart")
        shown = admin.json("approvals", "show", whole["approval_id"])
        assert shown["workers"][0] == f"web1 ({sshd.user}@127.0.0.1:{sshd.port})"

        _push_target(installation, tmp_path, sshd, "web3", "description: moved")
        admin.cli("approvals", "approve", whole["approval_id"])
        wait_until(
            lambda: admin.json("automations", "show", whole["id"])["state"] == "failed", timeout=90
        )

        ended = admin.json("automations", "show", whole["id"])
        assert [(each["name"], each["state"], each["exit_code"]) for each in ended["targets"]] == [
            ("web1", "succeeded", 0),
            ("web2", "failed", 7),
            ("web3", "failed", None),
        ]
        assert ended["targets"][2]["reason"] == "the target web3 was changed since"
        assert sorted(proof.read_text().split()) == ["web1", "web2"]
        kept = (installation.server.folder / "data/opsicle.db").read_bytes()
        assert sshd.key.encode() not in kept


def test_a_part_whose_target_is_cut_off_is_unknown(
    installation: Installation, tmp_path: Path
) -> None:
    admin, began = installation.admin, tmp_path / "began"
    with ssh_server(tmp_path / "sshd") as sshd:
        key = str(tmp_path / "sshd/key")
        admin.cli("secrets", "create", "cut-key", "--value-file", key)
        _push_target(installation, tmp_path, sshd, "cut1", "credential: {secret: cut-key}")
        installation.push(
            "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: long}\n"
            "spec:\n  runsOn: {targets: {names: [cut1]}}\n  template:\n    phases:\n"
            f"      - {{name: act, commands: ['touch {began}; sleep 300'], "
            "retries: {limit: 2, delay: 0}}\n"
        )
        whole = admin.json("run", "long")
        wait_until(began.exists)

        sshd.kill_sessions()
        wait_until(
            lambda: admin.json("automations", "show", whole["id"])["state"] == "failed", timeout=90
        )

    part = admin.json("automations", "show", whole["id"])["targets"][0]
    assert (part["name"], part["state"]) == ("cut1", "unknown")
    assert "connection to cut1 was lost while it ran" in part["reason"]


def test_a_part_waits_for_people_on_its_target_though_every_worker_is_killed(
    installation: Installation, tmp_path: Path
) -> None:
    admin = installation.admin
    with ssh_server(tmp_path / "sshd") as sshd:
        admin.cli("secrets", "create", "wait-key", "--value-file", str(tmp_path / "sshd/key"))
        _push_target(installation, tmp_path, sshd, "wait1", "credential: {secret: wait-key}")
        installation.push(
            "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: waits}\n"
            "spec:\n  runsOn: {targets: {names: [wait1]}}\n  template:\n    phases:\n"
            "      - {name: leave, commands: ['echo of before > report.txt; pwd > place'], "
            "artifacts: ['*.txt']}\n"
            "      - {name: look, pause: {message: Look!, approvers: {roles: [admin]}, "
            "allowRequester: true}}\n"
            "      - {name: after, commands: ['cat report.txt', "
            '\'test "$(cat place)" = "$PWD"\']}\n'
        )
        whole = admin.json("run", "waits")["id"]

        def part() -> str:
            [target] = installation.look_at(f"automations/{whole}")["targets"]
            return str(target["automation_id"])

        wait_until(lambda: installation.state(part()) == "paused", timeout=90)
        assert admin.cli("artifacts", "get", part(), "report.txt", "--to", "-") == "of before\n"

        workers = [each for each in installation.processes if isinstance(each, Worker)]
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.start()
        asked = installation.look_at("approvals")["items"][0]
        admin.cli("approvals", "approve", asked["id"])
        wait_until(lambda: installation.state(whole) == "succeeded", timeout=90)

    assert "of before" in admin.cli("logs", part())


def test_a_check_says_whether_a_worker_gets_in_and_if_not_why_not(
    installation: Installation, tmp_path: Path
) -> None:
    admin = installation.admin
    with ssh_server(tmp_path / "sshd") as sshd, ssh_server(tmp_path / "other") as other:
        for name, key in (("check-key", sshd.key), ("wrong-key", other.key)):
            (tmp_path / name).write_text(key)
            admin.cli("secrets", "create", name, "--value-file", str(tmp_path / name))
        right = ("credential: {secret: check-key}",)
        for name, lines in {
            "c-good": right,
            "c-changed": (*right, f"hostKeys: [{other.host_key}]"),
            "c-refused": ("credential: {secret: wrong-key}",),
            "c-gone": (*right, f"port: {free_port()}"),
        }.items():
            _push_target(installation, tmp_path, sshd, name, *lines)

        def check(name: str) -> tuple[int, str]:
            done = admin.attempt("-o", "json", "targets", "check", name)
            return done.returncode, json.loads(done.stdout)["outcome"]

        assert check("c-good") == (0, "reachable")
        assert check("c-changed") == (1, "host key differs")
        assert check("c-refused") == (1, "login refused")
        assert check("c-gone") == (1, "not reachable")
        _push_target(installation, tmp_path, sshd, "e1", *right)

    assert admin.json("templates", "show", "check-targets")["version"] == 1
    (ran,) = installation.look_at("targets/c-good/automations")["items"]
    assert (ran["template"], ran["state"]) == ("check-targets", "succeeded")

    log = admin.cli("logs", ran["id"])
    assert f"({sshd.user})" in log
    # What ran on the worker of that name did not run on the target.
    assert installation.look_at("targets/e1/automations")["items"] == []


def _push_target(
    installation: Installation, folder: Path, sshd: SshServer, name: str, *lines: str
) -> None:
    spec = [
        "host: 127.0.0.1",
        f"port: {sshd.port}",
        f"user: {sshd.user}",
        f"hostKeys: [{sshd.host_key}]",
        "credential: {secret: web-key}",
    ]
    given = {line.split(": ")[0] for line in lines}
    spec = [*(line for line in spec if line.split(": ")[0] not in given), *lines]
    document = folder / f"{name}.yaml"
    document.write_text(
        f"apiVersion: v1\ntype: Target\nmetadata: {{name: {name}, labels: {{role: web}}}}\n"
        "spec:\n" + "".join(f"  {line}\n" for line in spec)
    )
    installation.admin.cli("targets", "push", str(document))
