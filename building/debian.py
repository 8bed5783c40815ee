"""What the tests need from the system, and installing it where that is ours to do."""

import os
import shutil
from pathlib import Path

from building.project import BuildError, run, say

PACKAGES = {
    "nginx-light": "/usr/sbin/nginx",
    "postgresql": "/usr/lib/postgresql/*/bin/postgres",
    "chromium": "/usr/bin/chromium",
    "iproute2": "/usr/sbin/ip",
    "nftables": "/usr/sbin/nft",
    "curl": "/usr/bin/curl",
    "faketime": "/usr/lib/*/faketime/libfaketime.so.1",
    "openssl": "/usr/bin/openssl",
    "openssh-client": "ssh-keygen",
    "nodejs": "node",
    "npm": "npm",
    "systemd": "systemd-analyze",
}
"""Debian package → the file by which its presence is known; a name alone may stand anywhere on the PATH."""


def install_missing() -> None:
    """Install what is missing if we are root on Debian; elsewhere say what the tests will do without.

    With CI=true a test that lacks something fails, so there a missing package is an error at once.
    """
    missing = [package for package, path in PACKAGES.items() if not _is_there(path)]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _install(missing)
    elif os.environ.get("CI") == "true":
        raise BuildError(f"the tests need {', '.join(missing)}, and only root can install packages")
    else:
        say(f"tests that need {', '.join(missing)} will be skipped; `apt-get install {' '.join(missing)}` as root")


def _is_there(path: str) -> bool:
    if not path.startswith("/"):
        return shutil.which(path) is not None
    return any(Path("/").glob(path.lstrip("/")))


def _install(packages: list[str]) -> None:
    say(f"installing {', '.join(packages)}")
    # RUNLEVEL=1 keeps Debian from starting the services: the tests start their own.
    quietly = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", "update", "--quiet=2"], env=quietly, quiet=True)
    run(["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", *packages], env=quietly, quiet=True)
