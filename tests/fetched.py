"""What tests fetch from PyPI at first use, into a folder that no source tree has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from building.project import CACHE, digest, only_one


def fetched(lock: Path, *options: str) -> Path:
    """Return the folder with the packages of a lock, just these and of these hashes."""
    folder = CACHE / f"{lock.stem}-{digest([lock])[:16]}"
    with only_one(lock.stem):
        if not folder.exists():
            draft = folder.with_suffix(".new")
            shutil.rmtree(draft, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *options]
            command += ["--disable-pip-version-check", "--require-hashes", "--target", str(draft)]
            subprocess.run([*command, "--requirement", str(lock)], check=True, timeout=300)
            draft.rename(folder)
    return folder
