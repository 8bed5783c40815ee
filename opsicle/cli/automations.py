"""`opsicle automations`: what runs and what ran."""

from __future__ import annotations

from typing import Any

import click

from opsicle.cli.automation_details import emit_automation
from opsicle.cli.invocation import current
from opsicle.cli.listing import limit
from opsicle.cli.live_display import show_live
from opsicle.cli.log_searches import ignore_case, print_search_progress, regex, stream
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit_list, seconds_between
from opsicle.cli.results import show_results
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.template_versions import with_version
from opsicle.cli.terminal import say
from opsicle.cli.times import PastTime, past_time
from opsicle.cli.trail import trail
from opsicle.client.automations import trigger
from opsicle.client.logs import LogSearchProgress, search_logs
from opsicle.domain.automations import AutomationState
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.user_api import Automation, AutomationSummary

_MOST_FOUND = 100
"""Lines that a search shows unless told."""


def _what(automation: AutomationSummary) -> str:
    """Return what it runs, and for which machine if it is the part for one."""
    machine = f" on {automation.target}" if automation.target else ""
    return f"{with_version(automation.template, automation.version)}{machine}"


_COLUMNS = [
    Column("id", lambda automation: automation.id),
    Column("state", lambda automation: automation.state),
    Column("template", _what),
    Column("requester", lambda automation: automation.requester.email),
    Column("worker", lambda automation: automation.worker.name if automation.worker else ""),
    Column("created", lambda automation: automation.created_at),
    Column(
        "took", lambda automation: seconds_between(automation.started_at, automation.finished_at)
    ),
]


@click.group(cls=NounGroup)
def automations() -> None:
    """Follow and steer automations, which are templates that were run."""


@automations.command("list")
@click.option(
    "--state",
    type=click.Choice([*map(str, AutomationState)]),
    multiple=True,
    help="Only those in this state; may be given several times.",
)
@click.option("--template", metavar="NAME", help="Only those of this template.")
@click.option(
    "--requester", metavar="EMAIL", help="Only those that this person or service account triggered."
)
@click.option(
    "--since",
    type=PastTime(),
    metavar="TIME",
    help="Only those from this time on: 2026-03-01, 2026-03-01T12:00:00Z, 90m, 12h, 7d.",
)
@click.option("--until", type=PastTime(), metavar="TIME", help="Only those from before this time.")
@limit
def list_(
    limit: int | None,
    since: str | None,
    until: str | None,
    state: tuple[str, ...],
    **filters: str | None,
) -> None:
    """List automations, newest first."""
    times = {"since": past_time(since), "until": past_time(until)}
    query = {**filters, **times, "state": ",".join(state)}
    found = connect().pages(endpoints.LIST_AUTOMATIONS, query=query)
    emit_list(found, _COLUMNS, limit=limit, table_limit=100)


_PLANNED_COLUMNS = [
    Column("starts", lambda automation: automation.start_at),
    *(column for column in _COLUMNS if column.heading in {"id", "state", "template", "requester"}),
    Column("reason", lambda automation: automation.reason),
]


@automations.command()
@limit
def planned(limit: int | None) -> None:
    """List what was planned with `opsicle run --at`, the next one first."""
    emit_list(connect().pages(endpoints.PLANNED), _PLANNED_COLUMNS, limit=limit)


_FOUND_COLUMNS = [
    Column("automation", lambda found: found.automation_id),
    Column("template", lambda found: found.template),
    Column("at", lambda found: found.at),
    Column("line", lambda found: found.line),
    Column("text", lambda found: found.text),
]


@automations.command()
@click.argument("text")
@click.option(
    "--since",
    type=PastTime(),
    metavar="TIME",
    help="Only lines from this time on: 2026-03-01, 90m, 7d.",
)
@click.option("--until", type=PastTime(), metavar="TIME", help="Only lines from before this time.")
@click.option("--template", metavar="NAME", help="Only in automations of this template.")
@stream
@regex
@ignore_case
@click.option("--cursor", default="", metavar="C", help="Go on where a search before has stopped.")
@limit
def search(text: str, limit: int | None, cursor: str, **wanted: Any) -> None:
    """Search the logs of automations for a text, the newest first.

    Of each automation the log of its newest attempt. Ends after 100 lines unless told.
    """
    most = limit or _MOST_FOUND
    query = {
        **wanted,
        "text": text,
        "since": past_time(wanted["since"]),
        "until": past_time(wanted["until"]),
    }
    progress = LogSearchProgress(cursor=cursor)
    found = search_logs(connect(), query, most, progress)
    emit_list(found, _FOUND_COLUMNS, limit=most)
    print_search_progress(progress)


@automations.command()
@click.argument("automation_id", metavar="ID")
def show(automation_id: str) -> None:
    """Show one automation with its phases."""
    emit_automation(connect().call(endpoints.SHOW, automation_id))


@automations.command()
@click.argument("automation_id", metavar="ID")
def cancel(automation_id: str) -> None:
    """Stop an automation. Clean-up phases still run."""
    emit_automation(connect().call(endpoints.CANCEL, automation_id))


@automations.command()
@click.argument("automation_id", metavar="ID")
def release(automation_id: str) -> None:
    """Let the others of its group begin, once you have seen what an `unknown` one did.

    Nobody can say how it ended, so it holds its concurrency group until somebody has looked at the
    target.
    """
    emit_automation(connect().call(endpoints.RELEASE, automation_id))


follow_option = click.option(
    "--follow", is_flag=True, help="Show the log live, and end with the automation's exit code."
)


@automations.command()
@click.argument("automation_id", metavar="ID")
@follow_option
@totp_option
def rerun(automation_id: str, *, follow: bool, totp: str | None) -> AutomationState | None:
    """Run the same template version with the same values again, as a new automation."""
    made = with_step_up(totp, lambda api: trigger(api, endpoints.RERUN, automation_id))
    return show_new(made, follow=follow)


@automations.command()
@click.argument("automation_id", metavar="ID")
@click.option(
    "--phase-from",
    metavar="PHASE",
    default="",
    help="Go on at this phase instead: the one that failed, or an earlier one.",
)
@click.option(
    "--accept-unknown",
    is_flag=True,
    help="Go on though nobody can say what the phase did at which it was lost: it may run twice.",
)
@click.option(
    "--fresh-workspace",
    is_flag=True,
    help="Go on in an empty workspace, though the template keeps that of the old one.",
)
@click.option(
    "--reason", metavar="TEXT", default="", help="Why; the old one's reason unless given."
)
@follow_option
@totp_option
def resume(  # noqa: PLR0913 - each is an option
    automation_id: str,
    phase_from: str,
    *,
    accept_unknown: bool,
    fresh_workspace: bool,
    reason: str,
    follow: bool,
    totp: str | None,
) -> AutomationState | None:
    """Go on where an automation has failed, as a new one.

    It has the old one's values, and what its phases have handed on; those that went well are not
    run again. It is approved like any run.
    """
    request = ResumeRequest(
        phase_from=phase_from,
        accept_unknown=accept_unknown,
        fresh_workspace=fresh_workspace,
        reason=reason,
    )
    made = with_step_up(
        totp, lambda api: trigger(api, endpoints.RESUME, automation_id, body=request)
    )
    return show_new(made, follow=follow)


def show_new(automation: Automation, *, follow: bool) -> AutomationState | None:
    """Print an automation that was just triggered; or show it live, and return how it ended."""
    if not follow:
        emit_automation(automation)
        return None

    say(f"automation {automation.id}")
    automation = show_live(connect(), automation)
    if current().wants_json:
        emit_automation(automation)
    else:
        show_results(automation.outputs, automation.summary, say)
    return automation.state


automations.add_command(trail)
