"""Which starts follow an automation's end, and what each of them is handed."""

from __future__ import annotations

from typing import NamedTuple

from opsicle.domain.calls import MAX_DEPTH, Call, ChainEvent
from opsicle.domain.errors import Conflict
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template
from opsicle.server.access.document_lookup import get_document
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.passed_calls import require_passed
from opsicle.server.approvals.record_of_ends import require_ended
from opsicle.server.automations.values_for_starts import PassingOn, values_for
from opsicle.server.keys.vault import Vault
from opsicle.server.store import approvals, automations, chains
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.chains import ChainStartRow
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.user_api import RunRequest


class DueStart(NamedTuple):
    """A start whose time has come: after which automation, and what is asked for."""

    parent: AutomationRow
    call: Call
    request: RunRequest


def insert_chain(db: Connection, row: AutomationRow, template: Template) -> None:
    """Write down what a new automation is to start once it has ended, as part of a transaction.

    A part of another one starts nothing: that one does.
    """
    if row.member_of:
        return
    for position, (event, call) in enumerate(_chained(template)):
        chains.insert(db, ChainStartRow(row.id, position, row.org_id, event, call.template))


def due_start(db: Connection, bindings: Bindings, vault: Vault, row: ChainStartRow) -> DueStart:
    """Return what is to be started, by what is stored and by the record.

    It names the version for which the values were found to be good: in another one, pushed just
    now, a secret one might be for everybody to read.

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
        require_passed(db, bindings, parent, template, manifest.first_phase)
    if parent.depth >= MAX_DEPTH:
        raise Conflict(
            f"it would be {parent.depth + 1} starts below the first one, "
            f"and at most {MAX_DEPTH} are allowed"
        )

    call = _call_of(template, row)
    version = get_document(db, DocumentKind.TEMPLATE, row.org_id, call.template)
    target = decode_template(version.document)
    values = values_for(db, vault, PassingOn(parent, template, manifest), call, target)
    request = RunRequest(template=call.template, version=version.version, values=values)
    return DueStart(parent, call, request)


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
