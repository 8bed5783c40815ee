"""Litestream, the real program, fetched at first use into a folder that no source tree has."""

from __future__ import annotations

import platform
from pathlib import Path

from tests.fetched import fetched
from tests.support import require

LOCK = Path(__file__).with_suffix(".txt")


def litestream() -> Path:
    """Return the program, of the version that the lock names."""
    require(platform.machine() in {"x86_64", "aarch64"}, "Litestream, made for x86-64 and aarch64")
    return fetched(LOCK) / "bin/litestream"
