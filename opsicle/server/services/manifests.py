"""The manifest of an automation: all that it will do, from the database as it is now."""

from __future__ import annotations

import secrets

import msgspec

from opsicle.domain.automations import WorkerLost
from opsicle.domain.manifests import Manifest, canonical, commitment
from opsicle.domain.manifests import digest as digest_of
from opsicle.domain.secrets import named_secrets
from opsicle.domain.template_parser import digest as template_digest
from opsicle.domain.templates import Template, Value
from opsicle.server.store import automations
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection

_SALT_BYTES = 16


def commit(db: Connection, automation_id: str, hidden: dict[str, Value]) -> None:
    """Inside the transaction that triggers it: bind an automation to the values of its secret variables."""
    salt = secrets.token_hex(_SALT_BYTES)
    commitments = {name: commitment(salt, value) for name, value in hidden.items()}
    automations.set_commitments(db, automation_id, salt, msgspec.json.encode(commitments, order="sorted").decode())


def build(db: Connection, row: AutomationRow, template: Template) -> Manifest:
    """Return the manifest of an automation of this template."""
    return Manifest(
        org_id=row.org_id,
        automation_id=row.id,
        template=row.template,
        version=row.version,
        template_digest=template_digest(template),
        phases=template.phases,
        values=msgspec.json.decode(row.values_json, type=dict[str, Value]),
        secret_variables=msgspec.json.decode(automations.get_commitments(db, row.id), type=dict[str, str]),
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
    """SHA-256 in hex of the canonical manifest: what people agree to."""
    return digest_of(canonical(build(db, row, template)))
