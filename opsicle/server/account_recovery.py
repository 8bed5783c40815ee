"""Recovery of an account without any proof, on the server's machine and while it is stopped.

Whoever can write the data folder can do anything to it; this does it in order, and in the record of
each of their orgs.
"""

from __future__ import annotations

import os
import pwd
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from opsicle.domain.errors import Conflict, NotFound
from opsicle.kit.clock import SystemClock
from opsicle.security import passwords
from opsicle.server.access.actor import SystemActor
from opsicle.server.data_folder import DataFolder, require_server_folder
from opsicle.server.opening import open_state
from opsicle.server.store import (
    audit,
    authenticators,
    memberships,
    password_resets,
    sessions,
    users,
)
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MembershipRow
from opsicle.server.store.users import UserRow


class Recovered(NamedTuple):
    """What was done: where the person can log in, and whether app and password changed."""

    email: str
    orgs: list[str]
    had_app: bool
    has_new_password: bool


def recover_account(data_dir: Path, email: str, password: str | None) -> Recovered:
    """Remove a person's authenticator app, set a password if given, and end their sessions.

    Raises InvalidInput for a folder that is no server's and a password that cannot be used;
    Conflict while a server uses the folder, for a service account, and for somebody who is disabled
    everywhere; NotFound for an address that nobody has.
    """
    require_server_folder(data_dir)

    if password is not None:
        passwords.check_password(password, email=email)
    password_hash = passwords.hash_password(password) if password is not None else ""
    with (
        closing(DataFolder.open(data_dir)) as folder,
        open_state(folder, SystemClock(), _fail) as state,
    ):
        return state.database.write(lambda db: _recover(db, email.strip().lower(), password_hash))


def _recover(db: Connection, email: str, password_hash: str) -> Recovered:
    user, rows = _find(db, email)
    had_app = authenticators.delete(db, user.id)
    if password_hash:
        users.set_password(db, user.id, password_hash)
    password_resets.delete_of_user(db, user.id)
    sessions.delete_others(db, user.id, "")

    data = {"email": email, "by": _login_name(), "app": had_app, "password": bool(password_hash)}
    for org_id in (*(row.org_id for row in rows), None):
        audit.append(
            db,
            SystemClock().now(),
            org_id,
            SystemActor("recover"),
            "recover",
            f"users/{user.id}",
            data,
        )

    return Recovered(
        email=email,
        orgs=[row.org_code for row in rows if not row.is_disabled],
        had_app=had_app,
        has_new_password=bool(password_hash),
    )


def _find(db: Connection, email: str) -> tuple[UserRow, list[MembershipRow]]:
    user = users.find_by_email(db, email)
    rows = memberships.list_of_user(db, user.id) if user else []
    if user is None or not rows:
        raise NotFound(
            f"nobody of any org has the address {email}",
            hint="`opsicle audit list` names people's.",
        )

    member = memberships.find(db, rows[0].org_id, user.id)
    if member is not None and member.owner_id:
        raise Conflict(f"{email} is a service account, which never logs in", hint="Name a person.")
    if all(row.is_disabled for row in rows):
        raise Conflict(
            f"{email} is disabled in every org",
            hint="Another admin enables them, or recover that one.",
        )
    return user, rows


def _login_name() -> str:
    """Return who does this, as the machine knows them; the number where it has no name for it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _fail(error: BaseException) -> None:
    raise error
