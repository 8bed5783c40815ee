"""`build.py release`: what is published of one commit, in `dist/release`.

The one file for each platform, the command line alone for others, the manual page, a bill of
materials (CycloneDX), the release's part of the changelog, and the SHA-256 of all of them. The same
commit gives the same bytes.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from building import zipapp
from building.environments import build_environment
from building.project import CACHE, DIST, REQUIREMENTS, ROOT, BuildError, git, run, say

FOLDER = DIST / "release"
SUMS = "SHA256SUMS"


def release(folder: Path = FOLDER) -> list[Path]:
    """Build for every platform and collect what is published; return the files.

    Raises BuildError where the work tree has changes: a release is of a commit.
    """
    if git("status", "--porcelain") != "":
        raise BuildError("a release is made of a commit: commit what has changed, or clone")
    platforms = (*zipapp.PLATFORMS, *zipapp.COMMAND_LINES)
    built = {platform: zipapp.build(platform) for platform in platforms}
    return collect(built, folder)


def collect(built: Mapping[str, Path], folder: Path) -> list[Path]:
    """Put built files, by platform, and what goes with them into a folder that is made anew."""
    version = _version()
    say(f"collecting release {version} in {folder.name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    for platform, path in built.items():
        of_commands = platform in zipapp.COMMAND_LINES
        what = f"opsicle-cli-{version}" if of_commands else f"opsicle-{version}-linux"
        shutil.copy(path, folder / f"{what}-{platform}{path.suffix}")
    _write_manual(built[zipapp.host_platform()], folder / "opsicle.1")
    _write_bill_of_materials(folder / f"opsicle-{version}.cdx.json")
    (folder / f"CHANGES-{version}.md").write_text(changes(version))
    _write_sums(folder)

    return sorted(folder.iterdir())


def changes(version: str) -> str:
    """Return what the changelog says of a version. Raises BuildError if it says nothing."""
    text = (ROOT / "CHANGELOG.md").read_text()
    found = re.search(rf"^## {re.escape(version)}\b.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise BuildError(f"CHANGELOG.md has no section {version}")
    return found[0].rstrip() + "\n"


def _version() -> str:
    source = (ROOT / "opsicle" / "version.py").read_text()
    found = re.search(r'^RELEASE = "(.+)"$', source, re.MULTILINE)
    assert found
    return found[1]


def _write_manual(program: Path, target: Path) -> None:
    """Write the manual page as the built file prints it."""
    unpacked = {"OPSICLE_CACHE_DIR": str(CACHE / "release-unpacked")}
    command: list[str | Path] = [sys.executable, program, "man"]
    printed = subprocess.run(
        command, env={**os.environ, **unpacked}, check=True, capture_output=True
    )
    target.write_bytes(printed.stdout)


def _write_bill_of_materials(target: Path) -> None:
    """Write which third-party packages the file carries, with versions and hashes."""
    tool: list[str | Path] = [build_environment(), "-P", "-m", "cyclonedx_py", "requirements"]
    options: list[str | Path] = [
        "--output-reproducible",
        "--output-format",
        "JSON",
        "--output-file",
        target,
    ]
    run([*tool, *options, REQUIREMENTS / "runtime.txt"], quiet=True)


def _write_sums(folder: Path) -> None:
    """Write the sums in the form that `sha256sum --check` reads."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    (folder / SUMS).write_text("".join(lines))
