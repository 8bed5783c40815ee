"""Names in an export, which are for whoever made it to write, and stand for people here."""

from __future__ import annotations

from opsicle.domain.addresses import address_problem
from opsicle.domain.errors import InvalidInput
from opsicle.domain.names import TEMPLATE_NAME
from opsicle.kit.ids import is_id
from opsicle.server.access.validators import SERVICE_DOMAIN
from opsicle.server.store import org_checks, org_copies
from opsicle.server.store.database import Connection
from opsicle.server.store.org_copies import DraftAccount
from opsicle.server.store.org_tables import STATE_TABLES, USERS

_GONE = ("erased.invalid", "invalid")
"""Where the addresses of accounts are that nobody has any more, with the account's id in them."""


def check_names(db: Connection, org_code: str) -> None:
    """Raise InvalidInput for an id, an address or a file's name that no server gives.

    An account is found by either of id and address, and so is that of somebody else whose id, or
    whose address for all that one can see, it has.
    """
    if name := org_checks.find_undigested(db):
        raise InvalidInput(f"a file in the export is called {name!r:.99}, which is not a digest")
    if odd := org_checks.find_odd_id(db, (*STATE_TABLES, USERS)):
        raise InvalidInput(f"something in the export has the id {odd!r:.99}, which is not an id")
    for account in org_copies.list_people(db):
        if problem := _address_problem(account, org_code):
            raise InvalidInput(
                f"an account in the export has the address {account.email!r:.99}, which {problem}",
                hint="Its server gives no such address. Nothing was changed.",
            )


def _address_problem(account: DraftAccount, org_code: str) -> str:
    local, _, domain = account.email.rpartition("@")
    if domain.endswith(SERVICE_DOMAIN):
        is_its_own = domain == f"{org_code}{SERVICE_DOMAIN}" and TEMPLATE_NAME.fullmatch(local)
        return "" if is_its_own else "is no service account's of this org"
    owner = local.removeprefix("moved-")
    if domain in _GONE and is_id(owner) and owner != account.id:
        return "is of another account"
    return address_problem(account.email)
