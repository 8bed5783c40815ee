"""Whether the databases are as the last server left them when it stopped cleanly.

Reading through a database takes seconds for each gigabyte. After a clean stop nobody has to wait
for that: the server notes how large each file was and when it was written last, and the next one
compares. Whatever else happened, a crash, a copy, an edit, a restore, leaves other facts or none,
and then the files are read through before anything is served.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from opsicle.kit import files

_Facts = dict[str, tuple[int, int]]
"""By file name: bytes, and nanoseconds of the last change."""


class CleanStop:
    """The note, `clean-stop` in the data folder."""

    def __init__(self, folder: Path, databases: Iterable[Path]) -> None:
        self._path = folder / "clean-stop"
        self._databases = tuple(databases)

    def leave(self) -> None:
        """Note that the databases are closed and whole.

        If that fails, the next start reads through them.
        """
        with suppress(OSError):
            files.replace(self._path, msgspec.json.encode(self._facts()))

    def take(self) -> bool:
        """Take the note away, durably, before anything is written.

        Whether the databases are as it says.
        """
        try:
            noted = msgspec.json.decode(self._path.read_bytes(), type=_Facts)
        except (OSError, msgspec.MsgspecError):
            noted = {}
        self._path.unlink(missing_ok=True)
        files.sync_folder(self._path.parent)
        has_open_log = any(path.with_name(f"{path.name}-wal").exists() for path in self._databases)
        return bool(noted) and not has_open_log and noted == self._facts()

    def _facts(self) -> _Facts:
        stats = {path.name: path.stat() for path in self._databases if path.exists()}
        return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}
