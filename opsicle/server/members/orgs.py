"""Orgs: founding them, which ones are mine, what they are called.

Nothing of one org is visible from another: an org that the caller does not belong to is as absent
as one that never was. What founds an org stands in its own record and in the server's, not in that
of the founder's other org.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from opsicle.domain.access import Action, BuiltInRole
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.http.paging import page_of
from opsicle.server.identity.orgs import create_org, find_place, no_org
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members.invitation_links import InvitationLinks
from opsicle.server.store import audit, log_retention, memberships, orgs, queue_limits, users
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.memberships import MembershipRow
from opsicle.server.store.orgs import OrgRow
from opsicle.wire.org_api import CreatedOrg, CreateOrgRequest, NewInvitation, Org, UpdateOrgRequest
from opsicle.wire.pages import Page

MAX_NAME_LENGTH = 200
MOST_RUNNING, MOST_WAITING = 10_000, 100_000
"""The highest limits: what runs and waits is counted up to them, at each lease and each trigger."""

MOST_LOG_DAYS, MOST_LOG_MIB = 36_500, 1 << 30
"""A hundred years and a pebibyte: beyond that it is a slip."""

_LIMITS = {
    "max_running": MOST_RUNNING,
    "max_waiting": MOST_WAITING,
    "log_retention_days": MOST_LOG_DAYS,
    "max_log_mib": MOST_LOG_MIB,
}


class Orgs:
    """The orgs of a person."""

    def __init__(
        self,
        database: Database,
        links: InvitationLinks,
        step_up: StepUp,
        fleet: Fleet,
        clock: Clock,
    ) -> None:
        self._database = database
        self._links = links
        self._step_up = step_up
        self._clock = clock
        self._fleet = fleet

    def list_own(self, actor: Actor, cursor: str, limit: int) -> Page[Org]:
        """Return the orgs that the caller belongs to and may enter, by code."""
        actor.require(Action.ORGS_VIEW)
        places = self._database.read(lambda db: memberships.list_of_user(db, actor.user_id))
        rows = [place for place in places if place.org_code > cursor and not place.is_disabled]
        return page_of(
            rows[: limit + 1],
            limit,
            lambda place: _shown(place, actor),
            lambda place: place.org_code,
        )

    def get(self, actor: Actor, code: str) -> Org:
        """Return one of the caller's orgs. Raises NotFound."""
        actor.require(Action.ORGS_VIEW)
        return _shown(self._database.read(lambda db: find_place(db, actor.user_id, code)), actor)

    def create(self, actor: Actor, request: CreateOrgRequest) -> CreatedOrg:
        """Found an org with its first admin.

        The caller, or whom a server operator names, by account or invitation.

        Raises NotAllowed unless the server lets the caller; Conflict if there is such an org;
        InvalidInput for a code, name or admin that cannot be used; StepUpRequired.
        """
        self._step_up.require(actor, Action.ORGS_CREATE)
        name = validators.name(request.name, MAX_NAME_LENGTH) or request.code
        org = OrgRow(
            id=new_id(self._clock.now()),
            code=validators.org_code(request.code, path="code"),
            name=name,
        )
        email = _first_admin(actor, request)
        link = self._links.new(actor, org.id, email, BuiltInRole.ADMIN, is_by_server_operator=True)

        def work(db: Connection) -> CreatedOrg:
            admin = users.find_by_email(db, email)
            now = self._clock.now()
            create_org(db, org, admin, now)
            for org_id in (org.id, None):
                audit.append(db, now, org_id, actor, "create", f"orgs/{org.code}", {"admin": email})

            made = CreatedOrg(
                id=org.id,
                code=org.code,
                name=org.name,
                role=BuiltInRole.ADMIN if email == actor.email else None,
            )

            if admin is None:
                made.invitation = NewInvitation(
                    url=link.url, invitation=self._links.keep(db, actor, link.row)
                )
            return made

        return self._database.write(work)

    def update(self, actor: Actor, code: str, request: UpdateOrgRequest) -> Org:
        """Change what is given of the org that the caller's session is for.

        Raises NotFound for any other; InvalidInput for a name or a limit that cannot be used;
        StepUpRequired.
        """
        self._step_up.require(actor, Action.ORGS_MANAGE)
        if code != actor.org_code:
            raise no_org(code)
        name = validators.name(request.name, MAX_NAME_LENGTH) if request.name is not UNSET else ""
        _check_limits(request)

        allows = request.allows_shared_workers

        def work(db: Connection) -> MembershipRow:
            if name:
                orgs.rename(db, actor.org_id, name)
            if allows is not UNSET:
                orgs.allow_shared_workers(db, actor.org_id, allows)
            _set_limits(db, actor.org_id, request)
            changes = msgspec.to_builtins(request)
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "update", f"orgs/{code}", changes
            )
            return find_place(db, actor.user_id, code)

        place = self._database.write(work)
        if allows is not UNSET:
            self._fleet.sharing_changed(actor.org_id, allows)
        if request.max_running is not UNSET:
            self._fleet.limit_changed(actor.org_id, is_limited=request.max_running is not None)
        return _shown(place, actor)


def _first_admin(actor: Actor, request: CreateOrgRequest) -> str:
    """Return the address of a new org's first admin. Raises InvalidInput for one not allowed."""
    if not request.admin:
        return actor.email
    email = validators.email_address(request.admin, path="admin")
    if email != actor.email and not actor.may(Action.SERVER_MANAGE):
        raise validators.invalid(
            "admin", "only a server operator can make somebody else the first admin"
        )
    return email


def _check_limits(request: UpdateOrgRequest) -> None:
    for name, most in _LIMITS.items():
        limit = getattr(request, name)
        if limit is not UNSET and limit is not None and not 1 <= limit <= most:
            raise validators.invalid(name, f"must be between 1 and {most:,}; none is no limit")


def _set_limits(db: Connection, org_id: str, request: UpdateOrgRequest) -> None:
    if request.max_running is not UNSET:
        queue_limits.set_max_running(db, org_id, request.max_running)
    if request.max_waiting is not UNSET:
        queue_limits.set_max_waiting(db, org_id, request.max_waiting)
    if request.log_retention_days is not UNSET:
        log_retention.set_days(db, org_id, request.log_retention_days)
    if request.max_log_mib is not UNSET:
        log_retention.set_mib(db, org_id, request.max_log_mib)


def _shown(place: MembershipRow, actor: Actor) -> Org:
    is_current = place.org_id == actor.org_id
    return Org(
        id=place.org_id,
        code=place.org_code,
        name=place.org_name,
        allows_shared_workers=place.allows_shared_workers,
        max_running=place.max_running,
        max_waiting=place.max_waiting,
        log_retention_days=place.log_retention_days,
        max_log_mib=place.max_log_mib,
        role=place.role,
        is_current=is_current,
    )
