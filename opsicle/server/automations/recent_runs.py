"""The newest automations of a template or on a worker, with little more than how they went."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.template_access import is_automation_hidden, is_hidden
from opsicle.server.http.paging import page_of
from opsicle.server.store import recent_runs, templates, workers
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.recent_runs import RunRow, WorkerJobRow
from opsicle.server.store.templates import TemplateRow
from opsicle.wire.pages import Page
from opsicle.wire.recent_run_api import RecentRun, TemplateRuns, WorkerJob

RUNS_PER_TEMPLATE = 30
"""As many as the strip has that pages show of a template."""

RUNS_OF_ONE = 100
"""As many as the page of a template asks for at once."""


class RecentRuns:
    """Reads how templates went lately."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_by_template(self, actor: Actor, cursor: str, limit: int) -> Page[TemplateRuns]:
        """Return the org's templates by name, each with its newest automations.

        Without the templates, and the automations, that the caller may not see.
        """
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> tuple[list[TemplateRow], dict[str, list[RunRow]]]:
            rows = templates.list_by_name(db, actor.org_id, cursor, limit + 1)
            shown = [row for row in rows[:limit] if not is_hidden(db, actor, row.name)]
            most = RUNS_PER_TEMPLATE
            return rows, {row.name: _visible_runs(db, actor, row.name, most) for row in shown}

        rows, runs = self._database.read_long(query, actor.org_id)
        return page_of(
            rows,
            limit,
            lambda row: TemplateRuns(
                template=row.name, runs=[_run(each) for each in runs[row.name]]
            ),
            lambda row: row.name,
            lambda row: row.name not in runs,
        )

    def of_worker(self, actor: Actor, worker: str, cursor: str, limit: int) -> Page[WorkerJob]:
        """Return what a worker, by id or name, was handed, newest first, save what is hidden.

        Of a shared one that is what it was handed for the caller's org. Raises NotFound.
        """
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> Page[WorkerJob]:
            found = workers.find(db, actor.org_id, worker)
            if found is None and actor.may(Action.SERVER_MANAGE):
                found = workers.find(db, None, worker)
            if found is None:
                raise NotFound(f"there is no worker {worker}")
            return page_of(
                recent_runs.list_on_worker(db, actor.org_id, found.id, cursor, limit + 1),
                limit,
                _job,
                lambda row: row.job_id,
                partial(is_automation_hidden, db, actor),
            )

        return self._database.read(query)

    def of_template(
        self, actor: Actor, name: str, before: str = "", since: str = ""
    ) -> TemplateRuns:
        """Return a template's newest automations, as far as the caller may see them.

        Those with ids below `before` and not below `since`, if any. Raises NotFound for a template
        that the org has not, or that is hidden from the caller.
        """
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> Page[RecentRun]:
            if templates.find(db, actor.org_id, name) is None or is_hidden(db, actor, name):
                raise document_not_found(DocumentKind.TEMPLATE, name)
            limit = RUNS_OF_ONE
            return page_of(
                recent_runs.list_newest(db, actor.org_id, name, limit + 1, before, since),
                limit,
                _run,
                lambda row: row.id,
                partial(is_automation_hidden, db, actor),
            )

        found = self._database.read_long(query, actor.org_id)
        return TemplateRuns(template=name, runs=found.items, next_cursor=found.next_cursor)


def _visible_runs(db: Connection, actor: Actor, template: str, limit: int) -> list[RunRow]:
    rows = recent_runs.list_newest(db, actor.org_id, template, limit)
    return [row for row in rows if not is_automation_hidden(db, actor, row)]


def _job(row: WorkerJobRow) -> WorkerJob:
    return WorkerJob(
        automation_id=row.id,
        template=row.template,
        state=row.state,
        leased_at=row.created_at,
        seconds=seconds_of(row),
    )


def _run(row: RunRow) -> RecentRun:
    return RecentRun(
        id=row.id,
        version=row.version,
        state=row.state,
        created_at=row.created_at,
        seconds=seconds_of(row),
    )


def seconds_of(row: RunRow | WorkerJobRow) -> float | None:
    """Return how long an automation has run, None while it does or if it never did."""
    if row.started_at and row.finished_at:
        return (row.finished_at - row.started_at).total_seconds()
    return None
