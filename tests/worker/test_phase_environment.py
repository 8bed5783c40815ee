"""The whole environment of a phase, of a worker that was started in a polluted one."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.templates import ResourceLimits
from tests.podman import Podman
from tests.worker.container_phases import IMAGE
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import phase
from tests.worker.running_worker import RunningWorker

# What a shell was started with, before it adds variables of its own.
TELL = "echo \"{$OPSICLE_PHASE\"; tr '\\0' '\\n' </proc/$$/environ; echo }"

POLLUTION = {
    "AWS_SECRET_ACCESS_KEY": "of the worker",
    "HTTP_PROXY": "http://worker.example",
    "LD_LIBRARY_PATH": "/worker/lib",
    "ENV": "/etc/worker-profile",
    "BASH_ENV": "/etc/worker-profile",
    "OPSICLE_TOKEN": "of the worker",
    "OPSICLE_OUTPUT_FORGED": "of the worker",
    "PYTHONPATH": str(Path.cwd()),
    "SSH_AUTH_SOCK": "/run/agent",
    "USER": "worker",
    "HOME": "/worker",
    "LC_ALL": "C",
    "IFS": "x",
}
HANDED_ON = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "nl_NL.UTF-8", "TZ": "Europe/Berlin"}


def test_a_phase_sees_what_is_documented_and_nothing_else(
    tmp_path: Path, fake_server: FakeServer, podman: Podman, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**POLLUTION, **HANDED_ON}.items():
        monkeypatch.setenv(name, value)
    phases = (
        phase('echo said=1 >"$OPSICLE_OUTPUT"', name="before", outputs=("said",)),
        phase(TELL, name="plain", env={"MODE": "fast"}, secrets=("pin",)),
        phase(TELL, name="limited", env={"MODE": "fast"}, secrets=("pin",),
              limits=ResourceLimits(cpu_seconds=9, nice=1)),
        phase(TELL, name="boxed", env={"MODE": "fast"}, secrets=("pin",), image=IMAGE,
              timeout=120),
    )  # fmt: skip
    given = msgspec.structs.replace(
        work(J1),
        phases=phases,
        secret_values={"pin": "swordfish-7"},
        environment={"OPSICLE_VAR_SERVICE": "nginx"},
    )
    worker = RunningWorker(tmp_path, fake_server)

    worker.start()
    try:
        fake_server.give(given)
        worker.wait_for_finish(J1, 120)
    finally:
        worker.close()

    said = fake_server.logs[J1].decode()
    assert fake_server.finished[J1].state == "succeeded", said
    workspace = f"{worker.folder}/workspaces/{J1}"
    of_job = {
        "MODE": "fast",
        "OPSICLE_AUTOMATION_ID": f"a-{J1}",
        "OPSICLE_JOB_ID": J1,
        "OPSICLE_OUTPUT_SAID": "1",
        "OPSICLE_REQUESTER": "alice@acme.example",
        "OPSICLE_SECRET_PIN": "***",
        "OPSICLE_TEMPLATE": "greet",
        "OPSICLE_VAR_SERVICE": "nginx",
        "OPSICLE_WORKSPACE": workspace,
    }
    files = {"OPSICLE_MASK", "OPSICLE_OUTPUT", "OPSICLE_SECRET_FILE_PIN", "OPSICLE_SUMMARY"}
    plain, limited, boxed = (_environment(said, name) for name in ("plain", "limited", "boxed"))

    for seen in (plain, limited, boxed):
        for name in files:
            assert J1 in seen.pop(name), name
    home = {"HOME": pwd.getpwuid(os.geteuid()).pw_dir}
    assert plain == of_job | HANDED_ON | home
    assert limited == of_job | HANDED_ON | home
    # The image says its own PATH; HOME is that of the user in the container.
    assert set(boxed) == {*of_job, "PATH", "HOME", "LANG", "TZ"}
    assert boxed.items() >= {**of_job, "LANG": "nl_NL.UTF-8", "TZ": "Europe/Berlin"}.items()


def _environment(log: str, name: str) -> dict[str, str]:
    """Return what one phase has told of its environment."""
    told = log.partition(f"{{{name}\n")[2].partition("\n}\n")[0]
    seen = dict(line.split("=", 1) for line in told.splitlines())
    assert seen.pop("OPSICLE_PHASE") == name
    return seen
