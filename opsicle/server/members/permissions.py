"""Whether somebody may do something, and which rule says so."""

from __future__ import annotations

from collections.abc import Sequence

from opsicle.domain.access import Action, Resource, Verb, action_for, verbs_of
from opsicle.domain.errors import Unreadable
from opsicle.domain.rights import NO_RIGHTS, AccessDecision, Rights
from opsicle.domain.rules import NamedResource, parse_question
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.rights import rights_of
from opsicle.server.access.template_access import resources_of
from opsicle.server.http.paging import page_of
from opsicle.server.members.guards import get_member
from opsicle.server.store import memberships, templates
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.memberships import MemberRow
from opsicle.server.targets.visible import resource_of, visible_target
from opsicle.wire.access_api import PermissionAnswer, TemplateRunner
from opsicle.wire.pages import Page


class PermissionChecks:
    """Answers `opsicle can`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def can(self, actor: Actor, id_or_email: str, verb: str, resource: str) -> PermissionAnswer:
        """Return whether this person (empty.

        The caller) may do `verb` with `resource`, as in `templates/restart-web`.

        Without a name the answer is yes if they may with any. Raises InvalidInput for what is no
        question; NotFound for a person, a template or a target that the caller cannot see.
        """
        actor.require(Action.ACCOUNT_VIEW)
        if id_or_email and id_or_email not in (actor.user_id, actor.email):
            actor.require(Action.USERS_VIEW)
        known_verb, known, name = parse_question(verb, resource)
        action = action_for(known_verb, known)
        if action is None:
            verbs = ", ".join(verbs_of(known))
            raise validators.invalid("action", f"nobody can {known_verb} {known}: there is {verbs}")

        def query(db: Connection) -> tuple[str, AccessDecision]:
            member = get_member(db, actor.org_id, id_or_email or actor.user_id)
            resources = self._resources(db, actor, known_verb, known, name)
            rights = rights_of(db, actor.org_id, member.user_id)
            decisions = [rights.decide(action, resource) for resource in resources]
            refused = (decision for decision in decisions if not decision.is_allowed)
            return member.email, next(refused, decisions[0])

        email, decision = self._database.read(query)
        grant = decision.grant
        return PermissionAnswer(
            user=email,
            action=known_verb,
            resource=resource,
            is_allowed=decision.is_allowed,
            why=decision.why,
            rule=str(grant.rule) if grant else "",
            source=grant.source if grant else "",
        )

    def list_runners(
        self, actor: Actor, name: str, cursor: str, limit: int
    ) -> Page[TemplateRunner]:
        """Return who may run a template in its newest version now, by e-mail address.

        A page may hold fewer than `limit` of them, and still not be the last. Raises NotFound for
        a template that the caller cannot see.
        """
        actor.require(Action.USERS_VIEW)
        why: dict[str, str] = {}

        def query(db: Connection) -> list[MemberRow]:
            resources = self._resources(db, actor, Verb.EXECUTE, Resource.TEMPLATES, name)
            rows = memberships.list_members(db, actor.org_id, cursor, limit + 1)
            for row in filter(lambda row: row.is_enabled, rows[:limit]):
                rights = _readable_rights(db, actor.org_id, row.user_id)
                decisions = [rights.decide(Action.AUTOMATIONS_CREATE, each) for each in resources]
                if all(decision.is_allowed for decision in decisions):
                    grant = decisions[0].grant
                    why[row.user_id] = grant.source if grant else ""
            return rows

        return page_of(
            self._database.read_long(query, actor.org_id),
            limit,
            lambda row: TemplateRunner(
                id=row.user_id, email=row.email, name=row.name, why=why[row.user_id]
            ),
            lambda row: row.email,
            lambda row: row.user_id not in why,
        )

    def _resources(
        self, db: Connection, actor: Actor, verb: Verb, known: Resource, name: str
    ) -> Sequence[NamedResource | None]:
        """Return what rules are asked about; None: anything at all."""
        if not name:
            return [None]
        if known is Resource.SECRETS:
            return [NamedResource(name)]
        if known is Resource.TARGETS:
            row = visible_target(db, actor, name)
            return [resource_of(row.name, row.document)]

        found = resources_of(db, actor.org_id, name)
        is_seen = all(actor.may(Action.TEMPLATES_VIEW, resource) for resource in found)
        if verb is not Verb.CREATE and not (is_seen and templates.find(db, actor.org_id, name)):
            raise document_not_found(DocumentKind.TEMPLATE, name)
        return found


def _readable_rights(db: Connection, org_id: str, user_id: str) -> Rights:
    """Return what somebody may, nothing if their rules cannot be read."""
    try:
        return rights_of(db, org_id, user_id)
    except Unreadable:
        return NO_RIGHTS
