"""The dependencies' wheels for every supported Python: fetched once, checked, and unpacked.

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
"""The file runs wherever glibc is 2.28 or later: Debian 10, RHEL 8, Ubuntu 18.10 and later."""

SYSTEM_TAGS = {
    "linux-x86_64": tuple(f"{tag}_x86_64" for tag in GLIBC_TAGS),
    "macos-arm64": ("macosx_13_0_arm64",),  # pip takes those for earlier ones too
    "windows-x86_64": ("win_amd64",),
}
"""Where the command line alone runs, and which wheels are for there."""

SAME_MACHINES = {"linux-x86_64": "x86_64"}
"""Where the command line alone takes its wheels from those of the whole program."""

OF_THE_SERVER = frozenset(
    {
        "apsw",
        "gevent",
        "greenlet",
        "prometheus-client",
        "websockets",
        "zope-event",
        "zope-interface",
    }
)
"""What the command line does without."""

LEFT_OUT = (
    "*.dist-info/RECORD",  # lists files as pip would lay them out; what follows is missing here
    "*.dist-info/WHEEL",  # names the one Python a wheel is for, so it differs between them
    "*.data/*",  # scripts, headers and manual pages; no dependency keeps code there
    "*/tests/*",
    # Sources of what is compiled already.
    "*.c", "*.cpp", "*.h", "*.hpp", "*.pxd", "*.pyi", "*.pyx",
    "apsw/sqlite_extra_binaries/*",  # command line tools; they differ between Pythons
    "apsw/_unicode.*",  # what only APSW's own shell and text search need; 1.6 MB
    # The halves that do I/O.
    "websockets/asyncio/*", "websockets/legacy/*", "websockets/sync/*", "websockets/trio/*",
    "websockets/speedups.*",  # for servers of many connections; there is a fallback
    # A resolver for whoever asks for it by GEVENT_RESOLVER; we ask the system's; 0.8 MB.
    "gevent/resolver/cares.*",
    # Event loops for PyPy, of one name for every Python, yet not of one content.
    "gevent/lib*/_corecffi.abi3.so",
)  # fmt: skip


def unpack_wheels(platform: str, target: Path) -> None:
    """Lay out the locked dependencies for a platform and all Pythons as one site-packages."""
    for wheel in _wheels(platform):
        with ZipFile(wheel) as archive:
            for name in archive.namelist():
                is_left_out = any(fnmatch(name, pattern) for pattern in LEFT_OUT)
                if not name.endswith("/") and not is_left_out:
                    place(target / name, archive.read(name), wheel.name)


def place(path: Path, content: bytes, wheel: str) -> None:
    """Put one file of a wheel in place. Raises BuildError if another wheel brought another one."""
    if path.exists():
        if path.read_bytes() != content:
            raise BuildError(
                f"{wheel} has another {path.name} than the wheel before it: "
                "one file cannot serve both"
            )
        return

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)


def _wheels(platform: str) -> list[Path]:
    """Return the wheels from the cache, fetched if need be.

    Each one's hash is compared with the lock every time.
    """
    if platform in SAME_MACHINES:
        whole = _wheels(SAME_MACHINES[platform])
        return [wheel for wheel in whole if _project(wheel) not in OF_THE_SERVER]

    tags = SYSTEM_TAGS.get(platform, GLIBC_TAGS)
    folder = CACHE / "wheels" / f"{platform}-{digest([LOCK], *PYTHONS, *tags)[:16]}"
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


def _project(wheel: Path) -> str:
    """Return whose wheel it is, as locks name it."""
    return wheel.name.partition("-")[0].replace("_", "-")


def _tags(platform: str) -> tuple[str, ...]:
    """Return which wheels run there, by the names that pip has for platforms."""
    return SYSTEM_TAGS.get(platform) or tuple(f"{tag}_{platform}" for tag in GLIBC_TAGS)


def _wanted(platform: str) -> str:
    """Return the part of the lock that a platform needs: each pin with the hashes below it."""
    lock = LOCK.read_text()
    if platform not in SYSTEM_TAGS:
        return lock
    pins = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)
    return "".join(pin for pin in pins if pin.partition("==")[0] not in OF_THE_SERVER)


def _fetch(platform: str, folder: Path) -> None:
    """Download for all Pythons; the folder appears only when it is complete."""
    pip = build_environment()
    folder.parent.mkdir(parents=True, exist_ok=True)
    say(f"fetching wheels for {platform}, Python {', '.join(PYTHONS)}")
    with TemporaryDirectory(dir=folder.parent, prefix="fetching-") as unfinished:
        wanted = Path(unfinished, "wanted.txt")
        wanted.write_text(_wanted(platform))

        def download(python: str) -> None:
            where = Path(unfinished, python)
            options = [*PIP_QUIETLY, "--only-binary=:all:", "--require-hashes"]
            options += ["--implementation=cp", f"--python-version={python}"]
            options += [f"--platform={tag}" for tag in _tags(platform)]
            options += ["--no-deps", f"--dest={where}", f"--requirement={wanted}"]
            run([pip, "-m", "pip", "download", *options], quiet=True)

        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            list(threads.map(download, PYTHONS))

        complete = Path(unfinished, "complete")
        complete.mkdir()
        for wheel in Path(unfinished).glob("3.*/*.whl"):
            shutil.move(wheel, complete / wheel.name)
        complete.rename(folder)
