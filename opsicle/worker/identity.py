"""The worker's data folder.

Who it is, what it was about to do, and output that the server does not have yet.

D/lock           held while a worker runs, so that a second one refuses D/identity.json  key,
certificate, CA and address of the server: one file, so that it is whole or absent D/journal
see journal.py D/checkpoint.json  see audit_monitor.py D/epoch.json       see known_epoch.py
D/spool/         see spool.py D/workspaces/    the working folders of jobs
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec

from opsicle.domain.errors import Conflict, InvalidInput, OpsicleError, Unavailable
from opsicle.kit import files
from opsicle.worker.process_ids import instance_of, is_zombie

_IDENTITY_BYTES = 16 * 1024  # more than any needs: it is about 3 KiB

_LOCK_PATIENCE_SECONDS, _LOOK_AT_LOCK_SECONDS = 10.0, 0.02
"""How long a lock is waited for whose process has ended; a child takes milliseconds to run its
program, on a machine that has time for it."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who this worker is, and whom it takes for its server.

    `server_name` is the name that the server's certificate must have, whatever address it is
    reached by. `joined_url` is where the worker enrolled, `joined_with` the digest of the token
    that it used. `org_id` is "" for one that `is_shared`: it works for every org that lets it, and
    `org` is `provider`. `order_key_pem`, by which it knows its server's orders, is "" if
    it enrolled before there were any. `worker_url` is the address at which its server was reached
    last, `told_urls` are those that the server itself has named, `more_urls` others that are known.
    One that `is_ephemeral` ends with its
    process.
    """

    worker_id: str
    org: str
    org_id: str = ""
    order_key_pem: str = ""
    name: str
    worker_url: str
    told_urls: tuple[str, ...] = ()
    more_urls: tuple[str, ...] = ()
    joined_url: str
    joined_with: str
    server_name: str
    key_pem: str
    certificate_pem: str
    ca_pem: str
    issued_at: datetime
    expires_at: datetime
    is_shared: bool = False
    is_ephemeral: bool = False

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address at which its server may be, in the order in which they are tried."""
        return tuple(dict.fromkeys((self.worker_url, *self.told_urls, *self.more_urls)))


class WorkerDataFolder:
    """A worker's data folder, locked for this process until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "journal"
        self.checkpoint = path / "checkpoint.json"
        self.epoch = path / "epoch.json"
        self.spool = path / "spool"
        self.artifacts = path / "artifacts"
        self.workspaces = path / "workspaces"
        self.kept = path / "kept"
        self._identity = path / "identity.json"
        self.lets_through = False
        self._lock_fd = -1
        self.living_original: int | None = None

    @classmethod
    def open(cls, path: Path, *, lets_through: bool = False) -> Self:
        """Make the folder if need be and lock it.

        `lets_through`: other users may reach their jobs' workspaces in it.

        Raises Conflict if another worker runs on it, InvalidInput if it cannot be used, Unavailable
        on a full disk.
        """
        folder = cls(path)
        with storage_errors(path):
            folder.lets_through = lets_through
            mode = 0o711 if lets_through else 0o700
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(mode)
            folder._lock()
            for inner in (folder.spool, folder.workspaces):
                inner.mkdir(mode=0o700, exist_ok=True)
            folder.workspaces.chmod(mode)

        return folder

    def close(self) -> None:
        """Let another worker have the folder."""
        with suppress(OSError):
            os.ftruncate(self._lock_fd, 0)
        os.close(self._lock_fd)

    def load_identity(self) -> Identity | None:
        """Return who the worker is, or None if it never enrolled.

        Raises InvalidInput for a file that cannot be read.
        """
        with storage_errors(self.path):
            try:
                content = self._identity.read_bytes()
            except FileNotFoundError:
                return None

        try:
            return msgspec.json.decode(content, type=Identity)
        except msgspec.DecodeError as error:
            raise InvalidInput(
                f"{self._identity} is damaged",
                hint="Remove it, and enrol again with a new join token.",
            ) from error

    def check_disk_space(self) -> None:
        """Make sure that an identity could be saved, before a token is spent on one.

        Raises as `open` does.
        """
        probe = self.path / "probe"
        with storage_errors(self.path):
            files.replace(probe, b"\0" * _IDENTITY_BYTES)
            probe.unlink()

    def save_identity(self, identity: Identity) -> None:
        """Put this identity in the place of the old one, durably and whole.

        Raises as `open` does.
        """
        with storage_errors(self.path):
            files.replace(self._identity, msgspec.json.encode(identity))

    def forget_identity(self) -> None:
        """Remove an identity that has ended. Raises as `open` does."""
        with storage_errors(self.path):
            self._identity.unlink(missing_ok=True)

    def _lock(self) -> None:
        self._lock_fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + _LOCK_PATIENCE_SECONDS
        while not _take_lock(self._lock_fd):
            # One that was killed leaves its lock to a child that was just being started, until
            # that runs its program.
            if self._find_locker() is not None or time.monotonic() > until:
                os.close(self._lock_fd)
                raise Conflict(
                    f"another worker is running on {self.path}",
                    hint="Stop it, or give this one a data folder of its own.",
                )
            time.sleep(_LOOK_AT_LOCK_SECONDS)

        # Whoever has a folder's lock stands in its file. If that process lives, it has the lock of
        # another file: of where this one was copied from.
        locker = self._find_locker()
        self.living_original = None if locker == os.getpid() else locker
        _write_whole(self._lock_fd, f"{os.getpid()} {instance_of(os.getpid())}".encode())

    def _find_locker(self) -> int | None:
        """Return the process that stands in the lock's file, if it lives."""
        pid, _, instance = os.pread(self._lock_fd, 200, 0).decode(errors="replace").partition(" ")
        is_there = pid.isdecimal() and instance != "" and instance_of(int(pid)) == instance
        return int(pid) if is_there and not is_zombie(int(pid)) else None


def _take_lock(descriptor: int) -> bool:
    """Lock a file. Return False where another process has its lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_whole(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)


def token_digest(token_text: str) -> str:
    """Return the digest by which a used token is recognised."""
    return hashlib.sha256(token_text.strip().encode()).hexdigest()


def has_expired(identity: Identity) -> bool:
    """Return whether the certificate's time is over by this machine's clock."""
    return datetime.now(UTC) >= identity.expires_at


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that a person can act on."""
    try:
        yield
    except OSError as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: OSError) -> OpsicleError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            f"the disk of {path} is full", hint="Make room, and start the worker again."
        )
    reason = (error.strerror or str(error)).lower()
    return InvalidInput(
        f"the data folder {path} cannot be used: {reason}",
        hint="It must be a folder that the worker may write to.",
    )
