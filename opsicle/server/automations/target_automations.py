"""What ran on a target, and checking it.

A check is an automation like any other, of a template that is built in.
"""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.target_checks import CHECK_LABEL, CHECK_TEMPLATE, CHECK_TEMPLATE_NAME
from opsicle.domain.template_parser import digest, parse_template
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.template_access import is_automation_hidden
from opsicle.server.automations.recent_runs import seconds_of
from opsicle.server.automations.service import Automations
from opsicle.server.documents.versions import VersionDraft, push_version
from opsicle.server.http.paging import page_of
from opsicle.server.store import documents, recent_runs
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.recent_runs import RunRow
from opsicle.server.targets.visible import resource_of, visible_target
from opsicle.wire.pages import Page
from opsicle.wire.target_api import TargetRun
from opsicle.wire.user_api import Automation, RunRequest


class TargetAutomations:
    """Shows what ran on targets, and lets a worker that reaches one log in to it.

    What a check runs is the server's own template, which the org gets with its first check, and in
    its newest form: whoever checks need not have the right to push templates, but must be allowed
    to run it, and to run something on the target. Approvals are asked as for any.
    """

    def __init__(self, database: Database, automations: Automations, clock: Clock) -> None:
        self._database = database
        self._automations = automations
        self._clock = clock

    def check(self, actor: Actor, name: str) -> Automation:
        """Trigger a check of one target, and return the automation, whose one target this is.

        Raises NotFound, NotAllowed, Conflict where the org has another template of that name, and
        as `Automations.create`.
        """
        actor.require(Action.TARGETS_USE)

        def work(db: Connection) -> int:
            row = visible_target(db, actor, name)
            actor.require(Action.TARGETS_USE, resource_of(row.name, row.document))
            actor.require(Action.AUTOMATIONS_CREATE)
            return self._push_template(db, actor)

        # By its number, so that what somebody pushes meanwhile is not what runs.
        version = self._database.write(work)
        request = RunRequest(template=CHECK_TEMPLATE_NAME, version=version)
        return self._automations.create(actor, request, only=name)

    def list_newest(self, actor: Actor, name: str, cursor: str, limit: int) -> Page[TargetRun]:
        """Return what ran on a target, newest first, save what is hidden. Raises NotFound."""
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> Page[TargetRun]:
            visible_target(db, actor, name)
            return page_of(
                recent_runs.list_on_target(db, actor.org_id, name, cursor, limit + 1),
                limit,
                _run,
                lambda row: row.id,
                partial(is_automation_hidden, db, actor),
            )

        return self._database.read(query)

    def _push_template(self, db: Connection, actor: Actor) -> int:
        """Make the built-in template the newest version, unless it is; return its number."""
        kind, now = DocumentKind.TEMPLATE, self._clock.now()
        template = parse_template(CHECK_TEMPLATE.encode())
        there = documents.find(db, kind, actor.org_id, CHECK_TEMPLATE_NAME)
        if there is not None:
            label, value = CHECK_LABEL
            if decode_template(there.document).labels.get(label) != value:
                raise Conflict(
                    f"the org has a template {CHECK_TEMPLATE_NAME} of its own, and a check has one",
                    hint="Push yours under another name, and delete that one.",
                )
        draft = VersionDraft.of(
            kind, CHECK_TEMPLATE_NAME, digest(template), CHECK_TEMPLATE, template
        )
        return push_version(db, actor, draft, now, {"is_built_in": True})[0]


def _run(row: RunRow) -> TargetRun:
    return TargetRun(
        id=row.id,
        template=row.template,
        state=row.state,
        created_at=row.created_at,
        seconds=seconds_of(row),
    )
