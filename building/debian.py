"""What the tests need from the system, and installing it where that is ours to do."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from building.project import BuildError, run, say


class Package(NamedTuple):
    """A Debian package that some tests need."""

    path: str
    """The file by which its presence is known; a name alone may stand anywhere on the PATH."""
    purpose: str
    """What the tests do with it, for the person on whose machine it is installed."""


ALTERNATIVES = " | "
"""Between names of which Debian's releases have one or the other, the newer release's first."""

PACKAGES = {
    "nginx-light": Package(
        "/usr/sbin/nginx", "the reverse proxy in front of a server, and a target of jobs"
    ),
    "postgresql": Package("/usr/lib/postgresql/*/bin/postgres", "a target of jobs"),
    "chromium-headless-shell": Package("/usr/bin/chromium-headless-shell", "drives the pages"),
    "prometheus-alertmanager": Package(
        "/usr/bin/prometheus-alertmanager", "calls a trigger, as it does for users"
    ),
    "prometheus": Package("/usr/bin/prometheus", "reads the figures, takes alerts and queries"),
    "iproute2": Package("/usr/sbin/ip", "makes networks of the tests' own"),
    "nftables": Package("/usr/sbin/nft", "closes ways between those networks"),
    "curl": Package("/usr/bin/curl", "a foreign client of the API"),
    "faketime": Package("/usr/lib/*/faketime/libfaketime.so.1", "gives processes a wrong clock"),
    "openssl": Package("/usr/bin/openssl", "a foreign judge of certificates and signatures"),
    "openssh-client": Package(
        "ssh-keygen", "makes keys, and judges signatures that jobs have made"
    ),
    "openssh-server": Package("/usr/sbin/sshd", "targets on which jobs run their commands"),
    "fish": Package(
        "/usr/bin/fish", "a login shell on targets that is unlike sh, and completes commands"
    ),
    "zsh": Package("/usr/bin/zsh", "completes commands, as bash and fish do"),
    "nodejs": Package("node", "runs the emulated Telegram"),
    "npm": Package("npm", "fetches the emulated Telegram"),
    "podman": Package("podman", "runs phases in containers"),
    "runc": Package("runc", "starts those containers"),
    "docker-cli | docker.io": Package("docker", "its program, which a worker may use as well"),
    "docker-compose": Package("docker-compose", "judges the example for Compose"),
    "busybox-static": Package("/bin/busybox", "what the containers' image is made of"),
    "containernetworking-plugins": Package(
        "/usr/lib/cni/bridge", "networks of those containers that ask for one"
    ),
    "user-mode-linux": Package(
        "linux.uml", "a kernel as a process, with control groups of version 2"
    ),
    "kubernetes-client": Package("kubectl", "asks an API server that the tests make"),
    "slurmctld": Package("/usr/sbin/slurmctld", "the head of a Slurm cluster of one node"),
    "slurmd": Package("/usr/sbin/slurmd", "its node, on which phases run"),
    "slurm-client": Package("sbatch", "hands phases to it"),
    "munge": Package("/usr/sbin/munged", "lets its parts know each other"),
    "age": Package("age", "a foreign judge of backups"),
    "mandoc": Package("mandoc", "judges the manual page"),
    "man-db": Package("man", "shows it"),
    "systemd": Package("systemd-analyze", "judges the units of the documentation"),
}


def install_missing(packages: Mapping[str, Package] | None = None) -> None:
    """Install what is missing if we are root on Debian; elsewhere say what the tests will lack.

    That is of `PACKAGES`, unless other packages are given.

    Either way it is said first what that is and what for. With CI=true a test that lacks something
    fails, so there a missing package is an error at once.
    """
    packages = PACKAGES if packages is None else packages
    missing = [name for name, package in packages.items() if not _is_there(package.path)]
    if not missing:
        return

    what = "".join(f"\n  {name}: {packages[name].purpose}" for name in missing)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing Debian packages that tests need, on the whole system:{what}")
        _install(missing)
    elif os.environ.get("CI") == "true":
        raise BuildError(f"tests need Debian packages, and only root can install them:{what}")
    else:
        say(f"nothing is installed without root on Debian; tests are skipped that need:{what}")
        names = " ".join(map(_known_name, missing))
        say(f"to run them as well: apt-get install {names}")


def _is_there(path: str) -> bool:
    if not path.startswith("/"):
        return shutil.which(path) is not None
    return any(Path("/").glob(path.lstrip("/")))


def _install(packages: list[str]) -> None:
    # RUNLEVEL=1 keeps Debian from starting the services: the tests start their own.
    quietly = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", "update", "--quiet=2"], env=quietly, quiet=True)
    names = [_known_name(package) for package in packages]
    run(
        ["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", *names],
        env=quietly,
        quiet=True,
    )


def _known_name(package: str) -> str:
    """Return the first of a package's names that this release has, or else the last."""
    *newer, last = package.split(ALTERNATIVES)
    return next((name for name in newer if _is_known(name)), last)


def _is_known(name: str) -> bool:
    if not shutil.which("apt-cache"):
        return False
    shown = subprocess.run(["apt-cache", "show", name], check=False, capture_output=True)
    return shown.returncode == 0
