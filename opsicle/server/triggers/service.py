"""Triggers of an org: what people do with them; what a call does is in `hooks.py`."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotAllowed, Problem
from opsicle.domain.template_parser import parse_trigger
from opsicle.domain.templates import Template
from opsicle.domain.trigger_mapping import check_mapping
from opsicle.domain.triggers import MOST_TRIGGERS, Trigger, digest
from opsicle.kit.clock import Clock
from opsicle.security import webhook_signatures
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found, get_document
from opsicle.server.access.template_access import is_hidden, require_on
from opsicle.server.automations.scope_of_starts import require_newest_in_scope
from opsicle.server.automations.starters import starting_problems
from opsicle.server.documents.reading import DocumentReading
from opsicle.server.documents.versions import VersionDraft, add_version, delete, require_room
from opsicle.server.http.paging import page_of, position
from opsicle.server.identity.step_up import StepUp
from opsicle.server.keys.vault import Vault
from opsicle.server.members.run_as import run_as
from opsicle.server.public_urls import Urls
from opsicle.server.store import audit, documents, trigger_calls, triggers
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.store.triggers import TriggerRow
from opsicle.server.triggers.views import read_trigger, shown, shown_call, whole
from opsicle.wire.endpoints import triggers as endpoints
from opsicle.wire.pages import Page
from opsicle.wire.trigger_api import (
    TriggerCall,
    TriggerPushed,
    TriggerSecret,
    TriggerSummary,
    TriggerVersion,
)
from opsicle.wire.user_api import RunRequest

_TRIGGER = DocumentKind.TRIGGER


class Triggers:
    """Pushes, shows and pauses triggers, and gives them secrets.

    A trigger whose template is hidden from somebody does not exist for them. Whoever knows its
    secret starts automations with another's rights. So only those get one who could push the
    trigger to run as it does, and a push that changes whose rights it has changes the secret:
    otherwise whoever knew the old one could approve what they started in somebody else's name.
    """

    def __init__(
        self, database: Database, vault: Vault, step_up: StepUp, urls: Urls, clock: Clock
    ) -> None:
        self._database = database
        self._vault = vault
        self._step_up = step_up
        self._urls = urls
        self._reading = DocumentReading(clock)
        self._clock = clock

    def push(self, actor: Actor, source: str) -> TriggerPushed:
        """Make a new version of the trigger that the document names, or its first.

        It runs as whoever pushes it, or as a service account that they may use; who pushes what
        another has pushed takes it over, and gets a new secret for it. If the newest version says
        the same already, nothing changes and that version is the answer. Raises InvalidInput with
        every mistake in the document, NotAllowed for a template that the caller may not run,
        Conflict for one trigger too many.
        """
        actor.require(Action.TRIGGERS_MANAGE)
        document = self._reading.read(
            actor.org_id, lambda text: parse_trigger(text.encode()), source
        )
        now = self._clock.now()

        def work(db: Connection) -> TriggerPushed:
            require_on(db, actor, Action.AUTOMATIONS_CREATE, document.template)
            require_newest_in_scope(db, actor, document.template)
            trigger = msgspec.structs.replace(
                document, principal_id=run_as(db, actor, document.run_as)
            )
            warnings = _warnings(db, actor, trigger)
            draft = VersionDraft(
                _TRIGGER,
                trigger.name,
                digest(trigger),
                source,
                msgspec.json.encode(trigger).decode(),
            )

            newest = documents.find_newest(db, _TRIGGER, actor.org_id, trigger.name)
            before = documents.find(db, _TRIGGER, actor.org_id, trigger.name)
            is_new = newest is None or not draft.is_same_as(newest)
            secret = ""
            if is_new:
                if newest is None:
                    require_room(_TRIGGER, triggers.count(db, actor.org_id), MOST_TRIGGERS)
                add_version(db, actor, draft, newest, now, {"template": trigger.template})
                if before is None or read_trigger(before).principal_id != trigger.principal_id:
                    secret = self._give_secret(db, actor, trigger.name, now)

            return TriggerPushed(
                name=trigger.name,
                version=_row_of(db, actor, trigger.name).version,
                digest=draft.digest,
                is_new=is_new,
                url=self._url(actor, trigger.name),
                secret=secret,
                warnings=warnings,
            )

        return self._database.write(work)

    def new_secret(self, actor: Actor, name: str) -> TriggerSecret:
        """Give a trigger a new secret, which is shown now and never again; the old one is gone.

        Raises NotAllowed for somebody who could not push the trigger as it is, StepUpRequired,
        NotFound.
        """
        self._step_up.require(actor, Action.TRIGGERS_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> TriggerSecret:
            trigger = read_trigger(_visible(db, actor, name))
            require_on(db, actor, Action.AUTOMATIONS_CREATE, trigger.template)
            if run_as(db, actor, trigger.run_as) != trigger.principal_id:
                raise NotAllowed(
                    "whoever knows the secret starts things in the name of whoever pushed this",
                    hint="Push its file: it then runs as you, and gets a new secret.",
                )
            secret = self._give_secret(db, actor, name, now)
            return TriggerSecret(name=name, url=self._url(actor, name), secret=secret)

        return self._database.write(work)

    def _give_secret(self, db: Connection, actor: Actor, name: str, now: datetime) -> str:
        row = _row_of(db, actor, name)
        before = triggers.find_sealed(db, row.id)
        version = before.version + 1 if before else 1
        secret = webhook_signatures.new_secret()
        sealed = self._vault.seal_trigger_secret(row.org_id, row.id, version, secret)
        if not triggers.put_secret(db, sealed, now):
            raise Conflict(f"the trigger {name} changed meanwhile", hint="Try again.")
        resource = f"triggers/{name}"
        audit.append(db, now, row.org_id, actor, "rotate", resource, {"secret_version": version})
        return secret

    def list_triggers(self, actor: Actor, cursor: str, limit: int) -> Page[TriggerSummary]:
        """Return the org's triggers by name, each in its newest version."""
        actor.require(Action.TRIGGERS_VIEW)

        def query(db: Connection) -> Page[TriggerSummary]:
            found = documents.list_by_name(db, _TRIGGER, actor.org_id, cursor, limit + 1)
            return page_of(
                found,
                limit,
                partial(self._shown, db, actor),
                lambda each: each.name,
                partial(_is_hidden, db, actor),
            )

        return self._database.read(query)

    def get(self, actor: Actor, name: str, version: int | None = None) -> TriggerVersion:
        """Return one version of a trigger whole, the newest unless told. Raises NotFound."""
        actor.require(Action.TRIGGERS_VIEW)
        return self._database.read(
            lambda db: self._whole(db, actor, _visible(db, actor, name, version))
        )

    def list_versions(
        self, actor: Actor, name: str, cursor: str, limit: int
    ) -> Page[TriggerSummary]:
        """Return a trigger's versions, newest first. Raises NotFound if there is no such one."""
        actor.require(Action.TRIGGERS_VIEW)
        before = position(cursor)

        def query(db: Connection) -> Page[TriggerSummary]:
            _visible(db, actor, name)
            found = documents.list_versions(db, _TRIGGER, actor.org_id, name, before, limit + 1)
            return page_of(
                found,
                limit,
                partial(self._shown, db, actor),
                lambda each: str(each.version),
                partial(_is_hidden, db, actor),
            )

        return self._database.read(query)

    def list_calls(self, actor: Actor, name: str, cursor: str, limit: int) -> Page[TriggerCall]:
        """Return how a trigger was called, newest first. Raises NotFound."""
        actor.require(Action.TRIGGERS_VIEW)

        def query(db: Connection) -> Page[TriggerCall]:
            _visible(db, actor, name)
            rows = trigger_calls.list_newest(db, _row_of(db, actor, name).id)
            following = [row for row in rows if not cursor or row.id < cursor]
            return page_of(following[: limit + 1], limit, shown_call, lambda row: row.id)

        return self._database.read(query)

    def delete(self, actor: Actor, name: str) -> None:
        """Take a trigger out of use, with its secret and its calls; what it has started goes on.

        Raises NotFound.
        """
        actor.require(Action.TRIGGERS_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> None:
            _visible(db, actor, name)
            trigger_id = _row_of(db, actor, name).id
            delete(db, actor, _TRIGGER, name, now)
            triggers.delete_secret(db, trigger_id)
            triggers.delete_receipts(db, trigger_id)
            trigger_calls.delete_all(db, trigger_id)

        self._database.write(work)

    def pause(self, actor: Actor, name: str) -> TriggerVersion:
        """Start nothing until it is resumed; whoever calls is told so. Twice is harmless."""
        return self._set_paused(actor, name, is_paused=True)

    def resume(self, actor: Actor, name: str) -> TriggerVersion:
        """Take calls again. Twice is harmless. Raises NotFound."""
        return self._set_paused(actor, name, is_paused=False)

    def _set_paused(self, actor: Actor, name: str, *, is_paused: bool) -> TriggerVersion:
        actor.require(Action.TRIGGERS_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> TriggerVersion:
            found = _visible(db, actor, name)
            if triggers.pause(db, _row_of(db, actor, name).id, is_paused, now):
                verb = "pause" if is_paused else "resume"
                audit.append(db, now, actor.org_id, actor, verb, f"triggers/{name}")
            return self._whole(db, actor, found)

        return self._database.write(work)

    def _shown(self, db: Connection, actor: Actor, version: VersionRow) -> TriggerSummary:
        name = version.name
        return shown(db, _row_of(db, actor, name), version, self._url(actor, name))

    def _whole(self, db: Connection, actor: Actor, version: VersionRow) -> TriggerVersion:
        name = version.name
        return whole(db, _row_of(db, actor, name), version, self._url(actor, name))

    def _url(self, actor: Actor, name: str) -> str:
        return self._urls.url + endpoints.CALL.path_of(actor.org_code, name)


def _is_hidden(db: Connection, actor: Actor, row: VersionRow) -> bool:
    return is_hidden(db, actor, read_trigger(row).template)


def _visible(db: Connection, actor: Actor, name: str, version: int | None = None) -> VersionRow:
    """Return a version that the actor may see. Raises NotFound."""
    row = get_document(db, _TRIGGER, actor.org_id, name, version)
    if _is_hidden(db, actor, row):
        raise document_not_found(_TRIGGER, name, version)
    return row


def _row_of(db: Connection, actor: Actor, name: str) -> TriggerRow:
    row = triggers.find(db, actor.org_id, name)
    if row is None:
        raise document_not_found(_TRIGGER, name)
    return row


def _warnings(db: Connection, actor: Actor, trigger: Trigger) -> list[Problem]:
    """Return why it could not start now. Raises InvalidInput for values that do not fit."""
    defaults = {name: field.default for name, field in trigger.fields.items()}
    request = RunRequest(template=trigger.template, values={**trigger.values, **defaults})
    return starting_problems(
        db, actor.org_id, trigger.principal_id, "trigger", request, partial(_check, trigger)
    )


def _check(trigger: Trigger, template: Template, _request: RunRequest) -> None:
    check_mapping(trigger, template.variables)
