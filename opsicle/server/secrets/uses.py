"""Where a secret is used: which templates and targets name it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound, Unreadable, required
from opsicle.domain.rules import NamedResource
from opsicle.domain.stored_templates import decode_template
from opsicle.server.access.actor import Actor
from opsicle.server.access.template_access import is_hidden
from opsicle.server.secrets.service import wanted_secrets
from opsicle.server.store import documents, recent_runs, secrets, targets
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.secret_api import SecretUses

_PAGE = 200
_NEWEST_RUNS = 20
"""Of each template, among which one is looked for that has begun."""


class SecretUsage:
    """Finds who would miss a secret, in the newest versions of what an org has."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, actor: Actor, name: str) -> SecretUses:
        """Return what names a secret. What the caller may not see is counted, and not named.

        Raises NotFound for a secret that the org has not.
        """
        actor.require(Action.SECRETS_VIEW)
        return self._database.read_long(lambda db: _uses(db, actor, name), actor.org_id)


def _uses(db: Connection, actor: Actor, name: str) -> SecretUses:
    required(secrets.find(db, actor.org_id, name), NotFound(f"there is no secret {name}"))
    uses = SecretUses(templates=[], targets=[])
    for template, is_shown in _templates(db, actor, name):
        _add(uses, uses.templates, template, is_shown=is_shown)
    for target, is_shown in _targets(db, actor, name):
        _add(uses, uses.targets, target, is_shown=is_shown)
    begun = [
        run.started_at
        for template in uses.templates
        for run in recent_runs.list_newest(db, actor.org_id, template, _NEWEST_RUNS)
        if run.started_at is not None
    ]
    uses.last_run_at = max(begun, default=None)
    return uses


def _add(uses: SecretUses, names: list[str], name: str, *, is_shown: bool) -> None:
    if is_shown:
        names.append(name)
    else:
        uses.hidden += 1


def _templates(db: Connection, actor: Actor, secret: str) -> Iterator[tuple[str, bool]]:
    """Yield the templates that name a secret, and whether the actor may see each."""
    after = ""
    while rows := documents.list_by_name(db, DocumentKind.TEMPLATE, actor.org_id, after, _PAGE):
        after = rows[-1].name
        for row in rows:
            with suppress(Unreadable):
                template = decode_template(row.document)
                if any(name == secret for _, name in wanted_secrets(template)):
                    yield row.name, not is_hidden(db, actor, row.name, template.labels)


def _targets(db: Connection, actor: Actor, secret: str) -> Iterator[tuple[str, bool]]:
    """Yield the targets whose private key a secret is, and whether the actor may see each."""
    for row in targets.list_newest(db, actor.org_id):
        with suppress(Unreadable):
            target = stored_json.read(row.document, _TargetSecret, f"the target {row.name}")
            if target.secret == secret:
                resource = NamedResource(row.name, target.labels)
                yield row.name, actor.may(Action.TARGETS_VIEW, resource)


class _TargetSecret(msgspec.Struct):
    secret: str = ""
    labels: dict[str, str] = {}
