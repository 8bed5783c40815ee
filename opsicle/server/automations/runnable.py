"""Which version of a template is run."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import DRAFT, Template
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import get_document
from opsicle.server.access.template_access import require_on
from opsicle.server.access.template_versions import asks_for_code
from opsicle.server.documents.record_of_pushes import require_as_pushed
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.templates.drafts import runnable_draft
from opsicle.wire.user_api import RunRequest


def runnable_version(
    db: Connection, actor: Actor, request: RunRequest
) -> tuple[VersionRow, Template, bool]:
    """Return the version that is asked for, its template, and whether that takes a code.

    A draft is run by those who may also push it. Raises NotFound; NotAllowed if the actor may not
    run it; Conflict if it, or the newest one, under whose approval it falls, is not what was
    pushed.
    """
    kind, org_id, name = DocumentKind.TEMPLATE, actor.org_id, request.template
    if request.draft:
        return _draft(db, actor, request)

    version = get_document(db, kind, org_id, name, request.version)
    require_as_pushed(db, kind, org_id, version)
    template = decode_template(version.document)
    require_on(db, actor, Action.AUTOMATIONS_CREATE, template.name, template.labels)
    if version.version != version.latest_version:
        require_as_pushed(db, kind, org_id, get_document(db, kind, org_id, name))
    return version, template, asks_for_code(db, actor.org_id, version, template)


def _draft(db: Connection, actor: Actor, request: RunRequest) -> tuple[VersionRow, Template, bool]:
    draft, template = runnable_draft(db, actor, request.draft)
    if request.version is not None or template.name != request.template:
        raise validators.invalid(
            "draft",
            "names a template, which stands in `template`, and no version",
            hint="Try the template again in the editor.",
        )
    require_on(db, actor, Action.AUTOMATIONS_CREATE, template.name, template.labels)
    if draft.latest_version != DRAFT:
        newest = get_document(db, DocumentKind.TEMPLATE, actor.org_id, template.name)
        require_as_pushed(db, DocumentKind.TEMPLATE, actor.org_id, newest)
    return draft, template, asks_for_code(db, actor.org_id, draft, template)
