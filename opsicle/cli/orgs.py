"""`opsicle orgs`: the tenants of a server, which of them are mine, and who runs the server."""

from __future__ import annotations

import click
import msgspec

from opsicle.cli import operated_orgs
from opsicle.cli.invitations import emit_link
from opsicle.cli.invocation import current
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.org_moves import export_org, import_org
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect, current_session, kept_sessions
from opsicle.domain.errors import UsageError
from opsicle.wire.endpoints import accounts as accounts_endpoints
from opsicle.wire.endpoints import operation as operation_endpoints
from opsicle.wire.endpoints import orgs as endpoints
from opsicle.wire.org_api import (
    CreateOrgRequest,
    InviteAdminRequest,
    NameServerOperatorRequest,
    Org,
    SwitchRequest,
    UpdateOrgRequest,
)

_COLUMNS = [
    Column("code", lambda org: org.code),
    Column("name", lambda org: org.name),
    Column("role", lambda org: org.role),
    Column("shared workers", lambda org: org.allows_shared_workers),
    Column("most running", lambda org: org.max_running),
    Column("most waiting", lambda org: org.max_waiting),
    Column("log days", lambda org: org.log_retention_days),
    Column("most log MiB", lambda org: org.max_log_mib),
    Column("current", lambda org: org.is_current),
    Column("id", lambda org: org.id),
]

_ADMIN_COLUMNS = [
    Column("id", lambda admin: admin.id),
    Column("email", lambda admin: admin.email),
    Column("name", lambda admin: admin.name),
]


@click.group(cls=NounGroup)
def orgs() -> None:
    """Show the orgs of the server, and go from one of yours to another."""


for _command in operated_orgs.COMMANDS:
    orgs.add_command(_command)


@orgs.command("list")
@click.option("--all", is_flag=True, help="All orgs of the server, for server operators.")
@limit
def list_(all: bool, limit: int | None) -> None:
    """List the orgs that you belong to."""
    if all:
        emit_list(connect().pages(operation_endpoints.LIST), operated_orgs.COLUMNS, limit=limit)
    else:
        emit_list(connect().pages(endpoints.LIST_ORGS), _COLUMNS, limit=limit)


@orgs.command()
@click.argument("org", required=False)
def show(org: str | None) -> None:
    """Show one of your orgs, the current one unless told."""
    api = connect()
    _emit(api.call(endpoints.SHOW, org or api.call(accounts_endpoints.WHOAMI).org.code))


@orgs.command()
@click.argument("org")
@click.option("--name", metavar="N", default="", help="What it is called; its code unless told.")
@click.option(
    "--admin",
    metavar="EMAIL",
    default="",
    help="Its first admin; you unless told. Gets a one-time link if they have no account.",
)
@totp_option
def create(org: str, name: str, admin: str, totp: str | None) -> None:
    """Found an org with this code, such as `acme`."""
    request = CreateOrgRequest(code=org, name=name, admin=admin)
    made = with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request))
    fields = [(column.heading, column.value(made)) for column in _COLUMNS]
    if made.invitation:
        fields += [("invited", made.invitation.invitation.email), ("link", made.invitation.url)]
    emit(made, fields)


@orgs.command("invite-admin")
@click.argument("org")
@click.option("--email", metavar="E", required=True, help="Their e-mail address.")
@totp_option
def invite_admin(org: str, email: str, totp: str | None) -> None:
    """Make the one-time link for the admin of an org that has none, for server operators."""
    emit_link(
        with_step_up(
            totp,
            lambda api: api.call(endpoints.INVITE_ADMIN, org, body=InviteAdminRequest(email=email)),
        )
    )


@orgs.command()
@click.option("--name", metavar="N", help="What it is called from now on.")
@click.option(
    "--allow-shared-workers",
    type=click.BOOL,
    metavar="true|false",
    help="Whether shared workers may carry out what the org runs.",
)
@click.option(
    "--max-running",
    type=click.IntRange(0, 10_000),
    metavar="N",
    help="How many automations of the org run at once; 0: any number.",
)
@click.option(
    "--max-waiting",
    type=click.IntRange(0, 100_000),
    metavar="N",
    help="How many of them wait, for people or a worker; what is more is refused. 0: any number.",
)
@click.option(
    "--log-retention-days",
    type=click.IntRange(0, 36_500),
    metavar="N",
    help="For how many days logs are kept, if the server keeps them as long; 0: as the server.",
)
@click.option(
    "--max-log-mib",
    type=click.IntRange(0, 1 << 30),
    metavar="N",
    help="How much the logs may take on the server's disk: beyond it, and beyond the server's own "
    "limit, the oldest are removed. 0: as the server.",
)
@totp_option
def update(
    name: str | None, allow_shared_workers: bool | None, totp: str | None, **limits: int | None
) -> None:
    """Change what is given of the org that you are logged in to."""
    asked = {"name": name, "allows_shared_workers": allow_shared_workers}
    given: dict[str, object] = {field: value for field, value in asked.items() if value is not None}
    given |= {field: value or None for field, value in limits.items() if value is not None}
    if not given:
        raise UsageError(
            "nothing to change is given", hint="`opsicle orgs update --help` shows what can be."
        )
    request = msgspec.convert(given, UpdateOrgRequest)
    code = connect().call(accounts_endpoints.WHOAMI).org.code
    _emit(with_step_up(totp, lambda api: api.call(endpoints.UPDATE, code, body=request)))


@orgs.command()
@click.argument("org")
@click.option(
    "--into",
    metavar="P",
    help="Profile to keep the new login in; the current one stays as it is then.",
)
def switch(org: str, into: str | None) -> None:
    """Go to another of your orgs.

    A new session there, in the place of the current one unless `--into` is given.
    """
    session = current_session()
    is_kept = into is not None and into != current().profile
    reply = connect(session).call(endpoints.SWITCH, org, body=SwitchRequest(is_kept=is_kept))
    changed = msgspec.structs.replace(
        session, token=reply.token, org=reply.me.org.code, email=reply.me.user.email
    )
    kept_sessions().save(into or current().profile, changed)
    document = {"org": reply.me.org, "role": reply.me.role, "profile": into or current().profile}
    emit(
        document,
        [
            ("org", reply.me.org.code),
            ("role", reply.me.role),
            ("profile", into or current().profile),
        ],
    )


@orgs.command("server-operators")
@click.option("--add", metavar="EMAIL", help="Let the owner of this account run the server too.")
@click.option("--remove", metavar="EMAIL", help="Take it from this one.")
@limit
@totp_option
def server_operators(
    add: str | None, remove: str | None, limit: int | None, totp: str | None
) -> None:
    """List who runs the server, after the change that is given, if one is."""
    if add:
        with_step_up(
            totp,
            lambda api: api.call(
                endpoints.ADD_SERVER_OPERATOR, body=NameServerOperatorRequest(email=add)
            ),
        )
    if remove:
        with_step_up(totp, lambda api: api.call(endpoints.REMOVE_SERVER_OPERATOR, remove))
    emit_list(connect().pages(endpoints.LIST_SERVER_OPERATORS), _ADMIN_COLUMNS, limit=limit)


@orgs.command("release-queue")
@totp_option
def release_queue(totp: str | None) -> None:
    """Hand out what waits on a server whose queue is held after a restore, for server operators."""
    state = with_step_up(totp, lambda api: api.call(endpoints.RELEASE_QUEUE))
    emit(
        state, [("epoch", state.epoch), ("held", state.held), ("remarks", "; ".join(state.remarks))]
    )


def _emit(org: Org) -> None:
    emit(org, [(column.heading, column.value(org)) for column in _COLUMNS])


orgs.add_command(export_org)
orgs.add_command(import_org)
