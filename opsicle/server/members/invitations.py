"""Invitations: one-time links by which people, with an account or not, join an org.

Who accepts proves to be the owner of the account, by password and code as for a login; for an
address without one a new account is made. The link alone opens nothing of an account that there is.
A link dies with the rights of whoever has made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.errors import Conflict, NotAuthenticated, NotFound, Suspended, required
from opsicle.domain.rights import missing_rights
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.security import passwords
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import (
    require_at_most,
    require_role,
    rights_of,
    rights_of_org_role,
)
from opsicle.server.http.paging import page_of
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.identity.logins import Logins
from opsicle.server.identity.passwords import PasswordHasher
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members.invitation_links import InvitationLink, InvitationLinks, shown
from opsicle.server.members.invitation_mail import InvitationMail
from opsicle.server.members.named_approvers import (
    ApproverNaming,
    refusal_reason,
    require_policies_for,
)
from opsicle.server.members.users import MAX_NAME_LENGTH, find_manager
from opsicle.server.store import audit, invitations, memberships, suspensions, users
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.invitations import InvitationRow
from opsicle.server.store.memberships import MemberRow
from opsicle.server.store.users import UserRow
from opsicle.wire.org_api import (
    AcceptInvitationRequest,
    Invitation,
    InvitationDelivery,
    InvitationOffer,
    InviteRequest,
    NewInvitation,
    RenewInvitationRequest,
)
from opsicle.wire.pages import Page
from opsicle.wire.user_api import LoginReply, LoginRequest, OrgRef

_LIFETIME_DAYS = range(1, 30 + 1)


class Invitations:
    """What those do who manage an org's people, and those who are invited."""

    def __init__(  # noqa: PLR0913, PLR0917 - what coming into an org touches
        self,
        database: Database,
        links: InvitationLinks,
        logins: Logins,
        hasher: PasswordHasher,
        throttle: LoginThrottle,
        step_up: StepUp,
        mail: InvitationMail,
        clock: Clock,
    ) -> None:
        self._database = database
        self._links = links
        self._logins = logins
        self._hasher = hasher
        self._throttle = throttle
        self._step_up = step_up
        self._mail = mail
        self._clock = clock

    def invite(self, actor: Actor, request: InviteRequest) -> NewInvitation:
        """Make the link for a person; an earlier one of theirs into this org is good no longer.

        Raises Conflict if they belong to the org already, or where the org cannot send it as it is
        to; InvalidInput for an address, role, manager or time that cannot be used; NotAllowed for a
        role that may more than the caller; StepUpRequired; TooManyRequests.
        """
        self._step_up.require(actor, Action.USERS_MANAGE)
        email = validators.email_address(request.email)
        if request.expires_in_days not in _LIFETIME_DAYS:
            raise validators.invalid("expires_in_days", "an invitation lives from 1 to 30 days")

        link = self._links.new(actor, actor.org_id, email, request.role)
        lifetime = timedelta(days=request.expires_in_days)
        wanted = _Wanted(link, request.manager, lifetime, request.is_emailed)
        return self._database.write(lambda db: self._make(db, actor, wanted))

    def renew(
        self, actor: Actor, invitation_id: str, request: RenewInvitationRequest
    ) -> NewInvitation:
        """Make a new link in the place of an open invitation's, which is good no longer.

        The old one cannot be sent again, as only its hash is kept; and it may have reached somebody
        else. What is asked of the caller is what making it would ask.

        Raises NotFound, and as `invite`.
        """
        self._step_up.require(actor, Action.USERS_MANAGE)

        def old(db: Connection) -> InvitationRow:
            now = self._clock.now()
            found = invitations.find_open_by_id(db, actor.org_id, invitation_id, now)
            return required(found, _not_open(invitation_id))

        found = self._database.read(old)
        link = self._links.new(actor, actor.org_id, found.email, found.role)
        lifetime = found.expires_at - found.created_at
        wanted = _Wanted(link, found.manager, lifetime, request.is_emailed)

        def work(db: Connection) -> NewInvitation:
            old(db)  # it may have been used meanwhile
            return self._make(db, actor, wanted)

        return self._database.write(work)

    def delivery(self, actor: Actor) -> InvitationDelivery:
        """Return whether the org can send invitations by e-mail."""
        actor.require(Action.USERS_MANAGE)
        return self._database.read(lambda db: self._mail.readiness(db, actor))

    def _make(self, db: Connection, actor: Actor, wanted: _Wanted) -> NewInvitation:
        link = wanted.link
        email, role = link.row.email, link.row.role
        if memberships.find(db, actor.org_id, email):
            raise Conflict(
                f"{email} belongs to this org already",
                hint="`opsicle users update` changes them.",
            )

        require_role(db, actor.org_id, role)
        require_at_most(
            actor, rights_of_org_role(db, actor.org_id, role), "invite somebody with this role"
        )
        require_policies_for(
            db, actor, ApproverNaming(email=email, role=role), f"invite {email} as {role}"
        )

        manager = find_manager(db, actor.org_id, wanted.manager)
        row = msgspec.structs.replace(
            link.row,
            manager_id=manager.user_id if manager else None,
            expires_at=link.row.created_at + wanted.lifetime,
        )
        if wanted.is_emailed:
            delivery_id = self._mail.queue(db, actor, row)
            row = msgspec.structs.replace(row, delivery_id=delivery_id)
        return NewInvitation(
            url=None if wanted.is_emailed else link.url,
            invitation=self._links.keep(db, actor, row),
        )

    def list_open(self, actor: Actor, cursor: str, limit: int) -> Page[Invitation]:
        """Return the org's invitations that may still be used, newest first."""
        actor.require(Action.USERS_MANAGE)
        now = self._clock.now()
        rows = self._database.read(
            lambda db: invitations.list_open(db, actor.org_id, now, cursor, limit + 1)
        )
        return page_of(rows, limit, lambda row: shown(row, actor), lambda row: row.id)

    def revoke(self, actor: Actor, invitation_id: str) -> None:
        """End an invitation that was not used yet. Raises NotFound or StepUpRequired."""
        self._step_up.require(actor, Action.USERS_MANAGE)

        def work(db: Connection) -> None:
            now = self._clock.now()
            if not invitations.revoke(db, actor.org_id, invitation_id, now):
                raise _not_open(invitation_id)
            audit.append(db, now, actor.org_id, actor, "revoke", f"invitations/{invitation_id}")

        self._database.write(work)

    def look(self, token: str, address: str) -> InvitationOffer:
        """Say what a link leads to.

        Raises NotAuthenticated for one that is unknown or over; Suspended where nobody can join the
        org just now; TooManyRequests.
        """
        found, account = self._find(token, address)
        return InvitationOffer(
            org=OrgRef(found.org_code, found.org_name),
            email=found.email,
            role=found.role,
            invited_by=found.inviter,
            has_account=account is not None,
            expires_at=found.expires_at,
        )

    def accept(self, request: AcceptInvitationRequest, address: str) -> LoginReply:
        """Make the owner of the link a member, and begin a session of theirs in the org.

        Every link works once.

        Raises NotAuthenticated for a link that is unknown or over; Suspended for one into an org
        that is suspended, as `Logins.login` for a proof that is wrong or missing, and for a name or
        password that cannot be used InvalidInput, and the link stays good.
        """
        found, account = self._find(request.token, address)
        proof = LoginRequest(
            found.email, request.password, request.kind, found.org_code, request.totp
        )

        def enter(db: Connection, user: UserRow) -> LoginReply:
            self._use_token(db, request, user, address)
            return self._logins.begin_session(db, user, proof, address)

        if account:
            return self._logins.prove(proof, address, enter)
        name = (
            validators.display_name(request.name, MAX_NAME_LENGTH) or found.email.partition("@")[0]
        )
        passwords.check_password(request.password, email=found.email, name=name)
        now = self._clock.now()
        new = UserRow(
            new_id(now), found.email, name, self._hasher.hash(request.password, found.org_id)
        )

        def work(db: Connection) -> LoginReply:
            if users.find_by_email(db, new.email):
                raise Conflict("this address has just got an account", hint="Open the link again.")
            users.insert(db, new, now)
            return enter(db, new)

        return self._database.write(work)

    def _find(self, token: str, address: str) -> tuple[InvitationRow, UserRow | None]:
        """Return the invitation of a token, and whose it is if they have an account.

        Raises NotAuthenticated, Suspended.
        """
        self._throttle.check_address(address)

        def query(db: Connection) -> tuple[InvitationRow, UserRow | None] | None:
            found = self._links.find(db, token)
            if found is None:
                return None
            _require_joinable(db, found)
            return found, users.find_by_email(db, found.email)

        result = self._database.read(query)
        if result is None:
            self._database.write(lambda db: self._throttle.note_refusal(db, address))
            raise _no_longer_good()
        return result

    def _use_token(
        self, db: Connection, request: AcceptInvitationRequest, user: UserRow, address: str
    ) -> None:
        """Make a member, once, of whom the link invites, and record it as their own deed."""
        now = self._clock.now()
        found = self._accept(db, request.token, user, now)
        manager = _enabled_manager(db, found)
        row = MemberRow(
            user_id=user.id,
            email=user.email,
            name=user.name,
            role=found.role,
            manager_id=manager.user_id if manager else None,
            manager=None,
            is_disabled=False,
            created_at=now,
            role_seq=audit.next_seq(db, found.org_id),
        )
        memberships.insert(db, found.org_id, row)

        person = Actor(
            user.id,
            user.email,
            user.name,
            found.org_id,
            found.org_code,
            found.role,
            request.kind,
            address,
        )
        data = {
            "invited_by": found.inviter,
            "role": found.role,
            "manager": manager.email if manager else None,
        }
        audit.append(db, now, found.org_id, person, "accept", f"invitations/{found.id}", data)

    def _accept(self, db: Connection, token: str, user: UserRow, now: datetime) -> InvitationRow:
        """Use up an invitation that this account may still accept, and return it."""
        found = self._links.find(db, token)
        if (
            found is None
            or not _is_inviter_entitled(db, found)
            or not invitations.accept(db, found.id, user.id, now)
        ):
            raise _no_longer_good()
        _require_joinable(db, found)
        if memberships.find(db, found.org_id, user.id):
            raise Conflict("you belong to this org already", hint="Log in.")
        require_role(db, found.org_id, found.role)
        return found


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An invitation that is to be made; `manager` is an e-mail address."""

    link: InvitationLink
    manager: str | None
    lifetime: timedelta
    is_emailed: bool


def _enabled_manager(db: Connection, found: InvitationRow) -> MemberRow | None:
    """Return the manager that the invitation names, if they are still somebody's."""
    manager = memberships.find(db, found.org_id, found.manager_id) if found.manager_id else None
    return manager if manager and not manager.is_disabled else None


def _require_joinable(db: Connection, found: InvitationRow) -> None:
    """Raise Suspended where the org of an invitation is to change no more.

    Why it is suspended is for its own people.
    """
    if suspensions.is_suspended(db, found.org_id):
        raise Suspended(
            f"the org {found.org_code} is suspended: nobody can join it now",
            hint="The invitation stays good until its time is over. Ask whoever invited you.",
        )


def _is_inviter_entitled(db: Connection, found: InvitationRow) -> bool:
    """Return whether whoever has made the link could still make it."""
    if found.is_by_server_operator:
        account = users.find(db, found.inviter_id)
        return (
            found.role == BuiltInRole.ADMIN and account is not None and account.is_server_operator
        )

    member = memberships.find(db, found.org_id, found.inviter_id)
    if member is None or not member.is_enabled:
        return False

    own = rights_of(db, found.org_id, found.inviter_id)
    exceeds_own = missing_rights(own, rights_of_org_role(db, found.org_id, found.role))
    is_named = refusal_reason(
        db, found.org_id, own, ApproverNaming(email=found.email, role=found.role)
    )
    return own.may(Action.USERS_MANAGE) and not exceeds_own and not is_named


def _no_longer_good() -> NotAuthenticated:
    return NotAuthenticated(
        "this invitation is no longer good", hint="Ask whoever invited you for a new one."
    )


def _not_open(invitation_id: str) -> NotFound:
    return NotFound(
        f"there is no open invitation {invitation_id}",
        hint="`opsicle users invitations`",
    )
