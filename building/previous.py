"""The one file of an earlier commit, for showing that versions next to each other work together.

It runs on the Python that builds it alone, and is not compressed: the wheels of the others would be
fetched for nothing, and to compress is most of a build.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from building.environments import build_environment
from building.project import CACHE, REQUIREMENTS, ROOT, BuildError, git, only_one, run, say

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BUILD = f"""
import zipfile

class Uncompressed(zipfile.ZipFile):
    def writestr(self, entry, content, **_):
        entry.compress_type = zipfile.ZIP_STORED
        super().writestr(entry, content)

zipfile.ZipFile = Uncompressed
from building import project
project.PYTHONS = ({THIS_PYTHON!r},)
from building.commands import main
raise SystemExit(main([]))
"""


def built_at(commit: str) -> Path:
    """Return the file built from a commit, kept from then on.

    Raises BuildError where the history does not reach back so far.

    It is built by the commit's own build, by the tools of today's: two that wanted different ones
    would install them over each other.
    """
    kept = CACHE / "previous" / commit / THIS_PYTHON / "opsicle"
    with only_one(f"previous-{commit}"):
        if not kept.exists():
            _require(commit)
            say(f"building the file of {commit[:10]}")
            CACHE.mkdir(exist_ok=True)
            with TemporaryDirectory(dir=CACHE, prefix="previous-") as folder:
                made = _build(commit, Path(folder))
                kept.parent.mkdir(parents=True, exist_ok=True)
                made.replace(kept)

    return kept


def _require(commit: str) -> None:
    if git("cat-file", "-e", f"{commit}^{{commit}}") is None:
        raise BuildError(
            f"this checkout has no history back to {commit[:10]}, the version before, which is "
            "built and tried against this one; fetch it with `git fetch --unshallow`"
        )


def _build(commit: str, folder: Path) -> Path:
    archive = folder / "tree.tar"
    tree = folder / "tree"
    tree.mkdir()
    with archive.open("wb") as out:
        command = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
        command += ["archive", "--format=tar", commit]
        subprocess.run(command, check=True, stdout=out)
    run(["tar", "-xf", archive, "-C", tree])

    shutil.copy(REQUIREMENTS / "build.txt", tree / "requirements")
    (tree / ".cache").mkdir()
    build_environment()
    (CACHE / "wheels").mkdir(exist_ok=True)
    for name in ("wheels", "build-env"):
        (tree / ".cache" / name).symlink_to(CACHE.resolve() / name)

    epoch = git("log", "-1", "--format=%ct", commit) or ""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    subprocess.run([sys.executable, "-c", BUILD], cwd=tree, check=True, env=environment)
    return tree / "dist" / "opsicle"
