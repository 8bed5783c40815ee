"""dist/opsicle: the package, its assets and examples, and all dependencies, in one executable file.

The same commit gives the same bytes, wherever and whenever it is built (with the same zlib): every
time stamp is the commit's, entries are sorted, modes fixed, and no path of the building machine
gets in.
"""

import json
import os
import platform as machine
import re
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile, ZipInfo

from building.docstrings import is_read, without_docstrings
from building.environments import build_environment
from building.project import (
    CACHE,
    DIST,
    REQUIREMENTS,
    ROOT,
    BuildError,
    digest,
    git,
    only_one,
    run,
    say,
    source_files,
)
from building.wheels import SYSTEM_TAGS, unpack_wheels

PLATFORMS = ("x86_64", "aarch64")
COMMAND_LINES = tuple(SYSTEM_TAGS)
"""Platforms of the command line alone; a file of its own for each."""

PYTHON = "/usr/bin/env python3"
ENTRY_POINT = "opsicle.cli:main"
QUICK = CACHE / "quick"
"""Where files are that are for tests alone."""

IN_PACKAGE = ("assets", "examples")
"""Folders of the checkout that the built file carries inside the package."""

SERVER_AND_WORKER = ("server", "worker")
"""Packages that the command line alone does not have."""

QUICKLY_COMPRESSED = 128 * 1024
"""Compiled modules with more bytes are not compressed by a quick build."""

FIRST_ZIP_TIME = 315532800
"""1980-01-01 in Unix seconds: a zip file knows no earlier time."""

IS_COMPILED = re.compile(r"\.cp(ython-)?3\d+-")
"""The name of a module that was compiled for one Python."""


def host_platform() -> str:
    """Return the platform of this machine if we build for it, else the usual one."""
    return machine.machine() if machine.machine() in PLATFORMS else PLATFORMS[0]


def target_file(platform: str) -> Path:
    """Return where the built file for a platform goes; only a foreign one shows in the name."""
    if platform in COMMAND_LINES:
        return DIST / f"opsicle-cli-{platform}{'.pyz' if 'windows' in platform else ''}"
    return DIST / ("opsicle" if platform == host_platform() else f"opsicle-{platform}")


def build(platform: str, *, anew: bool = True, is_quick: bool = False) -> Path:
    """Build the one file, atomically; without `anew` only if what goes into it has changed.

    One that `is_quick` to make is hardly compressed: that is nine tenths of the time. It does not
    take the place of what somebody has built, unless it is made `anew`.
    """
    target, stamp = target_file(platform), CACHE / f"built-{platform}"
    with only_one("build"):
        commit, epoch = _commit(), _epoch()
        sources = source_files(*(ROOT / name for name in ("opsicle", "building", *IN_PACKAGE)))
        inputs = digest([*sources, *_single_inputs()], platform, commit, str(epoch))
        if not anew:
            if _is_made(target, stamp, inputs):
                return target
            if is_quick:
                target, stamp = QUICK / target.name, QUICK / stamp.name
                if _is_made(target, stamp, inputs):
                    return target

        say(f"building {target.relative_to(ROOT)}")
        _build(platform, commit, epoch, target, is_quick=is_quick)
        stamp.write_text("" if anew and is_quick else inputs)
    return target


def _is_made(target: Path, stamp: Path, inputs: str) -> bool:
    return target.exists() and stamp.exists() and stamp.read_text() == inputs


def _single_inputs() -> list[Path]:
    return [ROOT / "LICENSE", REQUIREMENTS / "runtime.txt", REQUIREMENTS / "build.txt"]


def _commit() -> str:
    """Return the commit for the version, marked if the work tree differs; empty without git."""
    head = git("rev-parse", "--short=10", "HEAD")
    if head is None:
        return ""
    return f"g{head}.modified" if git("status", "--porcelain") else f"g{head}"


def _epoch() -> int:
    """Return the time that every entry gets, in Unix seconds.

    It is the commit's, unless SOURCE_DATE_EPOCH says otherwise.
    """
    given = (
        os.environ.get("SOURCE_DATE_EPOCH")
        or git("log", "-1", "--format=%ct")
        or str(FIRST_ZIP_TIME)
    )
    if not given.isdecimal():
        raise BuildError("SOURCE_DATE_EPOCH must be a number of seconds")
    return max(int(given), FIRST_ZIP_TIME)


def _build(platform: str, commit: str, epoch: int, target: Path, *, is_quick: bool) -> None:
    with TemporaryDirectory(dir=CACHE, prefix="building-") as folder:
        site_packages, packed, finished = (
            Path(folder, name) for name in ("site-packages", "packed", "finished")
        )
        _stage(site_packages, platform, commit)

        options = [
            "--uncompressed",
            f"--entry-point={ENTRY_POINT}",
            f"--python={PYTHON}",
            f"--output-file={packed}",
            f"--site-packages={site_packages}",
        ]
        run(
            [build_environment(), "-P", "-m", "shiv", *options],
            env={"SOURCE_DATE_EPOCH": str(epoch)},
            quiet=True,
        )

        _finish(packed, finished, platform, epoch, is_quick=is_quick)
        target.parent.mkdir(exist_ok=True)
        finished.replace(target)


def _stage(site_packages: Path, platform: str, commit: str) -> None:
    """Lay out everything that the program imports or reads as one folder."""
    unpack_wheels(platform, site_packages)
    run([build_environment(), ROOT / "building" / "debug_sections.py", site_packages], quiet=True)

    package = site_packages / "opsicle"
    is_whole = platform not in COMMAND_LINES
    beside = IN_PACKAGE if is_whole else ()
    for source, place in (
        (ROOT / "opsicle", package),
        *((ROOT / name, package / name) for name in beside),
    ):
        for path in source_files(source):
            copy = place / path.relative_to(source)
            if not is_whole and copy.relative_to(package).parts[0] in SERVER_AND_WORKER:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            if copy.suffix == ".py" and not is_read(copy.relative_to(package)):
                copy.write_text(without_docstrings(path.read_text()))

    shutil.copyfile(ROOT / "LICENSE", package / "LICENSE")
    version = package / "version.py"
    version.write_text(_replace_once(version.read_text(), 'COMMIT = ""', f'COMMIT = "{commit}"'))


def _finish(packed: Path, finished: Path, platform: str, epoch: int, *, is_quick: bool) -> None:
    """Compress shiv's archive, with our launcher as `__main__.py` and nothing left to chance.

    What was compiled for each Python anew is most of it: LZMA takes a quarter less than zlib, and
    a start unpacks only one of each.
    """
    with ZipFile(packed) as archive, finished.open("wb") as file:
        build_id = json.loads(archive.read("environment.json"))["build_id"][:20]
        names = [name for name in archive.namelist() if name.startswith("site-packages/")]
        entries = {name: archive.read(name) for name in names}

        starts = "command_line_launcher.py" if platform in COMMAND_LINES else "launcher.py"
        launcher = (ROOT / "building" / starts).read_text()
        launcher = _replace_once(launcher, "@BUILD_ID@", build_id)
        launcher = _replace_once(launcher, "@MACHINE@", platform)
        entries["__main__.py"] = launcher.encode()

        file.write(f"#!{PYTHON}\n".encode())
        with ZipFile(file, "w") as result:
            for name in sorted(entries):
                entry = ZipInfo(name, time.gmtime(epoch)[:6])
                entry.external_attr = 0o100644 << 16
                if not IS_COMPILED.search(name):
                    entry.compress_type = ZIP_DEFLATED
                elif not is_quick or len(entries[name]) <= QUICKLY_COMPRESSED:
                    entry.compress_type = ZIP_LZMA
                result.writestr(entry, entries[name], compresslevel=1 if is_quick else None)
    finished.chmod(0o755)


def _replace_once(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise BuildError(f"expected {old!r} exactly once")
    return text.replace(old, new)
