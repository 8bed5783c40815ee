"""Drafts: templates as somebody writes them, kept to be tried and never pushed.

A draft is a version 0 under an id of its own, out of use from the beginning: no list, no schedule
and no call finds it by its name. Automations name their version by that id, so that one which tried
a draft is shown, signed and approved as any.
"""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound, required
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import DRAFT, Template
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access.actor import Actor
from opsicle.server.access.start_rights import require_pushed_in_scope
from opsicle.server.access.template_access import require_on
from opsicle.server.access.template_versions import asks_for_code
from opsicle.server.documents.reading import DocumentReading
from opsicle.server.documents.record_of_pushes import require_as_drafted
from opsicle.server.identity.step_up import StepUp
from opsicle.server.policies.in_force import readable_defaults
from opsicle.server.store import audit, documents, templates
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, NewVersionRow, VersionRow
from opsicle.server.templates.approvals import ApprovalChange, change_of
from opsicle.server.templates.reading import TemplateDocument, read_template
from opsicle.server.templates.references import reference_warnings
from opsicle.server.templates.views import whole_version
from opsicle.wire.document_api import TemplateDraft
from opsicle.wire.template_api import TemplateVersion


class Drafts:
    """What people try before they push it. It takes all that pushing it would."""

    def __init__(self, database: Database, step_up: StepUp, clock: Clock) -> None:
        self._database = database
        self._step_up = step_up
        self._reading = DocumentReading(clock)
        self._clock = clock

    def keep(self, actor: Actor, source: str) -> TemplateDraft:
        """Keep a document as a draft. Raises as pushing it would."""
        actor.require(Action.TEMPLATES_PUSH)
        document = self._reading.read(actor.org_id, read_template, source)
        template = document.template
        change = self._database.read(lambda db: _require_may_push(db, actor, template))
        change.require(actor, self._step_up, template.name)

        def work(db: Connection) -> TemplateDraft:
            if _require_may_push(db, actor, template) != change:
                raise document.draft.conflict()
            unknown = reference_warnings(db, actor, template)
            draft_id = self._insert(db, actor, document, change)
            return TemplateDraft(
                id=draft_id,
                name=template.name,
                digest=document.draft.digest,
                warnings=[*document.warnings, *unknown],
            )

        return self._database.write(work)

    def _insert(
        self, db: Connection, actor: Actor, document: TemplateDocument, change: ApprovalChange
    ) -> str:
        now, draft = self._clock.now(), document.draft
        draft_id = new_id(now)
        templates.insert_draft(db, actor.org_id, draft_id, draft.name, now)
        version = NewVersionRow(
            draft_id, DRAFT, draft.digest, draft.source, draft.document, actor.user_id, now
        )
        documents.insert_version(db, DocumentKind.TEMPLATE, actor.org_id, version)
        data = {"draft": draft_id, "digest": draft.digest, **change.recorded}
        audit.append(db, now, actor.org_id, actor, "draft", f"templates/{draft.name}", data)
        return draft_id

    def get(self, actor: Actor, draft_id: str) -> TemplateVersion:
        """Return a draft whole. Raises NotFound, also to those who may not push it."""
        actor.require(Action.TEMPLATES_PUSH)

        def query(db: Connection) -> TemplateVersion:
            row, template = runnable_draft(db, actor, draft_id)
            needs_mfa = asks_for_code(db, actor.org_id, row, template)
            known = readable_defaults(db, actor.org_id)
            return whole_version(row, template, known, needs_mfa=needs_mfa)

        return self._database.read(query)


def runnable_draft(db: Connection, actor: Actor, draft_id: str) -> tuple[VersionRow, Template]:
    """Return a draft that the actor may push as things are now.

    Raises NotFound; NotAllowed; Unreadable, or Conflict, for one that is not what was drafted.
    """
    row = required(
        templates.find_draft(db, actor.org_id, draft_id),
        NotFound(f"there is no draft {draft_id}", hint="Try the template again in the editor."),
    )
    template = decode_template(row.document)
    require_as_drafted(db, actor.org_id, row)
    change = _require_may_push(db, actor, template)
    change.require_right(actor, template.name)
    return row, template


def _require_may_push(db: Connection, actor: Actor, template: Template) -> ApprovalChange:
    """Return what pushing it would make of its approval.

    Raises NotFound and NotAllowed unless the actor may push it but for that.
    """
    actor.require(Action.TEMPLATES_PUSH)
    require_on(db, actor, Action.TEMPLATES_PUSH, template.name, template.labels)
    require_pushed_in_scope(db, actor, template)
    return change_of(db, actor.org_id, template.name, template)
