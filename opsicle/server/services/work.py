"""Turning an automation's row into what a worker is handed."""

from __future__ import annotations

import logging

import msgspec

from opsicle.domain.secrets import named_secrets
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template, Value, VariableType
from opsicle.domain.variables import environment
from opsicle.pki.master_key import CannotOpen
from opsicle.server.services.leases import Lease
from opsicle.server.services.vault import Vault
from opsicle.server.store import secrets as stored_secrets
from opsicle.server.store import templates
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.wire.jobs import Work

log = logging.getLogger(__name__)

CACHED_VERSIONS = 200


def template_of(db: Connection, template_id: str, version: int) -> Template:
    """The template that an automation runs, even if its name has been given to another one since."""
    return decode_template(templates.get_document(db, template_id, version))


class WorkOrders:
    """Makes `Work`; remembers template versions, which never change."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._templates: dict[tuple[str, int], Template] = {}

    def make(self, db: Connection, row: AutomationRow, lease: Lease) -> Work:
        """All that the worker needs to carry out this automation under this lease."""
        template = self.template(db, row)
        values = msgspec.json.decode(row.values_json, type=dict[str, Value])
        hidden, secrets, withheld = self._secrets(db, row, template)
        return Work(
            automation_id=row.id,
            job_id=lease.job_id,
            fence=lease.fence,
            template=row.template,
            requester=row.requester_email,
            phases=template.phases,
            variables=environment([v for v in template.variables if v.type is not VariableType.SECRET], values),
            secret_variables=environment(template.variables, hidden),
            secrets=secrets,
            withheld=withheld,
            volume_mounts=template.volume_mounts,
            timeout=template.timeout,
        )

    def _secrets(
        self, db: Connection, row: AutomationRow, template: Template
    ) -> tuple[dict[str, Value], dict[str, str], str]:
        """The secret variables' values, the secrets by name, and why something of them cannot be had ("": all can).

        Never raises: one damaged row must not keep a worker from its other work.
        """
        secrets: dict[str, str] = {}
        hidden: dict[str, Value] = {}
        try:
            for name in named_secrets(template.phases):
                sealed = stored_secrets.find_sealed(db, row.org_id, name)
                if sealed is None:
                    return {}, {}, f"the secret {name} was deleted before the automation began"
                secrets[name] = self._vault.open_secret(sealed)
            if any(variable.type is VariableType.SECRET for variable in template.variables):
                sealed = stored_secrets.find_values(db, row.id)
                hidden = self._vault.open_values(sealed) if sealed else {}
        except CannotOpen:
            log.error("a secret cannot be decrypted", extra={"automation": row.id})  # noqa: TRY400 - says nothing more
            return {}, {}, "the server cannot decrypt a secret that the automation needs"
        return hidden, secrets, ""

    def template(self, db: Connection, row: AutomationRow) -> Template:
        """The template of an automation."""
        key = (row.template_id, row.version)
        if key not in self._templates:
            if len(self._templates) >= CACHED_VERSIONS:
                self._templates.clear()
            self._templates[key] = template_of(db, *key)
        return self._templates[key]
