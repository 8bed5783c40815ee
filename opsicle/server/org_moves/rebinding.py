"""Binding what an org has triggered and decided under another server's key.

The codes of the old server's key mean nothing elsewhere. They are looked at once more where that
key is, and made anew for what they fit; what was altered is known as altered wherever it goes.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from opsicle.domain.errors import NotFound
from opsicle.domain.pauses import ApprovalKind
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.store import approvals, automations, org_copies
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


def rebind(db: Connection, org_id: str, old: Bindings, new: Bindings) -> None:
    """Give everything in a draft that is as it was bound under one key its code under another."""
    after = ""
    while ids := org_copies.list_automations(db, after):
        for automation_id in ids:
            row = automations.get(db, org_id, automation_id)
            _rebind_automation(db, row, old, new)
            for approval_id in org_copies.list_approvals(db, automation_id):
                _rebind_approval(db, approvals.get(db, org_id, approval_id), old, new)
        after = ids[-1]


def _rebind_automation(db: Connection, row: AutomationRow, old: Bindings, new: Bindings) -> None:
    approval = approvals.find_of_automation(db, row.id)
    with suppress(AlteredManifest, NotFound, ValueError, msgspec.MsgspecError, RecursionError):
        template = template_of(db, row.template_id, row.version)
        old.check(db, row, template, approval)
        org_copies.put_code(db, "automations", row.id, new.code_of(db, row, template, approval))


def _rebind_approval(db: Connection, row: ApprovalRow, old: Bindings, new: Bindings) -> None:
    """Bind an approval, if it is a pause, and the decisions on it, whose codes cover its own."""
    bound = row
    if row.kind is not ApprovalKind.RUN and old.is_pause_signed(row):
        bound = new.sign_pause(row)
        org_copies.put_code(db, "approvals", row.id, bound.mac)
    for decision in approvals.list_decisions(db, row.id):
        if old.is_signed(row, decision):
            code = new.sign(bound, decision).mac
            org_copies.put_code_of_decision(db, row.id, decision.gate, decision.user_id, code)
