"""The units under a real systemd, installed by the commands of the guide: on request.

`build.py nightly systemd` makes the folder and runs this. It needs root, a mirror of Debian, and
300 MB. The folder is left as it is: systemd
starts as process 1 of namespaces of its own, above a layer that goes with them.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import CHECKOUT
from tests.support import wait_until
from tests.unit.test_operations_guides import commands

MACHINE = os.environ.get("OPSICLE_DEBIAN_SYSTEMD", "")

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not MACHINE, reason="OPSICLE_DEBIAN_SYSTEMD names no folder with Debian and systemd"
    ),
]

GUIDES = CHECKOUT / "docs/operations"
ENDS = (
    "systemctl disable --now opsicle-worker opsicle-server",
    "rm -rf /etc/systemd",
    "rm -rf /usr",
)
ENROLS = "runuser -u opsicle-worker -- opsicle worker --join-file"
OF_OTHER_GUIDES = (
    "systemctl restart opsicle-server",  # checking-and-upgrading
    "systemctl disable --now opsicle-server",  # moving-the-server
)
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: who}
spec: {template: {phases: [{name: who, commands: ['id -un; touch /etc/x 2>&1 || true']}]}}
"""

_BOOT = """
mount --make-rprivate /
mount -t tmpfs tmpfs "$2"; mkdir "$2/up" "$2/work" "$2/root"; cd "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/work" overlay . ; cd "$2/root"
mount -t proc proc proc; mount -t sysfs -o ro sysfs sys; mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp; mount -t tmpfs -o mode=755 tmpfs dev
for each in null zero full random urandom tty; do
  touch "dev/$each"; mount --bind "/dev/$each" "dev/$each"
done
mkdir -p dev/pts dev/shm old; ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
mount -t devpts devpts dev/pts; mount -t tmpfs tmpfs dev/shm
ip link set lo up
pivot_root . old
exec env -i container=test PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot . \\
  sh -c 'umount -l /old; mount --make-rshared /; exec /lib/systemd/systemd' <&- >&- 2>&-
"""


class Booted:
    """A machine whose process 1 is systemd."""

    def __init__(self, folder: Path) -> None:
        self._boot = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup",
             "sh", "-ec", _BOOT, "sh", MACHINE, str(folder)],
        )  # fmt: skip
        self._children = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children")
        wait_until(self._is_up, what="systemd")

    def _is_up(self) -> bool:
        assert self._boot.poll() is None
        return bool(self._children.read_text()) and self.try_("systemctl is-system-running --wait")[
            1
        ].strip() in {"running", "degraded"}

    @property
    def pid(self) -> int:
        return int(self._children.read_text().split()[0])

    def command(self, text: str) -> list[str]:
        """Return what runs a command of the shell in there."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--uts", "--ipc", "--net"]
        path = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return [*enter, "--root", "--wd", "env", "-i", path, "HOME=/root", "sh", "-ec", text]

    def try_(self, text: str) -> tuple[int, str]:
        done = subprocess.run(
            self.command(f"cd /root; {text}"), capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def do(self, text: str) -> str:
        code, output = self.try_(text)
        assert code == 0, (text, output, self.try_("journalctl --no-pager --lines=40")[1])
        return output

    def write(self, path: str, content: bytes) -> None:
        subprocess.run(self.command(f"cat > {path}"), input=content, check=True)

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._boot.wait()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Booted]:
    """Boot the folder as a machine."""
    booted = Booted(tmp_path)
    yield booted
    booted.end()


def blocks(guide: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (GUIDES / guide).read_text(), re.DOTALL)


def test_the_guide_installs_a_site_that_outlives_a_kill_and_is_backed_up(
    machine: Booted, built: Path
) -> None:
    name = "opsicle-0.1.0-linux-x86_64"
    machine.write(f"/root/{name}", built.read_bytes())
    machine.write(
        "/root/SHA256SUMS", f"{hashlib.sha256(built.read_bytes()).hexdigest()}  {name}\n".encode()
    )
    machine.write("/etc/hosts", b"127.0.0.1 localhost ops.example.com\n")
    machine.write("/root/password", b"correct horse battery staple\n")
    machine.do("mkdir -p /etc/opsicle /usr/share/bash-completion/completions /etc/sysusers.d")
    (settings,) = blocks("install.md", "toml")
    machine.write("/etc/opsicle/opsicle.toml", settings.encode())

    for line in commands(GUIDES / "install.md"):
        if line.startswith(ENROLS):
            enrol(machine, line)
        elif not line.startswith(ENDS):
            machine.do(line)

    machine.write("/root/who.yaml", TEMPLATE.encode())
    machine.do("opsicle templates push who.yaml")
    assert "opsicle-worker\ntouch: cannot touch" in machine.do("opsicle run who --follow")
    machine.do("systemctl reload opsicle-server")
    machine.do("systemctl kill --signal=KILL opsicle-server")
    wait_until(lambda: machine.try_("opsicle doctor --ready")[0] == 0, what="the server again")
    machine.do("opsicle run who --follow")
    for line in OF_OTHER_GUIDES[:1]:
        machine.do(line)
    assert float(exposure(machine, "opsicle-server")) <= 2.0

    back_up(machine)
    machine.do(OF_OTHER_GUIDES[1])
    machine.do("systemctl start opsicle-server")
    disable, *remove = (line for line in commands(GUIDES / "install.md") if line.startswith(ENDS))
    machine.do(disable)
    results = machine.do("systemctl show --property=Result opsicle-server opsicle-worker")
    assert set(results.split()) == {"Result=success"}
    for line in remove:
        machine.do(line)
    assert machine.try_("opsicle --version")[0] == 127


def enrol(machine: Booted, line: str) -> None:
    """Start the worker by hand until it is enrolled, as the guide says."""
    process = subprocess.Popen(
        machine.command(line), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    told = []
    for shown in process.stdout:
        told.append(shown)
        if shown == "opsicle worker ready\n":
            break
    assert told[-1:] == ["opsicle worker ready\n"], told
    machine.do("pkill -TERM -u opsicle-worker python3")
    process.stdout.close()
    assert process.wait(60) == 0


def back_up(machine: Booted) -> None:
    """Follow the guide to a backup every night, and do not wait for the night."""
    guide = (GUIDES / "backup-and-restore.md").read_text()
    units = re.findall(r"`/etc/systemd/system/(\S+)`:\n\n```ini\n(.*?)```", guide, re.DOTALL)
    for name, unit in units:
        machine.write(f"/etc/systemd/system/{name}", unit.encode())
    machine.write("/etc/opsicle/backup-passphrase", b"correct horse battery staple")
    machine.do("install -d -o opsicle -g opsicle -m 0700 /var/backups/opsicle")
    machine.do("systemctl enable --now opsicle-backup.timer")
    machine.do("systemctl start opsicle-backup.service")
    passphrase = "--passphrase-file /etc/opsicle/backup-passphrase"
    machine.do(f"opsicle restore /var/backups/opsicle/opsicle.age --check {passphrase}")


def exposure(machine: Booted, unit: str) -> str:
    told = machine.do(f"systemd-analyze security --no-pager {unit}")
    (figure,) = re.findall(r"Overall exposure level for \S+: (\S+)", told)
    return str(figure)
