"""How old the last backup is, by a file in the data folder that was written when it was whole."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from opsicle.domain.clocks import duration_text
from opsicle.server.data_folder import LAST_BACKUP

LATE_AFTER = timedelta(days=2)


def made_at(folder: Path) -> float | None:
    """Return when it was whole, in Unix time; None if there was none."""
    try:
        return (folder / LAST_BACKUP).stat().st_mtime
    except OSError:
        return None


def age_text(made_at: float, now: datetime) -> str:
    """Say how old a backup of that time is."""
    return f"the last backup is {duration_text(max(0.0, now.timestamp() - made_at))} old"


def is_late(made_at: float, now: datetime) -> bool:
    """Return whether the next one should have been made by now."""
    return now.timestamp() - made_at > LATE_AFTER.total_seconds()


class LateBackupRemark:
    """Keeps a remark among those of the server while the last backup is too old.

    Whoever has never made one is left alone: `opsicle doctor` tells them.
    """

    def __init__(self, folder: Path, remarks: list[str]) -> None:
        self._folder = folder
        self._remarks = remarks
        self._shown = ""

    def update(self, now: datetime) -> None:
        """Look again. Safe to call at any time."""
        at = made_at(self._folder)
        remark = age_text(at, now) if at is not None and is_late(at, now) else ""
        if self._shown in self._remarks:
            self._remarks.remove(self._shown)
        if remark:
            self._remarks.append(remark)
        self._shown = remark
