"""Which starts follow an automation's end, and what each of them is handed."""

from __future__ import annotations

from typing import NamedTuple

from opsicle.domain.calls import MAX_DEPTH, Call, ChainEvent
from opsicle.domain.errors import Conflict
from opsicle.domain.passed_values import passed_values
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template, Value
from opsicle.server.access.document_lookup import get_document
from opsicle.server.access.stored_values import read_values
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.passed_pauses import require_pauses_passed
from opsicle.server.approvals.record_of_ends import recorded_reports, require_ended
from opsicle.server.automations.starters import refuse_secret_values
from opsicle.server.store import approvals, automations, chains, jobs
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.chains import ChainStartRow
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.jobs import masked_outputs, outputs_of
from opsicle.wire.user_api import RunRequest


class DueStart(NamedTuple):
    """A start whose time has come: after which automation, and what is asked for."""

    parent: AutomationRow
    request: RunRequest


def insert_chain(db: Connection, row: AutomationRow, template: Template) -> None:
    """Write down what a new automation is to start once it has ended, as part of a transaction.

    A part of another one starts nothing: that one does.
    """
    if row.member_of:
        return
    for position, (event, call) in enumerate(_chained(template)):
        chains.insert(db, ChainStartRow(row.id, position, row.org_id, event, call.template))


def due_start(db: Connection, bindings: Bindings, row: ChainStartRow) -> DueStart:
    """Return what is to be started, by what is stored and by the record.

    Raises AlteredManifest where what is stored is not what was triggered, the record says otherwise
    of the end, or it succeeded past a pause at which nobody let it go on; NotFound for a template
    that is not there; InvalidInput for values that are not passed on; Conflict where it would be
    too deep.
    """
    parent = automations.get(db, row.org_id, row.parent_id)
    template = template_of(db, parent.template_id, parent.version)
    approval = approvals.find_of_automation(db, parent.id)
    manifest = bindings.check(db, parent, template, approval).manifest
    require_ended(db, parent)
    if row.event is ChainEvent.SUCCESS:
        require_pauses_passed(db, bindings, parent, template, manifest)
    if parent.depth >= MAX_DEPTH:
        raise Conflict(
            f"it would be {parent.depth + 1} starts below the first one, "
            f"and at most {MAX_DEPTH} are allowed"
        )

    call = _call_of(template, row)
    document = get_document(db, DocumentKind.TEMPLATE, row.org_id, call.template).document
    target = decode_template(document)
    request = RunRequest(template=call.template, values=values_for(db, parent, call, target))
    return DueStart(parent, request)


def values_for(
    db: Connection, row: AutomationRow, call: Call, target: Template
) -> dict[str, Value | None]:
    """Return the values that an automation passes on to what it calls or starts.

    Raises InvalidInput for those that are not passed on, or do not fit, AlteredManifest for
    outputs that are not those that its worker has sent.
    """
    reports = recorded_reports(db, row, jobs.find(db, row.job_id or ""))
    values = read_values(row.values_json)
    masked = masked_outputs(reports)
    passed = passed_values(call, target.variables, values, outputs_of(reports), masked)
    refuse_secret_values(target, RunRequest(template=target.name, values=dict(passed)))
    return dict(passed)


def _call_of(template: Template, row: ChainStartRow) -> Call:
    for position, (event, call) in enumerate(_chained(template)):
        if (position, event, call.template) == (row.position, row.event, row.template):
            return call
    raise AlteredManifest("what is stored of its chain is not what its template says")


def _chained(template: Template) -> list[tuple[ChainEvent, Call]]:
    """Return all that a template starts; the place of each is what it is known by."""
    return [
        *((ChainEvent.SUCCESS, call) for call in template.on_success),
        *((ChainEvent.FAILURE, call) for call in template.on_failure),
    ]
