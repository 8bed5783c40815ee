"""The part of `opsicle orgs` that is for those who run the server, and what one's own org uses."""

from __future__ import annotations

import click
import msgspec

from opsicle.cli.log_searches import size_text
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, Fields, emit
from opsicle.cli.root import VerbCommand
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import ask
from opsicle.domain.errors import UsageError
from opsicle.wire.endpoints import operation as endpoints
from opsicle.wire.operation_api import (
    ChangeQuotasRequest,
    DeleteOrgRequest,
    OperatedOrg,
    OrgQuotas,
    OrgUsage,
    SuspendRequest,
)

COLUMNS = [
    Column("code", lambda org: org.code),
    Column("name", lambda org: org.name),
    Column("suspended", lambda org: org.suspended_at),
    Column("last day", lambda org: org.usage.automations_last_day),
    Column("30 days", lambda org: org.usage.automations_last_30_days),
    Column("last activity", lambda org: org.usage.last_activity_at),
    Column("members", lambda org: org.usage.member_count),
    Column("workers", lambda org: org.usage.worker_count),
    Column("logs", lambda org: size_text(org.usage.log_bytes)),
    Column("files", lambda org: size_text(org.usage.artifact_bytes)),
    Column("id", lambda org: org.id),
]


@click.command(cls=VerbCommand)
@click.argument("org")
def inspect(org: str) -> None:
    """Show the size, activity and quotas of any org of the server, for server operators."""
    emit_org(connect().call(endpoints.SHOW, org))


@click.command(cls=VerbCommand)
@click.argument("org")
@click.option(
    "--automations-an-hour",
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="How many automations it triggers in any hour; what is more is refused. 0: any number.",
)
@click.option(
    "--log-mib",
    type=click.IntRange(0, 1 << 30),
    metavar="N",
    help="How much its logs take on disk: the oldest go, then new ones are truncated. "
    "0: as the server has it.",
)
@click.option(
    "--artifact-mib",
    type=click.IntRange(0, 1 << 30),
    metavar="N",
    help="How much its artifacts and files take; what is more is refused. 0: as the server has it.",
)
@totp_option
def quota(org: str, totp: str | None, **quotas: int | None) -> None:
    """Change what an org may use, for server operators."""
    given = {name: count or None for name, count in quotas.items() if count is not None}
    if not given:
        raise UsageError(
            "nothing to change is given", hint="`opsicle orgs quota --help` shows what can be."
        )
    request = msgspec.convert(given, ChangeQuotasRequest)
    emit_org(with_step_up(totp, lambda api: api.call(endpoints.CHANGE_QUOTAS, org, body=request)))


@click.command(cls=VerbCommand)
@click.argument("org")
@click.option("--reason", metavar="TEXT", default="", help="Why, which its people are shown.")
@click.option(
    "--cancel-running",
    is_flag=True,
    help="Cancel what runs and what waits. Without, what runs goes on, what waits waits on.",
)
@totp_option
def suspend(org: str, reason: str, cancel_running: bool, totp: str | None) -> None:
    """Let an org start nothing any more, for server operators. Its people may read."""
    request = SuspendRequest(reason=reason, cancels_running=cancel_running)
    emit_org(with_step_up(totp, lambda api: api.call(endpoints.SUSPEND, org, body=request)))


@click.command(cls=VerbCommand)
@click.argument("org")
@totp_option
def resume(org: str, totp: str | None) -> None:
    """Let a suspended org go on, and keep one that was to be deleted, for server operators."""
    emit_org(with_step_up(totp, lambda api: api.call(endpoints.RESUME, org)))


@click.command(cls=VerbCommand)
@click.argument("org")
@click.option(
    "--confirm", metavar="ORG", help="The org's code again, instead of typing it when asked."
)
@click.option(
    "--grace-days",
    type=click.IntRange(0, 90),
    default=7,
    metavar="N",
    help="In how many days; until then it is suspended, and `orgs resume` keeps it.",
)
@totp_option
def delete(org: str, confirm: str | None, grace_days: int, totp: str | None) -> None:
    """Have an org deleted, with everything that is of it, for server operators."""
    typed = confirm or ask(f"Type {org} to have all of it deleted", "--confirm")
    request = DeleteOrgRequest(confirm=typed, grace_days=grace_days)
    emit_org(with_step_up(totp, lambda api: api.call(endpoints.DELETE, org, body=request)))


@click.command(cls=VerbCommand)
def usage() -> None:
    """Show what the org that you are logged in to uses, and what it may."""
    own = connect().call(endpoints.OWN_USAGE)
    emit(own, usage_fields(own.usage, own.quotas))


COMMANDS = (inspect, quota, suspend, resume, delete, usage)


def emit_org(org: OperatedOrg) -> None:
    """Print an org as those see it who run the server."""
    fields: list[tuple[str, object]] = [("code", org.code), ("name", org.name), ("id", org.id)]
    if org.suspended_at:
        fields += [("suspended", org.suspended_at), ("because", org.suspended_reason)]
    if org.delete_at:
        fields += [("deleted at", org.delete_at), ("asked by", org.deletion_asked_by)]
    if done := org.removal:
        fields.append(("removed", f"{done.automations_removed:,} of {done.automations:,}"))
    emit(org, [*fields, *usage_fields(org.usage, org.quotas)])


def usage_fields(usage: OrgUsage, quotas: OrgQuotas) -> Fields:
    """Return what an org uses and may use, as lines with a heading each."""
    hourly = quotas.automations_an_hour
    of_hour = f"{usage.automations_last_hour:,}" + (f" of {hourly:,}" if hourly else "")
    logs, most_logs = size_text(usage.log_bytes), size_text(usage.most_log_bytes)
    files, most_files = size_text(usage.artifact_bytes), size_text(usage.most_artifact_bytes)
    return [
        ("last hour", of_hour),
        ("last day", usage.automations_last_day),
        ("last 30 days", usage.automations_last_30_days),
        ("last activity", usage.last_activity_at),
        ("logs", f"{logs} of {most_logs}"),
        ("files", f"{files} of {most_files}"),
        ("automations", usage.automations),
        ("entries in the record", usage.audit_entries),
        ("members", usage.member_count),
        ("workers", usage.worker_count),
    ]
