"""The fleet of an org: who belongs to it, who drains, who is out."""

from __future__ import annotations

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotAuthenticated, NotFound, required
from opsicle.domain.versions import is_older
from opsicle.kit.clock import Clock
from opsicle.security.certificates import WorkerIdentity
from opsicle.server.access.actor import Actor, WorkerActor
from opsicle.server.access.cache import Cache
from opsicle.server.access.validators import SHARED_SCOPE
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.http.paging import page_of
from opsicle.server.identity.step_up import StepUp
from opsicle.server.store import audit, workers
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.workers import WorkerRow, WorkerState
from opsicle.server.workers.worker_facts import check_labels
from opsicle.version import RELEASE
from opsicle.wire.fleet_api import UpdateWorkerRequest, Worker
from opsicle.wire.pages import Page


class Workers:
    """The workers of an org, and whose certificate this is."""

    def __init__(self, database: Database, fleet: Fleet, step_up: StepUp, clock: Clock) -> None:
        self._database = database
        self._fleet = fleet
        self._step_up = step_up
        self._clock = clock
        self._cache: Cache[str, WorkerRow] = Cache()

    def forget(self, worker_id: str) -> None:
        """Let a worker in no more that has ended in the database, and end its open poll."""
        self._cache.invalidate()
        self._fleet.revoke(worker_id)

    def authenticate(self, identity: WorkerIdentity, address: str) -> WorkerActor:
        """Say which worker shows this certificate, which the handshake has verified.

        Raises NotAuthenticated for one that is unknown or revoked. An older certificate of the same
        worker is as good as its newest one: the reply that brought the newest may have been lost.
        """
        worker_id = identity.worker_id
        row = self._cache.get(
            worker_id, lambda: self._database.read(lambda db: workers.find_by_id(db, worker_id))
        )

        if row is None or identity.org != (SHARED_SCOPE if row.is_shared else row.org_code):
            raise NotAuthenticated(
                "this worker is unknown here", hint="Enrol it with a new join token."
            )
        if row.state == "revoked":
            raise NotAuthenticated(
                "this worker was revoked", hint="Enrol it again with a new join token."
            )
        org_id = "" if row.is_shared else row.org_id
        return WorkerActor(row.id, row.name, org_id, address, is_shared=row.is_shared)

    def list_workers(
        self, actor: Actor, cursor: str, limit: int, *, with_revoked: bool = False
    ) -> Page[Worker]:
        """Return the org's workers in the order in which they enrolled.

        Those that were revoked are among them only if asked for.
        """
        actor.require(Action.WORKERS_VIEW)
        return self._page(actor.org_id, cursor, limit, with_revoked)

    def list_shared(
        self, actor: Actor, cursor: str, limit: int, *, with_revoked: bool = False
    ) -> Page[Worker]:
        """Return shared workers, for those who run the server.

        Those that were revoked are among them only if asked for.
        """
        actor.require(Action.SERVER_MANAGE)
        return self._page(None, cursor, limit, with_revoked)

    def _page(
        self, org_id: str | None, cursor: str, limit: int, with_revoked: bool
    ) -> Page[Worker]:
        listing = workers.list_workers if with_revoked else workers.list_in_service
        rows = self._database.read(lambda db: listing(db, org_id, cursor, limit + 1))
        return page_of(rows, limit, self._shown, lambda row: row.id)

    def get(self, actor: Actor, id_or_name: str) -> Worker:
        """Return one worker of the org. Raises NotFound."""
        actor.require(Action.WORKERS_VIEW)
        return self._shown(
            self._database.read(lambda db: _get_worker(db, actor.org_id, id_or_name))
        )

    def get_shared(self, actor: Actor, id_or_name: str) -> Worker:
        """Return a shared worker. Raises NotFound."""
        actor.require(Action.SERVER_MANAGE)
        return self._shown(self._database.read(lambda db: _get_worker(db, None, id_or_name)))

    def grant_labels(
        self,
        actor: Actor,
        id_or_name: str,
        request: UpdateWorkerRequest,
        *,
        is_shared: bool = False,
    ) -> Worker:
        """Grant a worker these labels instead of those that it has.

        From its next poll on they decide what it gets.

        Raises NotFound; InvalidInput for what is no label; Conflict for a revoked worker;
        StepUpRequired, since labels decide who is handed secrets.
        """
        actor.require(Action.SERVER_MANAGE if is_shared else Action.WORKERS_MANAGE)
        check_labels(request.labels)
        self._step_up.require(actor)
        org_id = None if is_shared else actor.org_id

        def work(db: Connection) -> WorkerRow:
            row = _get_worker(db, org_id, id_or_name)
            before = stored_json.read_or(row.granted_labels, dict[str, str], {})
            if before == request.labels:
                return row
            if not workers.grant_labels(db, row.id, request.labels):
                raise Conflict(
                    f"the worker {row.name} was revoked",
                    hint="Enrol it again with a new join token.",
                )

            data = {"name": row.name, "before": before, "after": request.labels}
            audit.append(
                db, self._clock.now(), org_id, actor, "grant_labels", f"workers/{row.id}", data
            )
            return _get_worker(db, org_id, row.id)

        row = self._database.write(work)
        self._fleet.grant_labels(row.id, request.labels)
        return self._shown(row)

    def drain(self, actor: Actor, id_or_name: str, *, is_shared: bool = False) -> Worker:
        """Let a worker finish what it has and take no more.

        Raises NotFound; Conflict for a revoked one.
        """
        row = self._change(actor, (is_shared, id_or_name), "drain", "draining")
        self._fleet.set_draining(row.id, True)
        return self._shown(row)

    def undrain(self, actor: Actor, id_or_name: str, *, is_shared: bool = False) -> Worker:
        """Let a draining worker take work again. Raises NotFound; Conflict for a revoked one."""
        row = self._change(actor, (is_shared, id_or_name), "undrain", "active")
        self._fleet.set_draining(row.id, False)
        return self._shown(row)

    def revoke(self, actor: Actor, id_or_name: str, *, is_shared: bool = False) -> Worker:
        """Shut a worker out for good: its next request is refused and its open poll ends.

        Raises NotFound.
        """
        row = self._change(actor, (is_shared, id_or_name), "revoke", "revoked")
        self._fleet.revoke(row.id)
        return self._shown(row)

    def _change(
        self, actor: Actor, which: tuple[bool, str], verb: str, new: WorkerState
    ) -> WorkerRow:
        """Move a worker of the org or, if `which` begins with True, a shared one to a state.

        Again is harmless.
        """
        is_shared, id_or_name = which
        actor.require(Action.SERVER_MANAGE if is_shared else Action.WORKERS_MANAGE)
        org_id = None if is_shared else actor.org_id

        def work(db: Connection) -> WorkerRow:
            row = _get_worker(db, org_id, id_or_name)
            if row.state == new:
                return row
            if row.state == "revoked" or not workers.change_state(db, row.id, row.state, new):
                raise Conflict(
                    f"the worker {row.name} was revoked",
                    hint="Enrol it again with a new join token.",
                )

            data = {"name": row.name}
            audit.append(db, self._clock.now(), org_id, actor, verb, f"workers/{row.id}", data)
            return _get_worker(db, org_id, row.id)

        row = self._database.write(work)
        self._cache.invalidate()
        return row

    def _shown(self, row: WorkerRow) -> Worker:
        is_connected = row.state != "revoked" and self._fleet.is_connected(row.id)
        presence = self._fleet.find(row.id)
        offset = presence.clock_offset if presence else None
        return Worker(
            id=row.id,
            name=row.name,
            state=row.state,
            is_connected=is_connected,
            labels=stored_json.read_or(row.labels, dict[str, str], {}),
            granted_labels=stored_json.read_or(row.granted_labels, dict[str, str], {}),
            withheld=self._fleet.withheld_reason(presence) if presence and is_connected else "",
            clock_offset_seconds=None if offset is None else round(offset),
            unknown_jobs=list(self._fleet.unknown_jobs.get(row.id, ())),
            formats=sorted(presence.poll.formats) if presence else [],
            limits_by=dict(presence.poll.limits_by) if presence else {},
            runtimes=stored_json.read_or(row.runtimes, list[str], []),
            slots=row.slots,
            busy=row.busy,
            is_shared=row.is_shared,
            is_ephemeral=row.is_ephemeral,
            program_version=row.version,
            is_behind=is_older(row.version, RELEASE),
            certificate_expires_at=row.certificate_expires_at,
            created_at=row.created_at,
            last_seen_at=self._fleet.last_seen_at(presence) if presence else row.last_seen_at,
        )


def _get_worker(db: Connection, org_id: str | None, id_or_name: str) -> WorkerRow:
    """Return a worker of the org, or a shared one. Raises NotFound, also for another org's."""
    return required(
        workers.find(db, org_id, id_or_name),
        NotFound(f"there is no worker {id_or_name}", hint="`opsicle workers list` shows them."),
    )
