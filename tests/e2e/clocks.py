"""A place whose clock is wrong, by libfaketime, and can be set while programs run there."""

from __future__ import annotations

from pathlib import Path

from tests.product import Place
from tests.support import require

_LIBRARIES = "usr/lib/*/faketime/libfaketime.so.1"


_SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""libfaketime leaves the monotonic clock alone, as told, but takes a sleep until a moment of it for
one of the day."""


class SetClock:
    """`place` runs programs whose time of day is off by what was `set` last."""

    def __init__(self, folder: Path, offset: str) -> None:
        found = next(Path("/").glob(_LIBRARIES), None)
        require(found is not None, "libfaketime (Debian: faketime)")
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "clock"
        (folder / "sitecustomize.py").write_text(_SLEEP)
        self.set(offset)
        # Only what people set: the monotonic clock goes on as it does, and Python's own waiting
        # with it.
        self.place = Place(
            (
                "env",
                f"LD_PRELOAD={found}",
                f"FAKETIME_TIMESTAMP_FILE={self._file}",
                "FAKETIME_NO_CACHE=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1",
                f"PYTHONPATH={folder}",
            )
        )

    def set(self, offset: str) -> None:
        """As in `+6m`, `-400d`, `+0`, or a moment as in `@1970-01-01 00:00:10`."""
        draft = self._file.with_suffix(".new")
        draft.write_text(offset + "\n")
        draft.replace(self._file)
