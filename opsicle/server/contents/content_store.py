"""Files in `artifacts/`, each under the SHA-256 of what is in it.

    artifacts/ORG/ab/abcd…     whole files, durable; what several rows name is there once
    artifacts/incoming/KEY.SHA what has been received so far

Each org has its own: what another one has can neither be read nor guessed at by sending the same.
A file is put in its place, and removed from it, under one lock together with its row, so that none
goes that has just been named again. If the server dies between the two, a file is left that no row
names, and the sweep (see content_sweep.py) removes it. No row ever names what was not durable.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from gevent.lock import RLock
from gevent.threadpool import ThreadPool

from opsicle.domain.errors import NotFound, TooLarge, Unavailable
from opsicle.kit import files
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.store import contents
from opsicle.server.store.database import Connection, Database
from opsicle.server.threads import run_in

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
_SHARD_CHARACTERS = 2
_STREAM = "stream-"
_RESTORE_HINT = "Restore the folder `artifacts` together with the databases."


class Upload(NamedTuple):
    """A file that comes in pieces. `key` says whose it is: one of a key is received at a time."""

    key: str
    sha256: str
    size: int


class ContentStore:
    """The files. Who may have which is for the caller to decide."""

    def __init__(self, folder: Path, database: Database, clock: Clock) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._database = database
        self._clock = clock
        self._threads = ThreadPool(2)
        self.placing = RLock()
        """Held while a file and its row come or go together."""
        self._streaming: set[str] = set()
        for path in self._incoming.glob(f"{_STREAM}*"):  # what an earlier run had no time to end
            path.unlink(missing_ok=True)

    def append(self, upload: Upload, offset: int, data: bytes) -> int:
        """Keep a piece if it fits behind what is here; return how much is here then.

        Nothing of this is durable yet. Raises Unavailable where the disk takes nothing.
        """
        with _disk_errors():
            return run_in(self._threads, self._append, upload, offset, data)

    def _append(self, upload: Upload, offset: int, data: bytes) -> int:
        path = self._draft(upload)
        if not path.exists():
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._forget(upload.key)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            here = os.fstat(fd).st_size
            if here > upload.size:  # another file was announced under this name
                os.ftruncate(fd, 0)
                here = 0
            if offset > here or offset + len(data) <= here:
                return here
            os.lseek(fd, offset, os.SEEK_SET)
            files.write_all(fd, data)
            return offset + len(data)
        finally:
            os.close(fd)

    @contextmanager
    def received(self, read: Callable[[int], bytes], most_bytes: int) -> Iterator[Upload]:
        """Take in a file whose digest nobody knows yet; nothing is left of it unless it is kept.

        `read` returns the next bytes, fewer than asked for only at the end. Raises TooLarge beyond
        `most_bytes`, Unavailable where the disk takes nothing, and what `read` raises.
        """
        key = f"{_STREAM}{new_id(self._clock.now())}"
        self._streaming.add(key)
        try:
            with _disk_errors():
                fd = run_in(self._threads, self._open_stream, key)
            try:
                upload = self._take_in(key, fd, read, most_bytes)
            finally:
                os.close(fd)
            yield upload
        finally:
            self.forget(key)
            self._streaming.discard(key)

    def _open_stream(self, key: str) -> int:
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._incoming / f"{key}.new", flags, 0o600)

    def _take_in(self, key: str, fd: int, read: Callable[[int], bytes], most_bytes: int) -> Upload:
        digest, size = hashlib.sha256(), 0

        def write(piece: bytes) -> None:
            files.write_all(fd, piece)
            digest.update(piece)

        piece = read(PIECE_BYTES)
        while piece:
            size += len(piece)
            if size > most_bytes:
                raise TooLarge(f"the file is larger than {most_bytes} bytes")
            with _disk_errors():
                run_in(self._threads, write, piece)
            piece = read(PIECE_BYTES)

        upload = Upload(key, digest.hexdigest(), size)
        (self._incoming / f"{key}.new").replace(self._draft(upload))
        return upload

    def keep(self, org_id: str, upload: Upload, work: Callable[[Connection], T]) -> T | None:
        """Keep what was received, durably, and do `work`, which names it, in the same transaction.

        Returns None, and forgets what was received, if that is not the file that was announced.
        Raises Unavailable where the disk fails, and what `work` raises.
        """
        with _disk_errors():
            if not run_in(self._threads, self._is_whole, upload):
                return None

        now = self._clock.now()

        def put(db: Connection) -> T:
            contents.put(db, org_id, upload.sha256, upload.size, now)
            return work(db)

        with self.placing:
            with _disk_errors():
                run_in(self._threads, self._place, org_id, upload)
            return self._database.write(put)

    def _is_whole(self, upload: Upload) -> bool:
        """Make a draft durable, and return whether it is what was announced."""
        path = self._draft(upload)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
            is_whole = os.fstat(fd).st_size == upload.size and _digest(fd) == upload.sha256
        except OSError:
            path.unlink(missing_ok=True)  # what an fsync has failed for is not written by the next
            raise
        finally:
            os.close(fd)
        if not is_whole:
            path.unlink(missing_ok=True)
        return is_whole

    def _place(self, org_id: str, upload: Upload) -> None:
        path = self.path(org_id, upload.sha256)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._draft(upload).replace(path)
        for folder in (path.parent, path.parent.parent, self.folder, self.folder.parent):
            files.sync_folder(folder)

    def forget(self, key: str) -> None:
        """Remove what was received under a key and not kept."""
        with _disk_errors():
            run_in(self._threads, self._forget, key)

    def _forget(self, key: str) -> None:
        for path in self._incoming.glob(f"{key}.*"):
            path.unlink(missing_ok=True)

    def drafts(self) -> list[Path]:
        """Return what was received and is not kept yet, without what is just being streamed."""
        there = sorted(self._incoming.iterdir()) if self._incoming.is_dir() else []
        return [path for path in there if path.name.partition(".")[0] not in self._streaming]

    def read(self, org_id: str, sha256: str, start: int, stop: int) -> Iterator[bytes]:
        """Return a file's bytes from `start` to before `stop`, in pieces.

        Raises NotFound if the file is not there, and Unavailable, also in the midst.
        """
        try:
            fd = os.open(self.path(org_id, sha256), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound("the server has lost this file", hint=_RESTORE_HINT) from None
        pieces = self._pieces(fd, start, stop)
        next(pieces)  # so that the file is closed also if nobody reads on
        return pieces

    def _pieces(self, fd: int, start: int, stop: int) -> Iterator[bytes]:
        try:
            yield b""
            while start < stop:
                with _disk_errors():
                    size = min(PIECE_BYTES, stop - start)
                    piece = run_in(self._threads, os.pread, fd, size, start)
                if not piece:
                    raise NotFound("the server has lost the end of this file", hint=_RESTORE_HINT)
                yield piece
                start += len(piece)
        finally:
            os.close(fd)

    def problem_of(self, org_id: str, sha256: str, size: int) -> str:
        """Read a file through, and return what is wrong with it, or "". Takes its time."""
        return run_in(self._threads, self._problem_of, self.path(org_id, sha256), sha256, size)

    @staticmethod
    def _problem_of(path: Path, sha256: str, size: int) -> str:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return "the server has lost this file"
        except OSError as error:
            return f"the server cannot read this file: {error.strerror}"
        try:
            is_good = os.fstat(fd).st_size == size and _digest(fd) == sha256
        except OSError as error:
            return f"the server cannot read this file: {error.strerror}"
        finally:
            os.close(fd)
        return "" if is_good else "the file was altered on the server's disk"

    def remove_unused(self, org_id: str, sha256: str) -> bool:
        """Remove a file that nothing names. Return False if something does by now."""
        with self.placing:
            if not self._database.write(lambda db: contents.delete_unused(db, org_id, sha256)):
                return False
            with suppress(OSError):  # the sweep tries again
                run_in(self._threads, self.path(org_id, sha256).unlink)
        return True

    def path(self, org_id: str, sha256: str) -> Path:
        """Return where a file is."""
        return self.folder / relative_path(org_id, sha256)

    def _draft(self, upload: Upload) -> Path:
        return self._incoming / f"{upload.key}.{upload.sha256}"

    def close(self) -> None:
        """End the threads."""
        self._threads.kill()


def relative_path(org_id: str, sha256: str) -> PurePosixPath:
    """Return where a file is, from the folder of all files."""
    return PurePosixPath(org_id, sha256[:_SHARD_CHARACTERS], sha256)


def _digest(fd: int) -> str:
    os.lseek(fd, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    while piece := os.read(fd, PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn what the disk refuses into an error after which one may try again."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the server's disk takes no file just now: {error.strerror or 'it failed'}",
            hint="Whoever runs the server: free some space under its data folder.",
        ) from error
