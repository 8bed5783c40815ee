"""What the built file unpacks and compiles at its first starts, given to a booted machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from zipfile import ZipFile

from building.environments import SYSTEM_PYTHON
from tests.booted import Booted
from tests.processes import clean_environment

UNPACKED = "/var/cache/opsicle-unpacked"
"""Where it is for everybody: on one file system with the services' caches."""


def unpack(machine: Booted, file: Path) -> None:
    """Give root what the file has unpacked on this machine, and what it has compiled of it.

    Else it would do both once more; `tests/packaging/test_first_start.py` looks at that.
    """
    home = Path.home()
    where = clean_environment({"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")})
    start = [SYSTEM_PYTHON, str(file), "server", "--help"]  # which compiles all that a server needs
    subprocess.run(start, check=True, capture_output=True, env=where)
    with ZipFile(file) as archive:
        (build,) = re.findall(rb'BUILD_ID = "(\w+)"', archive.read("__main__.py"))
    ask = "import sys; print(sys.implementation.cache_tag, end='')"
    tag = subprocess.run([SYSTEM_PYTHON, "-c", ask], check=True, capture_output=True).stdout
    name = f"{build.decode()}-{tag.decode()}"
    pack = ["tar", "-C", str(home / ".cache/opsicle"), "-c", name]
    packed = subprocess.run(pack, check=True, capture_output=True).stdout
    machine.do(f"install -d -m 700 {UNPACKED} .cache/opsicle")
    subprocess.run(machine.command(f"tar -C {UNPACKED} -x"), input=packed, check=True)
    machine.do(f"mount --bind {UNPACKED} .cache/opsicle")


def unpack_for_services(machine: Booted) -> None:
    """Give the services the same files."""
    for user in ("opsicle", "opsicle-worker"):
        machine.do(
            f"install -d -o {user} -g {user} -m 700 /var/cache/{user}; "
            f"cp -al {UNPACKED}/. /var/cache/{user}; "
            f"find /var/cache/{user} -type d -exec chown {user}: {{}} +"
        )
