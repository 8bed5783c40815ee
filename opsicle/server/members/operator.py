"""What those who run the server see and do beside their orgs. It stands in the server's own record.

They know which orgs there are, and nothing of what is in them.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.errors import Conflict, NotFound, required
from opsicle.kit.clock import Clock
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.audit.remarks import ServerRemarks
from opsicle.server.http.paging import page_of
from opsicle.server.identity.orgs import no_org
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.last_backup import made_at
from opsicle.server.members.guards import last_server_operator
from opsicle.server.members.invitation_links import InvitationLinks
from opsicle.server.replica_watch import ReplicaWatch
from opsicle.server.store import audit, memberships, orgs, password_resets, users
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.epochs import Epoch
from opsicle.server.store.users import UserRow
from opsicle.server.workers.holds import Hold
from opsicle.wire.org_api import (
    Invitation,
    InviteAdminRequest,
    NameServerOperatorRequest,
    NewInvitation,
    ServerOperator,
    ServerState,
)
from opsicle.wire.pages import Page


class ServerStatus(NamedTuple):
    """What there is to say of the server as a whole."""

    epoch: Epoch
    hold: Hold
    remarks: ServerRemarks
    folder: Path
    replica: ReplicaWatch | None


class ServerOperations:
    """The server's own side."""

    def __init__(
        self,
        database: Database,
        links: InvitationLinks,
        sessions: Sessions,
        step_up: StepUp,
        clock: Clock,
        status: ServerStatus,
    ) -> None:
        self._database = database
        self._links = links
        self._sessions = sessions
        self._step_up = step_up
        self._clock = clock
        self._status = status

    def server(self, actor: Actor) -> ServerState:
        """Return how the server as a whole is."""
        actor.require(Action.SERVER_MANAGE)
        hold, remarks = self._status.hold, self._status.remarks
        folder, replica = self._status.folder, self._status.replica
        backup, disk = made_at(folder), os.statvfs(folder)
        return ServerState(
            epoch=self._status.epoch.number,
            held=hold.reason,
            remarks=list(remarks.shown),
            last_backup_at=None if backup is None else datetime.fromtimestamp(backup, UTC),
            database_bytes=sum(path.stat().st_size for path in folder.glob("*.db")),
            free_disk_bytes=disk.f_bavail * disk.f_frsize,
            replica_lag_seconds=max(replica.lag_seconds().values()) if replica else None,
        )

    def release(self, actor: Actor) -> ServerState:
        """Hand out what waits, which is held after a restore.

        Raises Conflict if it is not held; StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)
        self._status.hold.release(actor)
        return self.server(actor)

    def invite_admin(self, actor: Actor, code: str, request: InviteAdminRequest) -> NewInvitation:
        """Make the link for the admin of an org that has none.

        Its first one's was lost, or is too old.

        Raises NotFound; Conflict if the org has an admin, whose affair it is; InvalidInput;
        StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)
        email = validators.email_address(request.email)
        org = required(self._database.read(lambda db: orgs.find_by_code(db, code)), no_org(code))
        link = self._links.new(actor, org.id, email, BuiltInRole.ADMIN, is_by_server_operator=True)

        def work(db: Connection) -> Invitation:
            if memberships.count_other_admins(db, org.id, "") > 0:
                raise Conflict(
                    f"the org {code} has an admin already", hint="They invite their own people."
                )
            return self._links.keep(db, actor, link.row)

        return NewInvitation(url=link.url, invitation=self._database.write(work))

    def list_operators(self, actor: Actor, cursor: str, limit: int) -> Page[ServerOperator]:
        """Return who runs the server, by address."""
        actor.require(Action.SERVER_MANAGE)
        rows = self._database.read(lambda db: users.list_server_operators(db, cursor, limit + 1))
        return page_of(rows, limit, _shown, lambda row: row.email)

    def add_operator(self, actor: Actor, request: NameServerOperatorRequest) -> ServerOperator:
        """Let the owner of an account run the server too; harmless if they do.

        Raises NotFound or StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)
        email = validators.email_address(request.email)

        def work(db: Connection) -> UserRow:
            account = users.find_by_email(db, email)
            if account is None:
                raise NotFound(
                    f"there is no account {email}", hint="They need one in some org first."
                )
            if users.set_server_operator(db, account.id, is_server_operator=True):
                password_resets.delete_of_user(db, account.id)  # an org's admin may have made it
                self._record(db, actor, "name", account)
            return account

        account = self._sessions.change(work)
        return _shown(account)

    def remove_operator(self, actor: Actor, id_or_email: str) -> None:
        """Take running the server from somebody; what they are in their orgs stays.

        Raises NotFound; Conflict for the last one who can log in; StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)

        def work(db: Connection) -> None:
            account = users.find(db, id_or_email.strip().lower())
            if account is None or not account.is_server_operator:
                raise NotFound(
                    f"{id_or_email} is no server operator",
                    hint="`opsicle orgs server-operators` shows them.",
                )
            users.set_server_operator(db, account.id, is_server_operator=False)
            if users.count_server_operators(db) == 0:
                raise last_server_operator()
            self._record(db, actor, "drop", account)

        self._sessions.change(work)

    def _record(self, db: Connection, actor: Actor, verb: str, account: UserRow) -> None:
        data = {"email": account.email}
        audit.append(
            db, self._clock.now(), None, actor, verb, f"server_operators/{account.id}", data
        )


def _shown(row: UserRow) -> ServerOperator:
    return ServerOperator(id=row.id, email=row.email, name=row.name)
