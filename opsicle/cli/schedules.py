"""`opsicle schedules`: what runs templates by itself, at times."""

from __future__ import annotations

from datetime import datetime

import click

from opsicle.cli import versioned
from opsicle.cli.automation_details import emit_automation
from opsicle.cli.invocation import current
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list, print_json
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.client.automations import trigger
from opsicle.wire.document_api import PushRequest
from opsicle.wire.endpoints import schedules as endpoints
from opsicle.wire.schedule_api import LastStart, ScheduleSummary, ScheduleVersion


def _times(schedule: ScheduleSummary) -> str:
    if schedule.every:
        return f"every {schedule.every} s"
    return f"{schedule.cron} {schedule.time_zone}"


def _outcome(last: LastStart | None) -> str:
    """Return what became of the last time: how the automation ended, if one was started."""
    if last is None:
        return ""
    is_started = last.outcome == "started"
    return str(last.automation_state) if is_started and last.automation_state else last.outcome


_COLUMNS = [
    Column("name", lambda schedule: schedule.name),
    Column("state", lambda schedule: schedule.state),
    Column("template", lambda schedule: schedule.template),
    Column("times", _times),
    Column("next", lambda schedule: schedule.next_at),
    Column("last", lambda schedule: _outcome(schedule.last_start)),
    Column("runs as", lambda schedule: schedule.runs_as.email),
]

_VERSION_COLUMNS = [
    Column("version", lambda schedule: schedule.version),
    Column("template", lambda schedule: schedule.template),
    Column("times", _times),
    Column("runs as", lambda schedule: schedule.runs_as.email),
    Column("pushed", lambda schedule: schedule.pushed_at),
    Column("by", lambda schedule: schedule.pushed_by.email),
    Column("message", lambda schedule: schedule.message),
]


@click.group(cls=NounGroup)
def schedules() -> None:
    """Run templates by themselves, at times of a cron rule or every so often."""


@schedules.command()
@versioned.files_argument
@versioned.message_option
@totp_option
def push(files: tuple[str, ...], message: str, totp: str | None) -> None:
    """Make files the newest versions of their schedules.

    One file makes one JSON object, several an array.

    A schedule runs as you, or as the service account that its `runAs` names.
    """
    versioned.push_files(
        files,
        totp,
        lambda api, source: api.call(endpoints.PUSH, body=PushRequest(source, message)),
        lambda done: done.warnings,
    )


@schedules.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the schedules with their next times and what became of the last ones."""
    emit_list(connect().pages(endpoints.LIST_SCHEDULES), _COLUMNS, limit=limit)


@schedules.command()
@click.argument("name")
@versioned.version_option
@versioned.source_option
def show(name: str, version: int | None, *, source: bool) -> None:
    """Show one schedule."""
    schedule = versioned.fetch(connect(), endpoints.SHOW, endpoints.SHOW_VERSION, name, version)
    versioned.show_version(schedule, _fields(schedule), source=source)


@schedules.command()
@click.argument("name")
@limit
def versions(name: str, limit: int | None) -> None:
    """List the versions of one schedule."""
    emit_list(connect().pages(endpoints.LIST_VERSIONS, name), _VERSION_COLUMNS, limit=limit)


@schedules.command("next")
@click.argument("name")
@click.option(
    "--count",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    help="How many times to show.",
)
def next_(name: str, count: int) -> None:
    """Show the next times of a schedule, in its time zone; JSON has them in UTC.

    `jitter` comes on top of them. A schedule that is paused has none.
    """
    found = connect().call(endpoints.NEXT_TIMES, name, query={"count": count})
    if current().wants_json:
        print_json(found.next_times)
        return
    for at in found.next_times:
        click.echo(_local(at, found.time_zone))


@schedules.command()
@click.argument("name")
@totp_option
def run(name: str, totp: str | None) -> None:
    """Run now what a schedule starts, as yourself; its times stay as they are."""
    emit_automation(with_step_up(totp, lambda api: trigger(api, endpoints.RUN, name)))


@schedules.command()
@click.argument("name")
def pause(name: str) -> None:
    """Let a schedule start nothing by itself until it is resumed."""
    schedule = connect().call(endpoints.PAUSE, name)
    emit(schedule, _fields(schedule))


@schedules.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let a paused schedule go on with its next time."""
    schedule = connect().call(endpoints.RESUME, name)
    emit(schedule, _fields(schedule))


@schedules.command()
@click.argument("name")
@totp_option
def delete(name: str, totp: str | None) -> None:
    """Take a schedule out of use. What it has started goes on."""
    versioned.delete_document(name, totp, lambda api: api.call(endpoints.DELETE, name))


def _fields(schedule: ScheduleVersion) -> list[tuple[str, object]]:
    last = schedule.last_start
    return [
        ("name", schedule.name),
        ("state", schedule.state),
        ("version", f"{schedule.version} of {schedule.latest_version}"),
        ("template", schedule.template),
        ("values", schedule.values),
        ("times", _times(schedule)),
        ("jitter", f"up to {schedule.jitter} s" if schedule.jitter else ""),
        ("missed", schedule.missed),
        ("overlap", schedule.overlap),
        ("next", schedule.next_at),
        ("last", _outcome(last)),
        ("at", last.at if last else None),
        ("why", last.reason if last else ""),
        ("automation", last.automation_id if last else None),
        ("runs as", schedule.runs_as.email),
        ("pushed", schedule.pushed_at),
        ("pushed by", schedule.pushed_by.email),
        ("message", schedule.message),
        ("digest", schedule.digest),
    ]


def _local(at: datetime, time_zone: str) -> str:
    """Return a time in a zone, in UTC where this machine does not know the zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return at.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
    except ZoneInfoNotFoundError:
        return at.strftime("%Y-%m-%d %H:%M:%S UTC")
