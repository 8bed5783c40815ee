"""The folder that holds everything a server must keep.

Databases, its CA, and what it tells about itself.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec

from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, OpsicleError, Unavailable
from opsicle.kit import files
from opsicle.security import sealing
from opsicle.security.audit_key import AuditKey
from opsicle.security.authority import Authority
from opsicle.security.order_key import OrderKey

_OWN_FILES = ("lock", "opsicle.db", "authority.pem")
"""A folder that holds one of these is a server's, though perhaps a copy in which others are
missing."""


RESTORING = ".restoring"
"""Where a restore puts what is not checked yet; nothing is left in it once the folder is whole."""

LAST_BACKUP = "last-backup"
"""A file in the data folder that was written when a backup was whole last."""


class ServerFile(msgspec.Struct, kw_only=True):
    """`D/server.json`: where a running server is, its epoch and version, if its queue is held."""

    url: str
    worker_url: str
    pid: int
    ca_fingerprint: str
    epoch: int = 1
    held: bool = False
    version: str = ""


class DataFolder:
    """The server's own folder, mode 0700, used by one server at a time.

    Make it with `open`, give it up with `close`.

    - `opsicle.db`, `logs.db`: the databases
    - `artifacts/`: files that jobs left behind
    - `authority.pem`: the CA's key and certificate; whoever has it can pretend to be this server
    - `audit.pem`: the key that signs the audit record's checkpoints
    - `binding.key`: by which the server knows what it has bound itself (`binding_key_file.py`)
    - `orders.pem`: the key that signs what workers are to do
    - `master.key`: under which secrets are encrypted (`master_key_file.py`)
    - `ca.pem`: the CA's certificate alone, to hand out
    - `listener.pem`: key and certificate of the listeners, made anew at every start
    - `identity.key`: seals the seeds of authenticator apps that the database holds
    - `setup-token`: until the server has been set up
    - `server.json`: while the server runs
    - `marker.json`: what the newest state is (`state_marker.py`)
    - `marker.commits`: how far the database has got since (`store/commits.py`)
    - `clean-stop`: while no server runs, after a clean stop (`clean_stop.py`)
    - `last-backup`: when a backup was whole last (`backups/backup.py`)
    - `lock`: held while the server runs
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self.state_database = path / "opsicle.db"
        self.log_database = path / "logs.db"
        self.artifacts = path / "artifacts"
        self.listener_pem = path / "listener.pem"
        self._authority_pem = path / "authority.pem"
        self._audit_pem = path / "audit.pem"
        self._orders_pem = path / "orders.pem"
        self._ca_pem = path / "ca.pem"
        self._identity_key = path / "identity.key"
        self._setup_token = path / "setup-token"
        self._server_json = path / "server.json"

    @classmethod
    def open(cls, path: Path) -> Self:
        """Take possession of a folder, made if absent.

        Raises Conflict while another server has it or a restore into it is not whole, InvalidInput
        for a folder that is something else's, NotAllowed or Unavailable if it cannot be written.
        """
        with explained(path):
            path = path.absolute()
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not any((path / name).exists() for name in _OWN_FILES) and any(path.iterdir()):
                raise InvalidInput(
                    f"{path} is not empty, and no data folder of Opsicle",
                    hint="Choose a folder of its own.",
                )
            if any((path / RESTORING).glob("*")):
                raise Conflict(
                    f"a restore into {path} is under way, or was cut short",
                    hint="If none is, empty the folder, and restore again.",
                )
            path.chmod(0o700)
            return cls(path, _take_lock(path))

    def close(self) -> None:
        """Give the folder up: take back `server.json`, release the lock."""
        self._server_json.unlink(missing_ok=True)
        os.close(self._lock)

    @property
    def has_authority(self) -> bool:
        """Whether the folder holds the key of a CA: a server has begun to live here."""
        return self._authority_pem.exists()

    def authority(self, now: datetime, *, is_expected: bool = True) -> Authority:
        """Return the server's CA, created at the first start.

        Raises Conflict if it was lost while the database was not, unless it is not expected yet.
        """
        if not self._authority_pem.exists():
            if is_expected and self.state_database.exists():
                raise Conflict(
                    "the data folder has lost authority.pem", hint="Restore it from a backup."
                )
            self._write(self._authority_pem, _both(Authority.create(now)))
        text = self._authority_pem.read_text(encoding="ascii")
        authority = Authority.load(text, text)
        self._write(self._ca_pem, authority.cert_pem)
        return authority

    def identity_key(self) -> bytes:
        """Return the key that seals the seeds of authenticator apps, made when it is first needed.

        A folder that has lost it still works: whoever has an app must then be given a new one by an
        admin.
        """
        if not self._identity_key.exists():
            with explained(self.path):
                files.replace(self._identity_key, sealing.new_key(), mode=0o600)
        return self._identity_key.read_bytes()

    @property
    def has_identity_key(self) -> bool:
        """Whether the key that seals authenticator apps' seeds is there."""
        return self._identity_key.exists()

    def audit_key(self, *, has_signed: bool) -> AuditKey:
        """Return the key of the audit record, created when first needed.

        Raises Conflict if it was lost after it signed.
        """
        if not self._audit_pem.exists():
            if has_signed:
                raise Conflict(
                    "the data folder has lost audit.pem", hint="Restore it from a backup."
                )
            self._write(self._audit_pem, AuditKey.create().pem)
        return AuditKey.load(self._audit_pem.read_text(encoding="ascii"))

    def order_key(self, pinned: str) -> OrderKey:
        """Return the key that signs orders, created when first needed.

        `pinned` is the fingerprint that workers know, or "".

        Raises Conflict if they know one and the folder has lost it, or holds another.
        """
        if not self._orders_pem.exists():
            if pinned:
                raise Conflict(
                    "the data folder has lost orders.pem, "
                    "the key by which its workers know an order of this server",
                    hint="Restore it from a backup. "
                    "If there is none, see `A new key for orders` in docs/server.md.",
                )
            self._write(self._orders_pem, OrderKey.create().pem)

        key = OrderKey.load(self._orders_pem.read_text(encoding="ascii"))
        if pinned not in ("", key.public.fingerprint):
            raise Conflict(
                "orders.pem is not the key by which this server's workers know its orders",
                hint="Restore the one that belongs to this database.",
            )
        return key

    def write_listener_pem(self, certificate_pem: str, key_pem: str) -> None:
        """Keep the listeners' certificate where TLS can load it from."""
        self._write(self.listener_pem, key_pem + certificate_pem)

    def setup_token(self) -> str:
        """Return the setup token given out earlier, "" if there is none."""
        return (
            self._setup_token.read_text(encoding="ascii").strip()
            if self._setup_token.exists()
            else ""
        )

    def write_setup_token(self, text: str) -> None:
        """Keep the setup token for whoever installs the server."""
        self._write(self._setup_token, f"{text}\n")

    def remove_setup_token(self) -> None:
        """Take the setup token away: it has been used."""
        self._setup_token.unlink(missing_ok=True)

    def write_server_file(self, content: ServerFile) -> None:
        """Tell other programs on this machine where the server is."""
        self._write(
            self._server_json, msgspec.json.format(msgspec.json.encode(content)).decode() + "\n"
        )

    def _write(self, path: Path, text: str) -> None:
        with explained(self.path):
            files.replace(path, text.encode("ascii"), mode=0o600)


def require_server_folder(folder: Path) -> None:
    """Raise InvalidInput unless a folder has a server's state."""
    if not (folder / "opsicle.db").exists():
        raise InvalidInput(
            f"{folder} is no data folder of a server", hint="Name the server's --data-dir."
        )


def find_running(folder: Path) -> ServerFile | None:
    """Return what a server that runs on a folder says of itself; None where none does.

    The lock is not tried: a server that starts at this moment would find it taken. The kernel says
    who holds it, as the process that once had the number in the file may be another one now.
    """
    try:
        fd = os.open(folder / "server.json", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            found = msgspec.json.decode(file.read(), type=ServerFile)
        return found if _holds_lock(found.pid, folder / "lock") else None
    except (OSError, msgspec.MsgspecError):
        return None


def _holds_lock(pid: int, lock: Path) -> bool:
    """Return whether a process has locked a file, by proc(5). Raises OSError."""
    inode = lock.stat().st_ino
    held = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any(
        fields[1:2] == ["FLOCK"] and fields[4] == str(pid) and fields[5].endswith(f":{inode}")
        for fields in held
    )


def _take_lock(folder: Path) -> int:
    """Return the descriptor that holds the lock.

    The system takes it back from a process that dies, however it dies.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    lock = os.open(folder / "lock", flags, 0o600)
    files.give_away(lock, folder.stat())
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Conflict(
            f"another server is using {folder}", hint="Stop it, or choose another data folder."
        ) from error
    return lock


def _both(authority: Authority) -> str:
    return authority.key_pem + authority.cert_pem


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's refusals into errors that a person can act upon."""
    try:
        yield
    except OSError as error:
        raise _explanation(error, path) from error


def _explanation(error: OSError, path: Path) -> OpsicleError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(f"the disk under {path} is full", hint="Free some space.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotAllowed(
            f"{path} cannot be written", hint="Choose a data folder that this user owns."
        )
    return InvalidInput(f"{path} cannot be used: {error.strerror or error}")
