"""Turning an automation's row into what a worker is handed."""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec

from opsicle.domain.errors import NotFound
from opsicle.domain.manifests import canonical, digest
from opsicle.domain.secrets import named_secrets
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template, Value, VariableType
from opsicle.domain.variables import environment
from opsicle.domain.workers import requirements
from opsicle.pki.master_key import CannotOpen
from opsicle.server.services.clearance import objection
from opsicle.server.services.leases import Lease
from opsicle.server.services.manifests import build
from opsicle.server.services.orders import Orders
from opsicle.server.services.vault import HiddenValues, Vault
from opsicle.server.store import secrets as stored_secrets
from opsicle.server.store import templates
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.wire.jobs import Work

log = logging.getLogger(__name__)

CACHED_VERSIONS = 200


class Altered(Exception):
    """What is stored of an automation is not what was triggered; the message says so. Never leaves the services."""


class Checked(NamedTuple):
    """What an automation that may be leased will run."""

    template: Template
    manifest: bytes


class WorkOrders:
    """Makes `Work`; remembers template versions, which never change."""

    def __init__(self, vault: Vault, orders: Orders) -> None:
        self._vault = vault
        self._orders = orders
        self._templates: dict[tuple[str, int], tuple[str, Template]] = {}

    def check(self, db: Connection, row: AutomationRow) -> Checked:
        """Compare what is stored with what was triggered and approved. Raises Altered, whatever is wrong with it."""
        if not row.manifest_digest:
            raise Altered("it was triggered by a version of Opsicle that did not bind it to its content; run it again")
        try:
            template = self._template(db, row.template_id, row.version)
            asked = msgspec.json.encode(requirements(template), order="sorted").decode()
            manifest = canonical(build(db, row, template))
        except (NotFound, ValueError, msgspec.MsgspecError, RecursionError) as error:
            log.error("a stored automation cannot be read", extra={"automation": row.id, "reason": str(error)})  # noqa: TRY400
            raise Altered("what is stored of it cannot be read any more") from error
        if digest(manifest) != row.manifest_digest or asked != row.requirements:
            raise Altered("what is stored of it was altered after it was triggered")
        if reason := objection(db, row, template):
            raise Altered(reason)
        return Checked(template, manifest)

    def make(self, db: Connection, row: AutomationRow, lease: Lease, checked: Checked) -> Work:
        """All that the worker needs to carry out this automation under this lease, with the order to do so."""
        template = checked.template
        order, signature = self._orders.sign(db, row, lease, checked.manifest)
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
            secret_variables=environment(template.variables, hidden.values),
            secrets=secrets,
            withheld=withheld,
            volume_mounts=template.volume_mounts,
            timeout=template.timeout,
            manifest=checked.manifest,
            order=order,
            signature=signature,
            secret_salt=hidden.salt,
        )

    def _secrets(
        self, db: Connection, row: AutomationRow, template: Template
    ) -> tuple[HiddenValues, dict[str, str], str]:
        """The secret variables' values, the secrets by name, and why something of them cannot be had ("": all can).

        Never raises: one damaged row must not keep a worker from its other work.
        """
        secrets: dict[str, str] = {}
        nothing = hidden = HiddenValues(b"", {})
        try:
            for name in named_secrets(template.phases):
                sealed = stored_secrets.find_sealed(db, row.org_id, name)
                if sealed is None:
                    return nothing, {}, f"the secret {name} was deleted before the automation began"
                secrets[name] = self._vault.open_secret(sealed)
            if any(variable.type is VariableType.SECRET for variable in template.variables):
                sealed = stored_secrets.find_values(db, row.id)
                hidden = self._vault.open_values(sealed) if sealed else nothing
        except CannotOpen:
            log.error("a secret cannot be decrypted", extra={"automation": row.id})  # noqa: TRY400 - says nothing more
            return nothing, {}, "the server cannot decrypt a secret that the automation needs"
        return hidden, secrets, ""

    def _template(self, db: Connection, template_id: str, version: int) -> Template:
        """The version as it is stored now; only decoding it is spared the second time."""
        key, document = (template_id, version), templates.get_document(db, template_id, version)
        known = self._templates.get(key)
        if known is None or known[0] != document:
            if len(self._templates) >= CACHED_VERSIONS:
                self._templates.clear()
            known = self._templates[key] = (document, decode_template(document))
        return known[1]
