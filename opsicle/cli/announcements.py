"""`opsicle announcements`: what those who run the server tell its people."""

from __future__ import annotations

import click
import msgspec

from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.times import future_time
from opsicle.wire.announcement_api import CreateAnnouncementRequest
from opsicle.wire.endpoints import announcements as endpoints

_COLUMNS = [
    Column("id", lambda announcement: announcement.id),
    Column("severity", lambda announcement: announcement.severity),
    Column("org", lambda announcement: announcement.org or "all"),
    Column("from", lambda announcement: announcement.starts_at),
    Column("until", lambda announcement: announcement.ends_at or "deleted"),
    Column("text", lambda announcement: announcement.text),
    Column("by", lambda announcement: announcement.created_by),
]


@click.group(cls=NounGroup)
def announcements() -> None:
    """Tell people something on every page and at the terminal, for server operators."""


@announcements.command("list")
@limit
def list_(limit: int | None) -> None:
    """List announcements, also those to come and those that ended within 30 days."""
    emit_list(connect().pages(endpoints.LIST), _COLUMNS, limit=limit)


@announcements.command()
@click.argument("text")
@click.option(
    "--severity",
    type=click.Choice(["info", "warning"]),
    default="info",
    help="How it looks; `info` unless told.",
)
@click.option("--org", metavar="CODE", default="", help="For this org alone; for all unless told.")
@click.option(
    "--from",
    metavar="TIME",
    help="From when on: a time, or in how long, as in 2h; now unless told.",
)
@click.option(
    "--until",
    metavar="TIME",
    help="Until when: a time, or in how long, as in 7d; until it is deleted unless told.",
)
@totp_option
def create(text: str, severity: str, org: str, totp: str | None, **when: str | None) -> None:
    """Announce one line of plain TEXT to the people of all orgs, or of one."""
    given = {
        "text": text,
        "severity": severity,
        "org": org,
        "starts_at": future_time(when["from"], "--from"),
        "ends_at": future_time(when["until"], "--until"),
    }
    request = msgspec.convert(given, CreateAnnouncementRequest)
    made = with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request))
    emit(made, [(column.heading, column.value(made)) for column in _COLUMNS])


@announcements.command()
@click.argument("announcement")
@totp_option
def delete(announcement: str, totp: str | None) -> None:
    """Take an announcement back, by id: nobody is shown it from now on."""
    with_step_up(totp, lambda api: api.call(endpoints.DELETE, announcement))
    emit({"id": announcement, "is_deleted": True}, [("deleted", announcement)])
