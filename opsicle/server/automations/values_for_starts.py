"""The values that an automation hands to what it calls or starts, secret ones among them.

What is secret stays so: it is opened here, goes into the request in memory, and is sealed again
with the automation that this makes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from opsicle.domain.calls import Call
from opsicle.domain.errors import Conflict
from opsicle.domain.manifests import Manifest
from opsicle.domain.passed_values import PassableValues, passed_values
from opsicle.domain.templates import Template, Value
from opsicle.security.master_key import CannotOpen
from opsicle.server.access.stored_values import read_values
from opsicle.server.approvals.bindings import AlteredManifest
from opsicle.server.approvals.record_of_ends import recorded_reports
from opsicle.server.keys.vault import Vault
from opsicle.server.store import jobs, secrets
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.wire.jobs import masked_outputs, outputs_of


class PassingOn(NamedTuple):
    """An automation that starts another one, as it was found to be what was triggered."""

    row: AutomationRow
    template: Template
    manifest: Manifest


def values_for(
    db: Connection, vault: Vault, source: PassingOn, call: Call, target: Template
) -> dict[str, Value | None]:
    """Return the values that an automation passes on to a template that it calls or starts.

    Raises InvalidInput for those that are not passed on, or do not fit, AlteredManifest for
    outputs that are not those that its worker has sent, Conflict for secrets that cannot be had
    any more.
    """
    reports = recorded_reports(db, source.row, jobs.find(db, source.row.job_id or ""))
    values = read_values(source.row.values_json)
    names = secrets_of(call)
    wanted = {each.variable for each in call.values.values()}
    if wanted & source.manifest.secret_variables.keys():
        values |= _own_secrets(db, vault, source)
    known = PassableValues(
        values, outputs_of(reports), masked_outputs(reports), _opened(db, vault, source.row, names)
    )
    return dict(passed_values(call, source.template, target, known))


def secrets_of(call: Call) -> list[str]:
    """Return the secrets of the org that a call passes on, by name."""
    return sorted({each.secret for each in call.values.values() if each.secret})


def note_secrets_of(
    db: Connection, call: Call, org_id: str, automation_id: str, at: datetime
) -> None:
    """Note that an automation was begun with the secrets that a call passes on to it."""
    if names := secrets_of(call):
        secrets.note_use(db, org_id, names, automation_id, at)


def _own_secrets(db: Connection, vault: Vault, source: PassingOn) -> dict[str, Value]:
    """Return the values of its own secret variables; they are sealed for it alone."""
    sealed = secrets.find_values(db, source.row.id)
    if sealed is None:
        raise AlteredManifest("the values of its secret variables are gone")
    try:
        return vault.open_values(sealed).values
    except CannotOpen as error:
        raise Conflict("its secret values cannot be decrypted") from error


def _opened(
    db: Connection, vault: Vault, row: AutomationRow, names: Iterable[str]
) -> dict[str, str]:
    """Return secrets of the org, by name, as they are now."""
    found = {}
    for name in names:
        sealed = secrets.find_sealed(db, row.org_id, name)
        if sealed is None:
            raise Conflict(f"the secret {name} is there no more")
        try:
            found[name] = vault.open_secret(sealed)
        except CannotOpen as error:
            raise Conflict(f"the secret {name} cannot be decrypted") from error
    return found
