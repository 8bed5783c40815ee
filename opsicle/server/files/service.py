"""Uploading files for automations, and taking those that automations were given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from opsicle.domain.access import Action
from opsicle.domain.artifacts import MIB
from opsicle.domain.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    Problem,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from opsicle.domain.files import file_name_problem
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access.actor import Actor
from opsicle.server.automations.given_files import UPLOADS_KEPT
from opsicle.server.automations.visible import get_visible
from opsicle.server.contents.content_store import ContentStore, Upload
from opsicle.server.dispatch.job_artifacts import JobArtifacts
from opsicle.server.store import audit, files
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.files import AutomationFileRow, UploadRow
from opsicle.wire.file_api import UploadedFile

MAX_UNUSED = 100
"""Uploads of one person that no automation has taken yet."""

MAX_AT_ONCE = 4
"""Uploads of one person that are under way."""

_EXPIRED_AT_ONCE = 500
"""Uploads forgotten in one unit of work: it holds the event loop."""


class Files:
    """What people upload is theirs until an automation is given it, and for 24 hours at most."""

    def __init__(
        self, database: Database, store: ContentStore, artifacts: JobArtifacts, clock: Clock
    ) -> None:
        self._database = database
        self._store = store
        self._artifacts = artifacts
        self._clock = clock
        self._under_way: Counter[tuple[str, str]] = Counter()

    def upload(
        self, actor: Actor, name: str, declared_size: int, read: Callable[[int], bytes]
    ) -> UploadedFile:
        """Take in a file, durably, to be given to automations by whoever uploads it.

        `declared_size` is what the sender says, 0 if nothing; `read` as `ContentStore.received` has
        it. Raises InvalidInput for a name that no file can have, TooLarge, Conflict where there is
        no room, TooManyRequests, Unavailable where it may be sent again.
        """
        actor.require(Action.AUTOMATIONS_CREATE)
        if problem := file_name_problem(name):
            problems = (Problem("query.name", problem),)
            raise InvalidInput(f"the file cannot be taken: {problem}", problems=problems)
        self._require_allowed(actor, declared_size)

        with self._counted(actor):
            limit = self._artifacts.bounds.limits.file_bytes
            with self._store.received(read, limit) as upload:
                self._require_allowed(actor, upload.size)
                self._require_room(actor, upload)
                return self._keep(actor, name, upload)

    def _require_allowed(self, actor: Actor, size: int) -> None:
        most = self._artifacts.bounds.limits.file_bytes
        if size > most:
            raise TooLarge(f"a file may have {most // MIB} MiB at most")
        self._database.read(lambda db: self._require_few_unused(db, actor, size))

    def _require_room(self, actor: Actor, upload: Upload) -> None:
        """Raise Conflict where an org's share is full.

        Asked once the file is here: old artifacts go to make room, and not for a mere promise.
        """
        problem = self._artifacts.quota_problem(actor.org_id, upload.sha256, upload.size)
        if problem:
            raise Conflict(problem, hint="Whoever runs the server can give it more.")

    @contextmanager
    def _counted(self, actor: Actor) -> Iterator[None]:
        who = actor.org_id, actor.user_id
        if self._under_way[who] >= MAX_AT_ONCE:
            raise TooManyRequests(
                f"{MAX_AT_ONCE} files are being uploaded already",
                retry_after=1,
                hint="Wait for one.",
            )
        self._under_way[who] += 1
        try:
            yield
        finally:
            self._under_way[who] -= 1
            if not self._under_way[who]:
                del self._under_way[who]

    def _keep(self, actor: Actor, name: str, upload: Upload) -> UploadedFile:
        now = self._clock.now()
        row = UploadRow(
            id=new_id(now),
            org_id=actor.org_id,
            user_id=actor.user_id,
            name=name,
            size=upload.size,
            sha256=upload.sha256,
            created_at=now,
        )

        def insert(db: Connection) -> bool:
            self._require_few_unused(db, actor, upload.size)
            self._artifacts.require_fits(db, actor.org_id)
            files.insert_upload(db, row)
            data = {"name": name, "size": upload.size, "sha256": upload.sha256}
            audit.append(db, now, actor.org_id, actor, "upload", f"files/{row.id}", data)
            return True

        if not self._store.keep(actor.org_id, upload, insert):
            raise Unavailable(
                "the server's disk gave back another file than it was given",
                hint="Upload it again.",
            )
        return UploadedFile(
            id=row.id,
            name=name,
            size=upload.size,
            sha256=upload.sha256,
            expires_at=now + UPLOADS_KEPT,
        )

    def _require_few_unused(self, db: Connection, actor: Actor, size: int) -> None:
        unused, most = files.count_unused(db, actor.org_id, actor.user_id), self._artifacts.bounds
        if unused.count >= MAX_UNUSED or unused.size + size > most.limits.job_bytes:
            raise Conflict(
                f"of your files that no automation has taken yet, {MAX_UNUSED} with "
                f"{most.limits.job_bytes // MIB} MiB together are kept",
                hint=f"Each goes {UPLOADS_KEPT.days * 24} hours after it came.",
            )

    def get(self, actor: Actor, file_id: str) -> AutomationFileRow:
        """Return a file that an automation was given.

        Raises NotFound, also for one of an automation that the actor may not see.
        """
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> AutomationFileRow | None:
            row = files.find_by_id(db, actor.org_id, file_id)
            if row is not None:
                get_visible(db, actor, row.automation_id)
            return row

        # What is hidden is as absent as what never was: no other words for it.
        with suppress(NotFound):
            row = self._database.read(query)
            if row is not None:
                return row
        raise NotFound(
            f"there is no file {file_id}",
            hint="`opsicle automations show ID` names those of an automation.",
        )

    def read(self, row: AutomationFileRow, start: int, stop: int) -> Iterator[bytes]:
        """Return bytes of a file, in pieces. Raises NotFound if the server has lost it."""
        return self._store.read(row.org_id, row.sha256, start, stop)

    def expire(self) -> None:
        """Forget uploads that may no longer be given to automations."""
        before = self._clock.now() - UPLOADS_KEPT
        while self._database.write(
            lambda db: files.delete_uploads_before(db, before, _EXPIRED_AT_ONCE)
        ):
            pass
