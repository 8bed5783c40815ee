"""Which version of which template last succeeded on which target, and how it went there last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from opsicle.domain.access import Action
from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import Unreadable
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.template_access import is_hidden as is_template_hidden
from opsicle.server.access.template_versions import template_of
from opsicle.server.http.paging import page_of
from opsicle.server.store import documents, target_last_runs, templates
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.store.target_last_runs import TargetLastRunRow
from opsicle.server.targets.visible import is_hidden, visible_target
from opsicle.wire.pages import Page
from opsicle.wire.target_api import LastRun, TargetLastRun, TargetLastRuns

IsHidden = Callable[[TargetLastRunRow], bool]


@dataclass(frozen=True)
class WantedLastRuns:
    """What is asked for: of one target, of one template, "" for all.

    `needs_attention`: only what is behind the newest version or did not succeed last, and the
    targets on which there is such.
    """

    target: str = ""
    template: str = ""
    needs_attention: bool = False


class TargetLastRunReader:
    """Reads how templates last went on targets, as far as the caller may see both.

    Parts of automations that run on several targets count, drafts do not. A template that is
    hidden from the caller is left out, also where they have triggered it themselves: its newest
    version would be said beside it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_by_target(
        self, actor: Actor, wanted: WantedLastRuns, cursor: str, limit: int
    ) -> Page[TargetLastRuns]:
        """Return the org's targets by name, each with how the templates last went there.

        Raises NotFound for a target or template, asked for alone, that the caller cannot see.
        """
        actor.require(Action.TARGETS_VIEW)
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> Page[TargetLastRuns]:
            _require_template(db, actor, wanted.template)
            rows = _targets(db, actor, wanted.target, cursor, limit + 1)
            ids = [row.document_id for row in rows[:limit] if not is_hidden(actor, row)]
            last = _last_runs(db, actor, ids, wanted)
            return page_of(
                rows,
                limit,
                lambda row: TargetLastRuns(
                    target=row.name,
                    templates=[_shown(row.name, each) for each in last[row.document_id]],
                ),
                lambda row: row.name,
                lambda row: row.document_id not in last,
            )

        return self._database.read_long(query, actor.org_id)


def _targets(
    db: Connection, actor: Actor, name: str, after: str, limit: int
) -> Sequence[VersionRow]:
    if name:
        return [visible_target(db, actor, name)]
    return documents.list_by_name(db, DocumentKind.TARGET, actor.org_id, after, limit)


def _require_template(db: Connection, actor: Actor, name: str) -> None:
    if name and (
        templates.find(db, actor.org_id, name) is None or is_template_hidden(db, actor, name)
    ):
        raise document_not_found(DocumentKind.TEMPLATE, name)


def _last_runs(
    db: Connection, actor: Actor, target_ids: Sequence[str], wanted: WantedLastRuns
) -> dict[str, list[TargetLastRunRow]]:
    """Return what the actor may see, by the ids of the targets that are to be shown."""
    hides = _hides(db, actor)
    found: dict[str, list[TargetLastRunRow]] = {}
    if not wanted.needs_attention:
        found = {target_id: [] for target_id in target_ids}
    rows = target_last_runs.list_of_targets(db, actor.org_id, target_ids, wanted.template)
    for row in sorted(rows, key=lambda row: row.template):
        if (_needs_attention(row) or not wanted.needs_attention) and not hides(row):
            found.setdefault(row.target_id, []).append(row)
    return found


def _hides(db: Connection, actor: Actor) -> IsHidden:
    """Return what says whether rules hide from the actor one of the versions that a row names."""
    if not actor.rights.depends_on_resource(Action.TEMPLATES_VIEW):
        return lambda _: False

    @cache
    def is_version_hidden(template: str, template_id: str, version: int) -> bool:
        try:
            labels = template_of(db, template_id, version).labels
        except Unreadable:
            return True
        return is_template_hidden(db, actor, template, labels)

    def hides(row: TargetLastRunRow) -> bool:
        versions = {row.version, row.succeeded_version or row.version}
        return any(is_version_hidden(row.template, row.template_id, each) for each in versions)

    return hides


def _is_behind(row: TargetLastRunRow) -> bool:
    return row.succeeded_version is not None and row.succeeded_version < row.latest_version


def _needs_attention(row: TargetLastRunRow) -> bool:
    return _is_behind(row) or row.state is not AutomationState.SUCCEEDED


def _shown(target: str, row: TargetLastRunRow) -> TargetLastRun:
    return TargetLastRun(
        target=target,
        template=row.template,
        latest_version=row.latest_version,
        is_behind=_is_behind(row),
        succeeded=_success(row),
        last_run=LastRun(
            automation_id=row.automation_id,
            version=row.version,
            state=row.state,
            ended_at=row.ended_at,
        ),
    )


def _success(row: TargetLastRunRow) -> LastRun | None:
    if row.succeeded_version is None or row.succeeded_at is None:
        return None
    return LastRun(
        automation_id=row.succeeded_id,
        version=row.succeeded_version,
        state=AutomationState.SUCCEEDED,
        ended_at=row.succeeded_at,
    )
