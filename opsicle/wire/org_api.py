"""Messages about orgs and who runs the server; see `user_api.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from opsicle.domain.bounds import Email, Name, Password, Token, Word
from opsicle.domain.channels import DeliveryState
from opsicle.wire.jobs import Int32
from opsicle.wire.user_api import OrgRef


class Org(msgspec.Struct, kw_only=True):
    """An org.

    `role` is the caller's there, None for one that they see only because they run the server. `id`
    is what `opsicle worker --run-as ORG=USER` takes. `allows_shared_workers`: what it runs may go
    to shared workers. `is_current`: it is the one that the caller's session or token is for. At
    most `max_running` of its automations run, and `max_waiting` wait; None: any number. Its logs
    are kept for `log_retention_days` and take `max_log_mib` at most; None: as the server has it.
    """

    id: str
    code: str
    name: str
    allows_shared_workers: bool = False
    max_running: int | None = None
    max_waiting: int | None = None
    log_retention_days: int | None = None
    max_log_mib: int | None = None
    role: str | None = None
    is_current: bool = False


class CreateOrgRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Founds an org. `admin` is the e-mail address of its first admin; the caller unless told."""

    code: Word
    name: Name = ""
    admin: Email = ""


class UpdateOrgRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes an org. Only what is given changes; a limit of null is none."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    allows_shared_workers: bool | msgspec.UnsetType = msgspec.UNSET
    max_running: Int32 | msgspec.UnsetType | None = msgspec.UNSET
    max_waiting: Int32 | msgspec.UnsetType | None = msgspec.UNSET
    log_retention_days: Int32 | msgspec.UnsetType | None = msgspec.UNSET
    max_log_mib: Int32 | msgspec.UnsetType | None = msgspec.UNSET


class SwitchRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Begins a session in another org; the one that asks ends unless it `is_kept`."""

    is_kept: bool = False


class ServerOperator(msgspec.Struct, kw_only=True):
    """Somebody who runs the server."""

    id: str
    email: str
    name: str


class ServerState(msgspec.Struct, kw_only=True):
    """How the server as a whole is. `held` says why nothing is handed out, "" if it is not so.

    `last_backup_at` is when a backup was whole last, None if none was made. `database_bytes` are
    those of both databases, `free_disk_bytes` what is left beside them. `replica_lag_seconds` is
    for how long a standby's replica has lacked something, 0 if it lacks nothing; None if the server
    was told of none.
    """

    epoch: int
    held: str
    remarks: list[str]
    last_backup_at: datetime | None = None
    database_bytes: int = 0
    free_disk_bytes: int = 0
    replica_lag_seconds: float | None = None


class NameServerOperatorRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Lets the owner of an account run the server too."""

    email: Email


class InviteRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Invites somebody into the org; `manager` is an e-mail address.

    The link is good for 1 to 30 days. `is_emailed`: the org's e-mail channel sends it to them, and
    nobody else sees it.
    """

    email: Email
    role: Word
    manager: Email | None = None
    expires_in_days: Int32 = 7
    is_emailed: bool = False


class RenewInvitationRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Makes an invitation anew, good for as long as it was. `is_emailed`: as of `InviteRequest`."""

    is_emailed: bool = False


class InvitationEmail(msgspec.Struct, kw_only=True):
    """How the e-mail of an invitation fares: `state` and `error` as those of a delivery.

    `finished_at` is when it was delivered, or given up.
    """

    state: DeliveryState
    error: str = ""
    finished_at: datetime | None = None


class InvitationDelivery(msgspec.Struct, kw_only=True):
    """By which `channel` the org sends invitations; None: it has none.

    `problem` says why its latest messages did not get out, "" if they did.
    """

    channel: str | None = None
    problem: str = ""


class Invitation(msgspec.Struct, kw_only=True):
    """An invitation that may still be used. `invited_by` and `manager` are e-mail addresses.

    `emailed` is None where its link was shown to whoever made it.
    """

    id: str
    email: str
    role: str
    manager: str | None = None
    invited_by: str
    created_at: datetime
    expires_at: datetime
    emailed: InvitationEmail | None = None


class NewInvitation(msgspec.Struct, kw_only=True):
    """The link that is given to the person; it is shown this one time.

    None where it is sent by e-mail: it is made when that goes out.
    """

    url: str | None
    invitation: Invitation


class CreatedOrg(Org, kw_only=True):
    """A new org. `invitation` is its first admin's, where they have no account yet."""

    invitation: NewInvitation | None = None


class InviteAdminRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Invites somebody to be the admin of an org that has none."""

    email: Email


class InvitationToken(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What stands behind the `#` of a link."""

    token: Token


class InvitationOffer(msgspec.Struct, kw_only=True):
    """What an invitation leads to.

    `has_account`: its address has an account, whose password accepting asks for.
    """

    org: OrgRef
    email: str
    role: str
    invited_by: str
    has_account: bool
    expires_at: datetime


class AcceptInvitationRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Accepts an invitation.

    With the password (and code) of the account, or with name and password for a new one.
    """

    token: Token
    password: Password
    name: Name = ""
    totp: Word = ""
    kind: Literal["browser", "cli"] = "cli"
