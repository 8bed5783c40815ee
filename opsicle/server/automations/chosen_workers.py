"""The one worker that somebody chooses for what they run."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.bound_fan_outs import BoundMember
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.templates import Template
from opsicle.domain.waiting_reasons import waiting_reason
from opsicle.domain.workers import fits, requirements
from opsicle.server.access.actor import Actor
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store import workers
from opsicle.server.store.database import Connection


def chosen_worker(
    db: Connection, fleet: Fleet, actor: Actor, template: Template, id_or_name: str
) -> BoundMember | None:
    """Return the worker that alone is to take an automation, None if none was chosen.

    It only narrows what the template asks for. Raises InvalidInput for a template that runs on
    several machines, for a worker that the caller does not see, and for one that does not fit; one
    that is away just now may come back.
    """
    if not id_or_name:
        return None
    if template.fan_out:
        raise _wrong(f"{template.name} runs on each of several machines, so none is chosen")
    row = workers.find(db, actor.org_id, id_or_name) if actor.may(Action.WORKERS_VIEW) else None
    if row is None or row.state == "revoked":
        raise _wrong(f"there is no worker {id_or_name[:80]}")

    asked = requirements(template)
    known = [each for each in fleet.candidates(actor.org_id) if each.worker_id == row.id]
    if known and not any(fits(asked, each) for each in known):
        raise _wrong(f"{row.name} does not fit: {waiting_reason(asked, known)}")
    return BoundMember(name=row.name, worker_id=row.id)


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, problems=(Problem("worker", message),))
