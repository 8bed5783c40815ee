"""A machine of its own whose process 1 is systemd: namespaces above a folder that stays as it is.

The folder is this machine's root unless told; whatever is written goes into a layer that goes with
the machine. It has a loopback device and no way out.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which

from tests.processes import START_SECONDS
from tests.support import require, wait_until

_PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEMD = "/lib/systemd/systemd"

_BOOT = """
mount --make-rprivate /
mount -t tmpfs tmpfs "$2"; mkdir "$2/root"
case "$(stat -f -c %T "$3")" in overlayfs) set -- "$1" "$2" "$2" ;; esac  # no layer above a layer
mkdir -p "$3/up" "$3/work"; cd "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$3/up,workdir=$3/work" overlay . ; cd "$2/root"

# Nothing of what this machine is set up for: neither services nor an Opsicle of its own.
rm -rf etc/systemd/system/*.wants etc/systemd/system/opsicle* etc/opsicle etc/*.d/opsicle.conf
rm -f usr/bin/podman usr/bin/docker usr/bin/sbatch usr/bin/kubectl  # which workers would try
rm -rf var/lib/opsicle* var/cache/opsicle* var/backups/opsicle* usr/local/bin/opsicle*
ln -sf /lib/systemd/system/basic.target etc/systemd/system/default.target
for each in systemd-sysctl systemd-modules-load systemd-udevd systemd-binfmt; do
  ln -sf /dev/null "etc/systemd/system/$each.service"
done

mount -t proc proc proc; mount -t sysfs -o ro sysfs sys; mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --bind proc/sys proc/sys; mount -o remount,ro,bind proc/sys
mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp; mount -t tmpfs -o mode=755 tmpfs dev
mount -t tmpfs -o mode=700 tmpfs root
for each in null zero full random urandom tty; do
  touch "dev/$each"; mount --bind "/dev/$each" "dev/$each"
done
mkdir -p dev/pts dev/shm old; ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
mount -t devpts -o ptmxmode=666 devpts dev/pts; mount -t tmpfs tmpfs dev/shm
ip link set lo up
pivot_root . old
exec env -i container=test PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot . \\
  sh -c 'umount -l /old; mount --make-rshared /; exec /lib/systemd/systemd' <&- >&- 2>&-
"""


def need_systemd() -> None:
    """Fail in CI, skip on a laptop, where no machine can be booted."""
    missing = [] if os.geteuid() == 0 else ["root"]
    missing += [] if Path(_SYSTEMD).exists() else ["systemd"]
    missing += [tool for tool in ("unshare", "nsenter", "ip") if not which(tool)]
    require(not missing, " and ".join(missing) + ", to boot a machine in namespaces")


class Booted:
    """The machine. `folder` is its own, on a disk; `lower` what it is made of."""

    def __init__(self, folder: Path, lower: str = "/") -> None:
        (folder / "mounts").mkdir()
        self._boot = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL",  # it ends with whoever has booted it, however that ends
             "unshare", "--kill-child", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net",
             "--cgroup", "sh", "-ec", _BOOT, "sh", lower, str(folder / "mounts"), str(folder)],
            stderr=subprocess.DEVNULL,  # it has something to say when process 1 is killed
        )  # fmt: skip
        self._children = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children")
        wait_until(self._is_up, START_SECONDS, "systemd")

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
        shell = ["bash", "-o", "pipefail", "-ec", text]
        return [*enter, "--root", "--wd", "env", "-i", _PATH, "HOME=/root", *shell]

    def try_(self, text: str) -> tuple[int, str]:
        """Run a command in root's folder. Return its exit code, and what it has printed."""
        done = subprocess.run(
            self.command(f"cd /root; {text}"), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def do(self, text: str) -> str:
        """Run a command, which must succeed. Return what it has printed."""
        code, output = self.try_(text)
        assert code == 0, (text, output, self.try_("journalctl --no-pager --lines=40")[1])
        return output

    def write(self, path: str, content: bytes | str) -> None:
        """Write a file, and make its folder."""
        text = content.encode() if isinstance(content, str) else content
        write = f'mkdir -p "$(dirname {path})"; cat > {path}'
        subprocess.run(self.command(write), input=text, check=True)

    def run_until(self, text: str, said: str, then: Callable[[], object] = lambda: None) -> str:
        """Run a command until it says something, do more, press Ctrl-C, and see it end well."""
        process = subprocess.Popen(
            self.command(f"cd /root; trap : INT; set +e; {text}; echo ended with $?"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        told = []
        with process:
            assert process.stdout
            for shown in process.stdout:
                told.append(shown)
                if said in shown:
                    try:
                        then()
                    except AssertionError as error:
                        raise AssertionError(f"{error}\nwhile there was said: {told}") from None
                    finally:
                        os.killpg(process.pid, signal.SIGINT)
        assert told[-1] == "ended with 0\n", (text, told)
        return "".join(told)

    def end(self) -> None:
        """Switch it off."""
        os.kill(self.pid, signal.SIGKILL)
        self._boot.wait()
