"""The part of `opsicle orgs` that is for those who run the server, and what one's own org uses."""

from __future__ import annotations

import click
import msgspec

from opsicle.cli.log_searches import size_text
from opsicle.cli.mfa import totp_option, with_proof
from opsicle.cli.output import Column, Fields, emit
from opsicle.cli.sessions import connect
from opsicle.domain.errors import UsageError
from opsicle.wire.endpoints import operation as endpoints
from opsicle.wire.operation_api import ChangeQuotasRequest, OperatedOrg, OrgQuotas, OrgUsage

COLUMNS = [
    Column("code", lambda org: org.code),
    Column("name", lambda org: org.name),
    Column("last day", lambda org: org.usage.automations_last_day),
    Column("30 days", lambda org: org.usage.automations_last_30_days),
    Column("last activity", lambda org: org.usage.last_activity_at),
    Column("members", lambda org: org.usage.members),
    Column("workers", lambda org: org.usage.workers),
    Column("logs", lambda org: size_text(org.usage.log_bytes)),
    Column("files", lambda org: size_text(org.usage.artifact_bytes)),
    Column("id", lambda org: org.id),
]


@click.command()
@click.argument("org")
def inspect(org: str) -> None:
    """Show the size, activity and quotas of any org of the server, for server operators."""
    emit_org(connect().call(endpoints.SHOW, org))


@click.command()
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
    emit_org(with_proof(totp, lambda api: api.call(endpoints.CHANGE_QUOTAS, org, body=request)))


@click.command()
def usage() -> None:
    """Show what the org that you are logged in to uses, and what it may."""
    own = connect().call(endpoints.OWN_USAGE)
    emit(own, usage_fields(own.usage, own.quotas))


COMMANDS = (inspect, quota, usage)


def emit_org(org: OperatedOrg) -> None:
    """Print an org as those see it who run the server."""
    fields = [("code", org.code), ("name", org.name), ("id", org.id)]
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
        ("members", usage.members),
        ("workers", usage.workers),
    ]
