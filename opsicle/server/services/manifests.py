"""What an automation will do, as the database has it: made when it is triggered, and again before every lease."""

from __future__ import annotations

import msgspec

from opsicle.domain.automations import WorkerLost
from opsicle.domain.manifests import Manifest, canonical
from opsicle.domain.manifests import digest as digest_of
from opsicle.domain.secrets import named_secrets
from opsicle.domain.template_parser import digest as template_digest
from opsicle.domain.templates import Template, Value, VariableType
from opsicle.server.store import secrets
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


def build(db: Connection, row: AutomationRow, template: Template) -> Manifest:
    """The manifest of a stored automation and the template version that it runs.

    Raises ValueError or msgspec's errors for a row that no trigger could have written.
    """
    hidden = {variable.id for variable in template.variables if variable.type is VariableType.SECRET}
    values = msgspec.json.decode(row.values_json, type=dict[str, Value])
    commitments = secrets.find_commitments(db, row.id) if hidden else None
    return Manifest(
        org_id=row.org_id,
        automation_id=row.id,
        template=row.template,
        version=row.version,
        template_digest=template_digest(template),
        phases=template.phases,
        values={name: value for name, value in values.items() if name not in hidden},
        secret_variables=msgspec.json.decode(commitments or "{}", type=dict[str, str]),
        secrets=tuple(named_secrets(template.phases)),
        volume_mounts=template.volume_mounts,
        runs_on=template.runs_on,
        timeout=template.timeout,
        on_worker_lost=WorkerLost(row.on_worker_lost),
        requester_id=row.requester_id,
        requester=row.requester_email,
        reason=row.reason,
    )


def manifest_digest(db: Connection, row: AutomationRow, template: Template) -> str:
    """SHA-256 in hex of the canonical manifest: what people agree to, and what an automation is bound to."""
    return digest_of(canonical(build(db, row, template)))
