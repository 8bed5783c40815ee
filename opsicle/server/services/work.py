"""Turning an automation's row into what a worker is handed."""

from __future__ import annotations

import msgspec

from opsicle.domain.templates import Template, Value
from opsicle.domain.variables import environment
from opsicle.server.services.leases import Lease
from opsicle.server.store import templates
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.wire.jobs import Work

CACHED_VERSIONS = 200


def template_of(db: Connection, template_id: str, version: int) -> Template:
    """The template that an automation runs, even if its name has been given to another one since."""
    return msgspec.json.decode(templates.get_document(db, template_id, version), type=Template)


class WorkOrders:
    """Makes `Work`; remembers template versions, which never change."""

    def __init__(self) -> None:
        self._templates: dict[tuple[str, int], Template] = {}

    def make(self, db: Connection, row: AutomationRow, lease: Lease) -> Work:
        """All that the worker needs to carry out this automation under this lease."""
        template = self._template(db, row.template_id, row.version)
        values = msgspec.json.decode(row.values_json, type=dict[str, Value])
        return Work(
            automation_id=row.id,
            job_id=lease.job_id,
            fence=lease.fence,
            template=row.template,
            requester=row.requester_email,
            phases=template.phases,
            variables=environment(template.variables, values),
            volume_mounts=template.volume_mounts,
            timeout=template.timeout,
        )

    def _template(self, db: Connection, template_id: str, version: int) -> Template:
        key = (template_id, version)
        if key not in self._templates:
            if len(self._templates) >= CACHED_VERSIONS:
                self._templates.clear()
            self._templates[key] = template_of(db, template_id, version)
        return self._templates[key]
