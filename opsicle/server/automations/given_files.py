"""The files that an automation is to be given: found among uploads, and kept with it.

Whoever triggers an automation names a file by the id of their own upload. A rerun takes those of
the automation that it names, by their digests; nobody else gets a file by knowing its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from opsicle.domain.bounds import GivenValues
from opsicle.domain.files import MAX_FILES, file_variables, input_files, items_of
from opsicle.domain.problems import Problems
from opsicle.domain.templates import Value, Variable
from opsicle.kit.ids import new_id
from opsicle.server.access.actor import Actor
from opsicle.server.access.stored_values import read_values
from opsicle.server.store import files
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection, Database

UPLOADS_KEPT = timedelta(hours=24)
"""How long an upload may be given to automations."""

_UNKNOWN = (
    "is not the id of a file that you have uploaded within the last "
    f"{UPLOADS_KEPT.total_seconds() / 3600:.0f} hours; upload it, and give the id that comes back"
)


def look_up(
    database: Database,
    actor: Actor,
    variables: Sequence[Variable],
    given: GivenValues,
    source_id: str,
    at: datetime,
) -> GivenValues:
    """Do as `named_by_content`, and ask the database only where a file could be given."""
    if not file_variables(variables):
        return given
    return database.read(lambda db: named_by_content(db, actor, variables, given, source_id, at))


def named_by_content(
    db: Connection,
    actor: Actor,
    variables: Sequence[Variable],
    given: GivenValues,
    source_id: str,
    at: datetime,
) -> dict[str, Value | None]:
    """Return the values that were given, with what is in each file in the place of its id.

    `source_id` is the automation whose files may be taken too, "" if there is none. Raises
    InvalidInput for an id that is not that of an upload of the actor's.
    """
    takes_files = file_variables(variables)
    if not takes_files:
        return dict(given)
    known = files.list_of_automation(db, source_id) if source_id else []
    texts = {row.value.text: row.value.text for row in known}
    values, problems = dict(given), Problems()

    for variable in takes_files:
        value = given.get(variable.id)
        items = items_of(value)
        if len(items) > MAX_FILES:
            problems.add(f"values.{variable.id}", f"an automation takes {MAX_FILES} files at most")
            continue
        found = [texts.get(item) or _uploaded(db, actor, item, at) for item in map(str, items)]
        if not all(found):
            problems.add(f"values.{variable.id}", _UNKNOWN)
        elif found:
            values[variable.id] = [*found] if isinstance(value, list) else found[0]

    problems.raise_if_any("these values")
    return values


def _uploaded(db: Connection, actor: Actor, upload_id: str, at: datetime) -> str:
    """Return what is in an upload of the actor's, "" if there is none."""
    row = files.find_upload(db, actor.org_id, actor.user_id, upload_id, at - UPLOADS_KEPT)
    return row.value.text if row else ""


def keep(
    db: Connection,
    row: AutomationRow,
    variables: Sequence[Variable],
    given: GivenValues,
) -> None:
    """Keep the files of a new automation, as part of its transaction, as long as itself.

    `given` are the values as they were given: the uploads among them count as used.
    """
    given_files = input_files(variables, read_values(row.values_json)) if variables else ()
    if not given_files:
        return
    for file in given_files:
        files.insert(db, row.org_id, row.id, new_id(row.created_at), file)
    ids = {item for each in file_variables(variables) for item in items_of(given.get(each.id))}
    files.note_use(db, map(str, ids), row.created_at)
