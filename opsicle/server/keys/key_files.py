"""One rule for every file that holds a key: private, and its reader's own.

Applied at each start.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from opsicle.domain.errors import Conflict, NotAllowed
from opsicle.server.store import settings
from opsicle.server.store.database import Connection, Database

_PATTERNS = ("*.pem", "*.key", "*.key.next")
_PUBLIC = frozenset({"ca.pem"})


def key_files(folder: Path) -> Iterator[Path]:
    """Yield every file of a data folder that holds a key, the master key's successor too."""
    for pattern in _PATTERNS:
        yield from (path for path in sorted(folder.glob(pattern)) if path.name not in _PUBLIC)


def check_private(paths: Iterable[Path]) -> None:
    """Raise NotAllowed unless each of these files that exists is its reader's alone.

    All that are not are named.

    A file may also be root's, or, where root is who asks, that of the user whom its folder belongs
    to.
    """
    found = [path for path in paths if path.exists()]
    if foreign := [path for path in found if not _is_own(path)]:
        owner = _name(_expected_owner(foreign[0]))
        raise NotAllowed(
            f"{_listed(foreign)}, and this program runs as {_name(os.geteuid())}",
            hint=f"Give it to whom the server runs as: chown {owner} {_all(foreign)}",
        )
    if open_ones := [path for path in found if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]:
        raise NotAllowed(
            f"{_listed(open_ones)}, and can be read by others",
            hint=f"Take that away: chmod 600 {_all(open_ones)}",
        )

    if unreadable := [path for path in found if not os.access(path, os.R_OK, effective_ids=True)]:
        raise NotAllowed(
            f"{_listed(unreadable)}, and cannot be read",
            hint=f"Let its owner read it: chmod 600 {_all(unreadable)}",
        )


def check_not_public(path: Path) -> None:
    """Raise NotAllowed for a key that just anybody can have.

    It is that of a certificate that somebody else looks after. A group may read it, as is usual
    where several services share one certificate; nobody but its owner may write it.
    """
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        done = "read" if mode & stat.S_IROTH else "changed"
        raise NotAllowed(
            f"{_listed([path])}, and can be {done} by others",
            hint=f"Take that away: chmod 640 {path}",
        )


def check_pins(
    database: Database, fingerprints: Mapping[str, str], made: Collection[str] = ()
) -> None:
    """Keep by which keys a database was written, by file name.

    Those `made` anew just now are taken as they are.

    Raises Conflict if a file holds another one now.
    """

    def work(db: Connection) -> None:
        for name, fingerprint in fingerprints.items():
            pinned = None if name in made else settings.find(db, pin_setting(name))
            if pinned not in (None, fingerprint):
                raise Conflict(
                    f"{name} is not the key with which this server's database was written",
                    hint="Put the one that belongs to this database in its place.",
                )
            if pinned is None:
                settings.put(db, pin_setting(name), fingerprint)

    database.write(work)


def pin_setting(name: str) -> str:
    """Return where a database keeps by which key of this file's name it was written."""
    return f"key {name}"


def _is_own(path: Path) -> bool:
    owner, me = path.stat().st_uid, os.geteuid()
    if owner == me:
        return True
    return (
        owner == path.parent.stat().st_uid
        if me == 0
        else owner == 0 and os.access(path, os.R_OK, effective_ids=True)
    )


def _expected_owner(path: Path) -> int:
    """Return who should own it: the user who runs this, or for root the user whose folder it is."""
    return os.geteuid() or path.parent.stat().st_uid


def _listed(paths: list[Path]) -> str:
    """Describe files as `a.pem (root's, mode 0640)`, and so on."""
    return ", ".join(
        f"{path} ({_name(path.stat().st_uid)}'s, mode {_mode(path)})" for path in paths
    )


def _all(paths: list[Path]) -> str:
    return " ".join(map(str, paths))


def _mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


def _name(uid: int) -> str:
    """Return a user's name, or the number of one who has none here, as in a container."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
