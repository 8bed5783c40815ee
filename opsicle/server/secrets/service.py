"""An org's secrets: made, changed and removed by admins, and never shown to anybody again."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.call_paths import started_calls
from opsicle.domain.errors import Conflict, NotFound, Problem, required
from opsicle.domain.rules import NamedResource
from opsicle.domain.secrets import (
    SECRET_NAME,
    SECRET_NAME_RULE,
    secret_environment_name,
    wrong_value,
)
from opsicle.domain.templates import Template
from opsicle.kit.clock import Clock
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.template_access import is_automation_hidden
from opsicle.server.http.paging import page_of
from opsicle.server.identity.step_up import StepUp
from opsicle.server.keys.vault import Vault
from opsicle.server.store import audit, automations, secrets
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.secrets import SecretRow
from opsicle.wire.pages import Page
from opsicle.wire.secret_api import CreateSecretRequest, Secret, SecretUse, UpdateSecretRequest
from opsicle.wire.user_api import Person

MAX_DESCRIPTION_CHARACTERS = 500


class Secrets:
    """The secrets of an org. Nothing here gives a value back; workers get them with their work.

    A change asks for a fresh code of those who have an authenticator app.
    """

    def __init__(self, database: Database, vault: Vault, step_up: StepUp, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._step_up = step_up
        self._clock = clock

    def create(self, actor: Actor, request: CreateSecretRequest) -> Secret:
        """Keep a new secret.

        Raises InvalidInput for a name or value that cannot be, Conflict if the name is taken.
        """
        self._step_up.require(actor, Action.SECRETS_MANAGE)
        if not SECRET_NAME.fullmatch(request.name):
            raise validators.invalid("name", f"the name must be {SECRET_NAME_RULE}")

        _check_value(request.value)
        now = self._clock.now()
        row = SecretRow(
            name=request.name,
            version=1,
            description=_checked_description(request.description),
            created_at=now,
            updated_at=now,
            updater_id=actor.user_id,
            updater_email=actor.email,
            updater_name=actor.name,
        )
        sealed = self._vault.seal_secret(actor.org_id, row.name, row.version, request.value)

        def work(db: Connection) -> None:
            if not secrets.insert(db, actor.org_id, row, sealed):
                raise Conflict(
                    f"there is a secret {row.name} already",
                    hint="Give it a new value with `opsicle secrets update`.",
                )
            audit.append(
                db, now, actor.org_id, actor, "create", f"secrets/{row.name}", {"version": 1}
            )

        self._database.write(work)
        return _shown(row, None)

    def update(self, actor: Actor, name: str, request: UpdateSecretRequest) -> Secret:
        """Give a secret its next value; the one before is gone.

        What already runs keeps what it was handed.

        A token that names this secret among its scopes, made with a fresh code, needs no other.
        Raises NotFound, InvalidInput for a value that cannot be, Conflict if someone else was
        first, StepUpRequired.
        """
        actor.require(Action.SECRETS_UPDATE, NamedResource(name))
        if name not in actor.rotates:
            self._step_up.require(actor)

        old = self._database.read(lambda db: _get(db, actor.org_id, name))
        _check_value(request.value)
        new = msgspec.structs.replace(
            old,
            version=old.version + 1,
            description=old.description
            if isinstance(request.description, msgspec.UnsetType)
            else _checked_description(request.description),
            updated_at=self._clock.now(),
            updater_id=actor.user_id,
            updater_email=actor.email,
            updater_name=actor.name,
        )

        sealed = self._vault.seal_secret(actor.org_id, name, new.version, request.value)

        def work(db: Connection) -> None:
            if not secrets.replace(db, new, sealed):
                raise Conflict(
                    f"the secret {name} changed meanwhile", hint="Look at it, and try again."
                )
            data = {"version": new.version}
            audit.append(db, new.updated_at, actor.org_id, actor, "update", f"secrets/{name}", data)

        self._database.write(work)
        return self._database.read(lambda db: _shown(new, _last_use(db, actor, new)))

    def delete(self, actor: Actor, name: str) -> None:
        """Remove a secret; automations that wait and need it will fail, saying so.

        Raises NotFound.
        """
        self._step_up.require(actor, Action.SECRETS_MANAGE)

        def work(db: Connection) -> None:
            if not secrets.delete(db, actor.org_id, name):
                raise _not_found(name)
            audit.append(db, self._clock.now(), actor.org_id, actor, "delete", f"secrets/{name}")

        self._database.write(work)

    def list_secrets(self, actor: Actor, cursor: str, limit: int) -> Page[Secret]:
        """Return the org's secrets by name, without their values."""
        actor.require(Action.SECRETS_VIEW)

        def query(db: Connection) -> Page[Secret]:
            rows = secrets.list_by_name(db, actor.org_id, cursor, limit + 1)
            return page_of(
                rows,
                limit,
                lambda row: _shown(row, _last_use(db, actor, row)),
                lambda row: row.name,
            )

        return self._database.read(query)

    def get(self, actor: Actor, name: str) -> Secret:
        """Return one secret without its value. Raises NotFound."""
        actor.require(Action.SECRETS_VIEW)

        def query(db: Connection) -> Secret:
            row = _get(db, actor.org_id, name)
            return _shown(row, _last_use(db, actor, row))

        return self._database.read(query)


def require_secrets(db: Connection, org_id: str, template: Template) -> None:
    """Raise Conflict that names every secret that the template wants and the org lacks.

    For its phases, and to be passed on to what it starts.
    """
    wanted = list(wanted_secrets(template))
    if not wanted:
        return
    known = secrets.list_names(db, org_id)
    problems = [
        Problem(path, f"there is no secret {name}") for path, name in wanted if name not in known
    ]

    if problems:
        missing = sorted({problem.message.rpartition(" ")[2] for problem in problems})
        raise Conflict(
            f"template {template.name} needs secrets that the org does not have: "
            f"{', '.join(missing)}",
            hint="An admin makes them with `opsicle secrets create`.",
            problems=tuple(problems),
        )


def wanted_secrets(template: Template) -> Iterator[tuple[str, str]]:
    """Yield the place and the name of every secret that a template names."""
    for path, phases in (("spec.plan", template.plan), ("spec.template.phases", template.phases)):
        for i, phase in enumerate(phases):
            for name in phase.secrets:
                yield f"{path}[{i}].secrets", name
    for path, call in started_calls(template):
        for variable, source in call.values.items():
            if source.secret:
                yield f"{path}.values.{variable}", source.secret


def _get(db: Connection, org_id: str, name: str) -> SecretRow:
    return required(secrets.find(db, org_id, name), _not_found(name))


def _not_found(name: str) -> NotFound:
    return NotFound(f"there is no secret {name}", hint="`opsicle secrets list` shows them.")


def _check_value(value: str) -> None:
    if problem := wrong_value(value):
        raise validators.invalid("value", problem)


def _checked_description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION_CHARACTERS:
        raise validators.invalid(
            "description", f"the description has more than {MAX_DESCRIPTION_CHARACTERS} characters"
        )
    return text.strip()


def _last_use(db: Connection, actor: Actor, row: SecretRow) -> SecretUse | None:
    """Return when a secret was used last, and by what if the caller may see that."""
    if row.used_at is None:
        return None
    if not row.used_by or not actor.may(Action.AUTOMATIONS_VIEW) or _is_hidden(db, actor, row):
        return SecretUse(at=row.used_at)
    return SecretUse(at=row.used_at, automation=row.used_by, template=row.used_in)


def _is_hidden(db: Connection, actor: Actor, row: SecretRow) -> bool:
    if not actor.rights.depends_on_resource(Action.TEMPLATES_VIEW):
        return False
    automation = automations.find(db, actor.org_id, row.used_by or "")
    return automation is None or is_automation_hidden(db, actor, automation)


def _shown(row: SecretRow, last_use: SecretUse | None) -> Secret:
    return Secret(
        name=row.name,
        version=row.version,
        description=row.description,
        environment_variable=secret_environment_name(row.name),
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=Person(row.updater_id, row.updater_email, row.updater_name),
        rotated_at=row.updated_at if row.version > 1 else None,
        last_use=last_use,
    )
