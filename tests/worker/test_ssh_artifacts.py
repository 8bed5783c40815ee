"""Which files come from a target as artifacts: as from a workspace here, whatever it answers."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from opsicle.domain.artifacts import ArtifactLimits
from opsicle.worker import artifact_sources, process, ssh_artifacts
from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.artifacts import ArtifactCollector
from opsicle.worker.process import Child
from opsicle.worker.ssh_artifacts import SshArtifacts
from opsicle.worker.ssh_scripts import RemoteFolder
from opsicle.worker.workspace import Workspace
from tests.ssh_servers import SshServer
from tests.worker.job_runs import Machine, phase

SECRET = "correct-horse-battery"

LEAVE = (
    "mkdir -p report/deep .hidden tree/a/b other; printf a > report/a.html",
    "head -c 300000 /dev/zero > 'report/b c.html'; : > report/deep/no.html; : > .hidden/x.txt",
    "ln -s a.html report/c.html; mkfifo report/d.html; mkdir report/e.html",
    "ln -s report way; : > other/f.html",
    "printf 1 > tree/1.txt; printf 2 > tree/a/2.txt; printf 3 > tree/a/b/-3.txt",
    'printf 4 > "tree/it\'s \\$(x) \\\\ ü.txt"; : > "$(printf \'tree/new\\nline.txt\')"',
    'printf "%s" "$OPSICLE_SECRET_DB" > tree/secret.txt; : > "tree/$OPSICLE_SECRET_DB.txt"',
    "truncate -s 1T tree/giant.txt; head -c 350000 /dev/zero > tree/z.txt",
)
PATTERNS = ("report/*.html", "way/a.html", "tree/**/*.txt", "**/*.txt", "none", "other")


def test_files_come_from_a_target_as_from_here(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path
) -> None:
    here = Machine(tmp_path / "here")
    machines = {"here": here, "there": ssh_machine}
    found: dict[str, Any] = {}

    for name, machine in machines.items():
        machine.artifacts = ArtifactSpool(tmp_path / name / "artifacts", "job")
        outcome = machine.run(
            phase(*LEAVE, "exit 3", secrets=("db",), artifacts=PATTERNS),
            secret_values={"db": SECRET},
            secret_environment={"OPSICLE_SECRET_DB": SECRET},
            artifact_limits=ArtifactLimits(file_bytes=400_000, job_bytes=600_000),
            **({"target": sshd.target()} if machine is ssh_machine else {}),
        )
        assert outcome.exit_code == 3, outcome
        found[name] = [
            (each.path, each.size, each.sha256, each.problem)
            for each in machine.artifacts.waiting()
        ]

    assert found["there"] == found["here"]
    assert [path for path, _, sha, _ in found["there"] if sha] == [
        *("report/a.html", "report/b c.html"),
        *("tree/1.txt", "tree/a/2.txt", "tree/a/b/-3.txt", "tree/it's $(x) \\ ü.txt"),
    ]
    last = ssh_machine.log.of(0).decode().splitlines()[-1]
    assert last.endswith("6 artifacts kept")
    assert SECRET.encode() not in ssh_machine.log.everything


# What a target answers that keeps to nothing

NONCE = "00ff"
HONEST = rf"printf '\n{NONCE} list\n'; printf './ok\0\0'; printf './a\0./b\0\0'"


class HostileTarget:
    """Answers what it likes to a list of names, and to what asks for files."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder / "workspaces", "job")
        self.spool = ArtifactSpool(folder / "artifacts", "job")
        self.asked: list[bytes] = []
        self.is_cut = False

    def collect(self, names: str, files: str = "", *patterns: str) -> list[str]:
        answers = iter([names, files])

        def start(script: bytes) -> Child:
            self.asked.append(script)
            environment = {b"PATH": os.environ["PATH"].encode()}
            return process.spawn(
                [b"/bin/sh", b"-c", next(answers).encode()], environment, Path("/"), 1
            )

        source = SshArtifacts(
            RemoteFolder("job", NONCE), ArtifactLimits(1000, 1500), start, lambda: self.is_cut
        )
        collector = ArtifactCollector(self.workspace, None, self.spool, ArtifactLimits(1000, 1500))
        return list(collector.collect(0, patterns or ("*",), None, source))

    def kept(self) -> dict[str, bytes]:
        return {
            each.path: self.spool.read(each, 0, 9999)
            for each in self.spool.waiting()
            if not each.problem
        }


@pytest.fixture
def hostile(tmp_path: Path) -> HostileTarget:
    return HostileTarget(tmp_path)


def _files(*answers: str) -> str:
    return rf"echo motd; printf '\n{NONCE} files\n'; " + "; ".join(answers)


def test_names_that_lead_elsewhere_are_asked_for_by_nobody(hostile: HostileTarget) -> None:
    names = r"./../x\0/etc/passwd\0./a/../../b\0.\0../c\0./a;touch x\0\0"

    hostile.collect(rf"printf '\n{NONCE} list\n'; printf '\0{names}'", _files(), "**")

    assert hostile.asked[1].splitlines()[-2] == b"send './a;touch x'"
    assert b"passwd" not in hostile.asked[1]
    assert b"../" not in hostile.asked[1]


def test_names_deeper_than_was_asked_are_not_followed(hostile: HostileTarget) -> None:
    most, deeper, far = ("/".join("a" * parts) for parts in (64, 65, 2000))

    hostile.collect(
        rf"printf '\n{NONCE} list\n'; printf '\0./{most}\0./{deeper}\0./{far}\0\0'", _files(), "**"
    )

    asked = [line for line in hostile.asked[1].splitlines() if line.startswith(b"send ")]
    assert asked == [f"send ./{most}".encode()]


@pytest.mark.parametrize(
    "answer",
    [
        f"echo {NONCE} 1 file 1; echo a",
        f"echo {NONCE} 0 file -5; echo a",
        f"echo {NONCE} 0 file {'9' * 5000}; echo a",
        "echo 1234 0 file 1; echo a",
        f"echo {NONCE} 0",
        "head -c 999999 /dev/zero",
    ],
)
def test_an_answer_that_cannot_be_understood_ends_it(hostile: HostileTarget, answer: str) -> None:
    notes = hostile.collect(HONEST, _files(answer))

    assert "no more artifacts of this phase are kept: the target's answer" in notes[0]
    assert hostile.spool.waiting() == []


def test_what_is_larger_than_it_may_be_or_than_was_said_is_not_taken(
    hostile: HostileTarget,
) -> None:
    larger = hostile.collect(HONEST, _files(f"echo {NONCE} 0 file 1001", "head -c 1001 /dev/zero"))
    shorter = hostile.collect(HONEST, _files(f"echo {NONCE} 0 file 20", "printf a"))
    large = hostile.collect(HONEST, _files(f"echo {NONCE} 0 large 1501", f"echo {NONCE} 1 copy 0"))

    assert larger[0].endswith("the target's answer cannot be understood")
    assert shorter[:2] == [
        "artifact a is not kept: the target sends no more",
        "no more artifacts of this phase are kept: the target sends no more",
    ]
    assert large[0].startswith("artifact a is not kept: it is larger than")
    assert large[1] == "artifact b is not kept: it could not be copied on the target"
    assert hostile.kept() == {}


def test_files_before_what_breaks_off_are_whole(hostile: HostileTarget) -> None:
    hostile.collect(HONEST, _files(f"echo {NONCE} 0 file 3", "printf abc", f"echo {NONCE} 1 fi"))

    assert hostile.kept() == {"a": b"abc"}
    [kept] = hostile.spool.waiting()
    assert kept.sha256 == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"echo {NONCE} 0 large 5; echo {NONCE} 1 strange 7", "it is no regular file"),
        (f"echo {NONCE} 0 link 5; echo {NONCE} 1 device 7", "it is a device"),
    ],
)
def test_what_is_no_file_is_said_to_be_none(hostile: HostileTarget, words: str, said: str) -> None:
    notes = hostile.collect(HONEST, _files(words))

    assert notes[1] == f"artifact b is not kept: {said}"


def test_a_list_without_end_is_cut(hostile: HostileTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_sources, "MOST_NAMES", 50)
    monkeypatch.setattr(ssh_artifacts, "_LIST_BYTES", 300_000)
    began = rf"printf '\n{NONCE} list\n'; "

    endless = hostile.collect(began + "yes | tr '\\n' '\\0'")
    many = hostile.collect(
        began + r"printf '\0'; for i in $(seq 60); do printf 'n\0'; done; printf '\0'"
    )

    assert "say more precisely" in endless[0]
    assert "say more precisely" in many[0]


@pytest.mark.parametrize("why", ["silent", "slow", "cancelled"])
def test_who_sends_nothing_is_not_waited_for(
    hostile: HostileTarget, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    answer = "exec sleep 60"
    if why == "silent":
        monkeypatch.setattr(ssh_artifacts, "SILENT_SECONDS", 0.1)
    elif why == "slow":
        monkeypatch.setattr(ssh_artifacts, "FETCH_SECONDS", 0.3)
        answer = rf"printf '\n{NONCE} list\n'; while sleep 0.05; do printf 'a\0'; done"
    hostile.is_cut = why == "cancelled"

    notes = hostile.collect(answer)

    said = "it was cancelled" if hostile.is_cut else "the target takes too long to send them"
    assert notes[0] == f"no more artifacts of this phase are kept: {said}"
