"""Another user of this machine, as whom the processes of jobs run; see run_as.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class OsAccount(NamedTuple):
    """A user as whom processes are started."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    def own(self, path: Path) -> None:
        """Give this user a file that lies where only we can put anything else in its place.

        Raises OSError.
        """
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
