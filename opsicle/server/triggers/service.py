"""Triggers of an org: what people do with them; what a call does is in `hooks.py`."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotAllowed, Problem
from opsicle.domain.template_parser import parse_trigger
from opsicle.domain.templates import Template
from opsicle.domain.trigger_mapping import check_mapping
from opsicle.domain.triggers import MOST_TRIGGERS, Trigger, digest
from opsicle.kit.clock import Clock
from opsicle.security import webhook_signatures
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.template_access import is_hidden, require_on
from opsicle.server.automations.starters import starting_problems
from opsicle.server.automations.starting_documents import StartingDocuments, with_principal
from opsicle.server.documents.versions import VersionDraft, delete, push_version
from opsicle.server.http.paging import page_of
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


class Triggers(StartingDocuments[TriggerSummary, TriggerVersion]):
    """Pushes, shows and pauses triggers, and gives them secrets.

    A trigger whose template is hidden from somebody does not exist for them. Whoever knows its
    secret starts automations with another's rights. So only those get one who could push the
    trigger to run as it does, and a push that changes whose rights it has changes the secret:
    otherwise whoever knew the old one could approve what they started in somebody else's name.
    """

    kind = _TRIGGER
    view, manage = Action.TRIGGERS_VIEW, Action.TRIGGERS_MANAGE

    def __init__(
        self, database: Database, vault: Vault, step_up: StepUp, urls: Urls, clock: Clock
    ) -> None:
        super().__init__(database, clock)
        self._vault = vault
        self._step_up = step_up
        self._urls = urls

    def push(self, actor: Actor, source: str, message: str = "") -> TriggerPushed:
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
            trigger = with_principal(db, actor, document)
            warnings = _warnings(db, actor, trigger)
            draft = VersionDraft.of(
                _TRIGGER, trigger.name, digest(trigger), source, trigger, message
            )
            before = documents.find(db, _TRIGGER, actor.org_id, trigger.name)
            recorded = {"template": trigger.template}
            version, is_new = push_version(db, actor, draft, now, recorded, MOST_TRIGGERS)
            is_handed_over = (
                before is None or read_trigger(before).principal_id != trigger.principal_id
            )
            secret = ""
            if is_new and is_handed_over:
                secret = self._give_secret(db, actor, trigger.name, now)

            return TriggerPushed(
                name=trigger.name,
                version=version,
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
            self._require_own(db, actor, name)
            secret = self._give_secret(db, actor, name, now)
            return TriggerSecret(name=name, url=self._url(actor, name), secret=secret)

        return self._database.write(work)

    def require_own(self, actor: Actor, name: str) -> None:
        """Raise NotAllowed for who could not push the trigger to run as it does; NotFound."""
        self._database.read(lambda db: self._require_own(db, actor, name))

    def _require_own(self, db: Connection, actor: Actor, name: str) -> None:
        trigger = read_trigger(self._visible(db, actor, name))
        require_on(db, actor, Action.AUTOMATIONS_CREATE, trigger.template)
        if run_as(db, actor, trigger.run_as) != trigger.principal_id:
            raise NotAllowed(
                "whoever knows the secret starts things in the name of whoever pushed this",
                hint="Push its file: it then runs as you, and gets a new secret.",
            )

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

    def list_calls(self, actor: Actor, name: str, cursor: str, limit: int) -> Page[TriggerCall]:
        """Return how a trigger was called, newest first. Raises NotFound."""
        actor.require(Action.TRIGGERS_VIEW)

        def query(db: Connection) -> Page[TriggerCall]:
            found = self._visible(db, actor, name)
            rows = trigger_calls.list_newest(db, found.document_id)
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
            trigger_id = self._visible(db, actor, name).document_id
            delete(db, actor, _TRIGGER, name, now)
            triggers.delete_secret(db, trigger_id)
            triggers.delete_receipts(db, trigger_id)
            trigger_calls.delete_all(db, trigger_id)

        self._database.write(work)

    def _pause(
        self, db: Connection, _actor: Actor, found: VersionRow, is_paused: bool, now: datetime
    ) -> bool:
        return triggers.pause(db, found.document_id, is_paused, now)

    def _summary(self, db: Connection, actor: Actor, row: VersionRow) -> TriggerSummary:
        return shown(db, _row_of(db, actor, row.name), row, self._url(actor, row.name))

    def _whole(self, db: Connection, actor: Actor, row: VersionRow) -> TriggerVersion:
        return whole(db, _row_of(db, actor, row.name), row, self._url(actor, row.name))

    def _is_hidden(self, db: Connection, actor: Actor, row: VersionRow) -> bool:
        trigger = stored_json.read_or(row.document, Trigger, None)
        return is_hidden(db, actor, trigger.template if trigger else None)

    def _url(self, actor: Actor, name: str) -> str:
        return self._urls.url + endpoints.CALL.path_of(actor.org_code, name)


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
