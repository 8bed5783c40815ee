"""Whether the part of an automation on one machine is that, and has ended as its row says."""

from __future__ import annotations

from typing import NamedTuple

from opsicle.domain.manifests import Manifest
from opsicle.domain.templates import Template
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.record_of_ends import require_ended
from opsicle.server.store import automations
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.fan_outs import FanOutMemberRow


class EndedPart(NamedTuple):
    """The automation of one machine, and what it was bound to."""

    row: AutomationRow
    template: Template
    manifest: Manifest


def ended_part(db: Connection, bindings: Bindings, member: FanOutMemberRow) -> EndedPart:
    """Return the automation that was made for a machine, and has ended by the record too.

    Raises AlteredManifest where it is none, or another one's.
    """
    if member.automation_id is None:
        raise AlteredManifest(f"nothing has run on {member.name}")
    row = automations.get(db, member.org_id, member.automation_id)
    template = template_of(db, row.template_id, row.version)
    manifest = bindings.check(db, row, template, None).manifest
    require_ended(db, row)

    of = manifest.member_of
    meant = (member.parent_id, member.position, member.name)
    if of is None or (of.automation_id, of.position, of.member.name) != meant:
        raise AlteredManifest(f"{row.id} is no part of it on {member.name}")
    return EndedPart(row, template, manifest)
