"""The dependencies' wheels for every supported Python, fetched once, checked, and unpacked side by side.

Compiled modules of several Pythons share one folder because their file names carry the Python's tag
(`….cpython-312-x86_64-linux-gnu.so`). Two wheels that disagree about a file of one name are an
error.
"""

import hashlib
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from building.environments import PIP_QUIETLY, build_environment
from building.project import CACHE, PYTHONS, REQUIREMENTS, BuildError, digest, run, say

LOCK = REQUIREMENTS / "runtime.txt"

GLIBC_TAGS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""The file runs wherever glibc is 2.28 or later: Debian 10, RHEL 8, Ubuntu 18.10 and everything
since."""

LEFT_OUT = (
    "*.dist-info/RECORD",  # lists files as pip would lay them out; what follows is missing here
    "*.dist-info/WHEEL",  # names the one Python a wheel is for, so it differs between them
    "*.data/*",  # scripts, headers and manual pages; no dependency keeps code there
    "*/tests/*",
    "*.c", "*.cpp", "*.h", "*.hpp", "*.pxd", "*.pyi", "*.pyx",  # sources of what is compiled already
    "apsw/sqlite_extra_binaries/*",  # command line tools; they differ between Pythons
    "apsw/_unicode.*",  # what only APSW's own shell and text search need; 1.6 MB
    "websockets/asyncio/*", "websockets/legacy/*", "websockets/sync/*", "websockets/trio/*",  # the halves that do I/O
    "websockets/speedups.*",  # for servers of many connections; there is a fallback
    "gevent/resolver/cares.*",  # a resolver for whoever asks for it by GEVENT_RESOLVER; we ask the system's; 0.8 MB
    "gevent/lib*/_corecffi.abi3.so",  # event loops for PyPy; the same name for every Python, yet not the same content
)  # fmt: skip


def unpack_wheels(platform: str, target: Path) -> None:
    """Lay out the locked dependencies for one platform and all Pythons as one site-packages folder."""
    for wheel in _wheels(platform):
        with ZipFile(wheel) as archive:
            for name in archive.namelist():
                if not name.endswith("/") and not any(
                    fnmatch(name, pattern) for pattern in LEFT_OUT
                ):
                    place(target / name, archive.read(name), wheel.name)


def place(path: Path, content: bytes, wheel: str) -> None:
    """Put one file of a wheel in place; raises BuildError if another wheel brought a different one."""
    if path.exists():
        if path.read_bytes() != content:
            raise BuildError(
                f"{wheel} has another {path.name} than the wheel before it: one file cannot serve both"
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)


def _wheels(platform: str) -> list[Path]:
    """Return the wheels from the cache, fetched if need be, each one's hash compared with the lock every time."""
    folder = CACHE / "wheels" / f"{platform}-{digest([LOCK], *PYTHONS, *GLIBC_TAGS)[:16]}"
    if not folder.exists():
        _fetch(platform, folder)
    wheels = sorted(folder.glob("*.whl"))
    allowed = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", LOCK.read_text()))
    for wheel in wheels:
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in allowed:
            raise BuildError(
                f"{wheel} is not a file that {LOCK.name} names: remove {folder} and build again"
            )
    return wheels


def _fetch(platform: str, folder: Path) -> None:
    """Download for all Pythons; the folder appears only when it is complete."""
    pip = build_environment()
    folder.parent.mkdir(parents=True, exist_ok=True)
    say(f"fetching wheels for {platform}, Python {', '.join(PYTHONS)}")
    with TemporaryDirectory(dir=folder.parent, prefix="fetching-") as unfinished:

        def download(python: str) -> None:
            tags = [f"--platform={tag}_{platform}" for tag in GLIBC_TAGS]
            options = [
                *PIP_QUIETLY,
                "--only-binary=:all:",
                "--require-hashes",
                "--implementation=cp",
                *tags,
            ]
            where = Path(unfinished, python)
            options += [f"--python-version={python}", f"--dest={where}", f"--requirement={LOCK}"]
            run([pip, "-m", "pip", "download", *options], quiet=True)

        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            list(threads.map(download, PYTHONS))
        complete = Path(unfinished, "complete")
        complete.mkdir()
        for wheel in Path(unfinished).glob("3.*/*.whl"):
            shutil.move(wheel, complete / wheel.name)
        complete.rename(folder)
