"""Templates: pushed as documents, kept as immutable numbered versions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import gevent

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, InvalidInput, Problem, required
from opsicle.domain.policies import Policy
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.template_parser import TEMPLATE_TYPE
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found, get_document
from opsicle.server.access.start_rights import require_pushed_in_scope
from opsicle.server.access.template_access import is_hidden, require_on, resources_of
from opsicle.server.access.template_versions import asks_for_code
from opsicle.server.documents.diffs import unified_diff
from opsicle.server.documents.reading import DocumentReading
from opsicle.server.documents.versions import (
    add_version,
    delete,
    number_in,
    require_newest,
)
from opsicle.server.http.paging import page_of, position
from opsicle.server.identity.step_up import StepUp
from opsicle.server.policies.in_force import readable_defaults
from opsicle.server.policies.template_headers import TemplateApprovalHeader
from opsicle.server.store import documents, templates
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.store.templates import TemplateRow, VersionSummaryRow
from opsicle.server.templates.approvals import ApprovalChange, change_of
from opsicle.server.templates.reading import TemplateDocument, read_template
from opsicle.server.templates.references import reference_warnings
from opsicle.server.templates.views import summary, version_summary, whole_version
from opsicle.server.threads import run_in
from opsicle.wire.document_api import TemplateDiff, Validation
from opsicle.wire.pages import Page
from opsicle.wire.template_api import (
    Pushed,
    TemplateSummary,
    TemplateVersion,
    TemplateVersionSummary,
)

T = TypeVar("T")

_TEMPLATE = DocumentKind.TEMPLATE

MAX_DIFF_LINES = 10_000
"""Of both documents together: comparing so many takes up to a second, and the time grows with their
square."""


class Templates:
    """The runbooks of an org.

    Who must approve a template is not for those to change who merely push templates: it takes the
    right to manage policies, and a fresh code of those who have an authenticator app.
    """

    def __init__(self, database: Database, step_up: StepUp, clock: Clock) -> None:
        self._database = database
        self._step_up = step_up
        self._reading = DocumentReading(clock)
        self._clock = clock

    def validate(self, actor: Actor, source: str) -> Validation:
        """Read a document and keep nothing. Raises InvalidInput with every mistake in it."""
        actor.require(Action.TEMPLATES_VIEW)
        document = self._reading.read(actor.org_id, read_template, source)
        template = document.template
        return Validation(
            name=template.name,
            type=TEMPLATE_TYPE,
            digest=document.draft.digest,
            warnings=document.warnings,
            variables=list(template.variables),
            plan=list(template.plan),
            phases=list(template.phases),
            on_success=list(template.on_success),
            on_failure=list(template.on_failure),
        )

    def push(
        self, actor: Actor, source: str, message: str = "", expected_version: int | None = None
    ) -> Pushed:
        """Make a new version of the template that the document names, or its first.

        If the newest version says the same already, nothing changes and that version is the answer.
        Of two pushes at once each gets a number of its own. Raises InvalidInput with every mistake
        in the document; NotAllowed and StepUpRequired where it changes who must approve;
        VersionConflict unless `expected_version` is the newest, or None.
        """
        actor.require(Action.TEMPLATES_PUSH)
        read = partial(read_template, message=message)
        document = self._reading.read(actor.org_id, read, source)
        name, labels = document.template.name, document.template.labels
        change = self._approval_change(actor, name, document)

        def work(db: Connection) -> tuple[int, bool, list[Problem]]:
            for target in resources_of(db, actor.org_id, name, labels):
                actor.require(Action.TEMPLATES_PUSH, target)
            require_pushed_in_scope(db, actor, document.template)
            unknown = reference_warnings(db, actor, document.template)
            newest = documents.find_newest(db, _TEMPLATE, actor.org_id, name)
            if newest and document.draft.is_same_as(newest):
                return newest.version, False, unknown
            if expected_version is not None:
                require_newest(db, _TEMPLATE, actor.org_id, name, expected_version)
            if change_of(db, actor.org_id, name, document.template) != change:
                raise document.draft.conflict()

            now = self._clock.now()
            return (
                add_version(db, actor, document.draft, newest, now, change.recorded),
                True,
                unknown,
            )

        version, is_new, unknown = self._database.write(work)
        return Pushed(
            name=name,
            version=version,
            digest=document.draft.digest,
            is_new=is_new,
            warnings=[*document.warnings, *unknown],
        )

    def _approval_change(
        self, actor: Actor, name: str, after: TemplateDocument | None
    ) -> ApprovalChange:
        """Return what becomes of the template's approval.

        Raises NotAllowed or StepUpRequired unless the actor may do that.

        Pushing what the newest version says already changes nothing, and so takes nothing.
        """

        def query(db: Connection) -> ApprovalChange:
            newest = documents.find_newest(db, _TEMPLATE, actor.org_id, name)
            if after and after.draft.is_same_as(newest):
                return ApprovalChange(
                    after.template.approval_policy, after.template.approval_policy
                )
            return change_of(db, actor.org_id, name, after.template if after else None)

        change = self._database.read(query)
        change.require(actor, self._step_up, name)
        return change

    def list_templates(self, actor: Actor, cursor: str, limit: int) -> Page[TemplateSummary]:
        """Return the org's templates by name, each in its newest version.

        Without those that the caller may not see.

        A page may hold fewer than `limit` of them, and still not be the last.
        """
        actor.require(Action.TEMPLATES_VIEW)

        def query(db: Connection) -> tuple[list[TemplateRow], list[Policy]]:
            rows = templates.list_by_name(db, actor.org_id, cursor, limit + 1)
            hidden.update(row.name for row in rows if is_hidden(db, actor, row.name))
            return rows, readable_defaults(db, actor.org_id)

        hidden = set[str]()

        rows, known = self._database.read(query)
        return page_of(
            rows,
            limit,
            lambda row: summary(row, known),
            lambda row: row.name,
            lambda row: row.name in hidden,
        )

    def get(self, actor: Actor, name: str, version: int | None = None) -> TemplateVersion:
        """Return one version of a template whole, the newest unless told. Raises NotFound."""
        actor.require(Action.TEMPLATES_VIEW)

        def query(db: Connection) -> TemplateVersion:
            row = _get(db, actor, name, version)
            template = decode_template(row.document)
            known = readable_defaults(db, actor.org_id)
            return whole_version(
                row, template, known, needs_mfa=asks_for_code(db, actor.org_id, row, template)
            )

        return self._database.read(query)

    def get_version(self, actor: Actor, name: str, version: str) -> TemplateVersion:
        """Return the version of this number as a path has it. Raises NotFound."""
        return self.get(actor, name, number_in(_TEMPLATE, name, version))

    def list_versions(
        self, actor: Actor, name: str, cursor: str, limit: int
    ) -> Page[TemplateVersionSummary]:
        """Return a template's versions, newest first.

        Raises NotFound if there is no such template.
        """
        actor.require(Action.TEMPLATES_VIEW)
        before = position(cursor)

        def query(db: Connection) -> list[VersionSummaryRow]:
            newest = documents.find_newest(db, _TEMPLATE, actor.org_id, name)
            if newest is None or is_hidden(db, actor, name):
                raise document_not_found(_TEMPLATE, name)
            return templates.list_versions(db, actor.org_id, name, before, limit + 1)

        return page_of(
            self._database.read(query), limit, version_summary, lambda row: str(row.version)
        )

    def diff(self, actor: Actor, name: str, from_version: int, to_version: int) -> TemplateDiff:
        """Return how the documents of two versions differ.

        Raises NotFound if either is absent, InvalidInput if they are too long to compare.
        """
        actor.require(Action.TEMPLATES_VIEW)

        def query(db: Connection) -> tuple[VersionRow, VersionRow]:
            return _get(db, actor, name, from_version), _get(db, actor, name, to_version)

        old, new = self._database.read(query)
        diff = _in_thread(_diff, old, new)
        return TemplateDiff(name=name, from_version=from_version, to_version=to_version, diff=diff)

    def delete(self, actor: Actor, name: str) -> None:
        """Take a template out of use and free its name; automations of it keep their version.

        Raises NotFound; NotAllowed and StepUpRequired for one that asks for approval, as `push`
        does.
        """
        actor.require(Action.TEMPLATES_DELETE)
        now = self._clock.now()
        self._database.read(lambda db: require_on(db, actor, Action.TEMPLATES_DELETE, name))
        change = self._approval_change(actor, name, None)

        def work(db: Connection) -> None:
            require_on(db, actor, Action.TEMPLATES_DELETE, name)
            if change_of(db, actor.org_id, name, None) != change:
                raise Conflict(
                    f"the template {name} changed meanwhile", hint="Look at it, and try again."
                )
            delete(db, actor, _TEMPLATE, name, now, change.recorded)

        self._database.write(work)


def _get(db: Connection, actor: Actor, name: str, version: int | None) -> VersionRow:
    """Return one version. Raises NotFound, also for one that the actor may not see."""
    row = get_document(db, _TEMPLATE, actor.org_id, name, version)
    if actor.rights.depends_on_resource(Action.TEMPLATES_VIEW):
        header = stored_json.read(row.document, TemplateApprovalHeader, f"the template {name}")
        if is_hidden(db, actor, name, header.labels):
            raise document_not_found(_TEMPLATE, name, version)
    return row


def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Do what can take some 100 ms for the largest documents where it holds up nobody else."""
    return run_in(gevent.get_hub().threadpool, function, *arguments)


def _diff(old: VersionRow, new: VersionRow) -> str:
    old_name, new_name = (f"{row.name} version {row.version}" for row in (old, new))
    return required(
        unified_diff(old.source, new.source, (old_name, new_name), MAX_DIFF_LINES),
        InvalidInput(
            "these versions are too long to be compared here",
            hint="Compare their sources yourself.",
        ),
    )
