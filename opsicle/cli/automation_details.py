"""How one automation is printed, with its phases, machines, calls and chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from opsicle.cli.invocation import current
from opsicle.cli.output import emit, print_table, seconds_between
from opsicle.cli.results import show_results
from opsicle.cli.template_versions import with_version
from opsicle.cli.terminal import printable
from opsicle.domain.calls import ChainState
from opsicle.wire.phase_api import PhaseRun
from opsicle.wire.starts import CalledAutomation, ChainedStart, LaterRun
from opsicle.wire.user_api import Automation


def emit_automation(automation: Automation) -> None:
    """Print one automation, whole."""
    emit(automation, _fields(automation))
    if current().wants_json:
        return

    show_results(automation.outputs, automation.summary, click.echo)
    if automation.targets:
        _print_targets(automation)
    elif automation.phases:
        _print_phases(automation)
    if any(phase.calls for phase in automation.phases):
        _print_called(automation)
    if automation.chained_starts:
        _print_chain(automation)


def _print_targets(automation: Automation) -> None:
    click.echo()
    rows = [
        [
            target.name,
            target.state,
            seconds_between(target.started_at, target.finished_at),
            "" if target.exit_code is None else str(target.exit_code),
            target.automation_id or "",
            target.reason,
        ]
        for target in automation.targets
    ]
    headings = ["TARGET", "STATE", "TOOK", "EXIT CODE", "AUTOMATION", "WHY"]
    print_table(headings, [[printable(cell) for cell in row] for row in rows])


def _print_called(automation: Automation) -> None:
    click.echo()
    rows = [row for phase in automation.phases for row in _called(phase.calls, phase.name, "")]
    headings = ["PHASE", "CALLED", "STATE", "AUTOMATION"]
    print_table(headings, [[printable(cell) for cell in row] for row in rows])


def _called(calls: Sequence[CalledAutomation], phase: str, indent: str) -> Iterator[list[str]]:
    """Yield a row for each, and below it what that has called."""
    for call in calls:
        refused = f"could not start: {call.reason}" if call.reason else ""
        state = refused or call.automation_state or call.state
        yield [phase, indent + call.template, state, call.automation_id or ""]
        yield from _called(call.calls, "", indent + "  ")


def _print_chain(automation: Automation) -> None:
    click.echo()
    rows = [
        [f"on {start.event}", start.template, _outcome(start), start.automation_id or ""]
        for start in automation.chained_starts
    ]
    headings = ["STARTS AFTERWARDS", "TEMPLATE", "STATE", "AUTOMATION"]
    print_table(headings, [[printable(cell) for cell in row] for row in rows])


def _outcome(start: ChainedStart) -> str:
    if start.state is ChainState.REFUSED:
        return f"could not start: {start.reason}"
    return start.automation_state or start.state


def _print_phases(automation: Automation) -> None:
    click.echo()
    rows = [[f"plan: {name}", *rest] for phase in automation.plan for name, *rest in _rows(phase)]
    rows += [row for phase in automation.phases for row in _rows(phase)]
    headings = ["PHASE", "STATE", "TOOK", "ENDED WITH"]
    print_table(headings, [[printable(cell) for cell in row] for row in rows])


def _rows(phase: PhaseRun) -> Iterator[list[str]]:
    """Yield a phase's row, and one below it for each try that another one followed."""
    took = seconds_between(phase.started_at, phase.finished_at)
    yield [phase.name, phase.state, took, _ending(phase)]

    for number, failed in enumerate(phase.failed_tries, start=1):
        took = seconds_between(failed.started_at, failed.finished_at)
        ended = failed.explanation or f"exit code {failed.exit_code}"
        yield [f"  attempt {number}", "failed", took, ended]


def _fields(automation: Automation) -> list[tuple[str, object]]:
    is_part = automation.started_by.kind == "fan_out"
    return [
        ("id", automation.id),
        ("state", automation.state),
        ("why", automation.explanation or automation.waiting_reason),
        ("log", automation.log_remark),
        ("approval", automation.approval_id),
        ("template", with_version(automation.template, automation.version)),
        ("values", automation.values),
        ("requester", automation.requester.email),
        ("part of" if is_part else "started by", _starter(automation)),
        ("target", automation.target),
        ("depth", automation.depth or ""),
        ("reason", automation.reason),
        ("rerun of", automation.rerun_of),
        ("goes on from", automation.resumed_from),
        ("resumed by", _later(automation.resumed_by)),
        ("rerun by", _later(automation.rerun_by)),
        ("workspace", _kept(automation)),
        ("worker", automation.worker.name if automation.worker else ""),
        ("runs on", automation.runs_on),
        ("runs where", automation.runs_on_where),
        ("only on", automation.only_worker),
        ("priority", automation.priority),
        ("group", _group(automation)),
        ("cancel asked for", automation.is_cancel_requested or ""),
        ("exit code", automation.exit_code),
        ("created", automation.created_at),
        ("starts", automation.start_at),
        ("started", automation.started_at),
        ("finished", automation.finished_at),
        ("log bytes", automation.log_bytes),
    ]


def _later(runs: Sequence[LaterRun]) -> list[str]:
    return [f"{each.automation_id} ({each.state})" for each in runs]


def _kept(automation: Automation) -> str:
    job = automation.jobs[-1] if automation.jobs else None
    if job is None or job.workspace_kept_until is None:
        return ""
    return f"{job.worker.name} keeps it until {job.workspace_kept_until:%Y-%m-%d %H:%M} UTC"


def _starter(automation: Automation) -> str:
    """Return what started it, "" where its requester did."""
    started_by = automation.started_by
    is_own = started_by.name == automation.requester.email
    kind = "" if started_by.kind == "fan_out" else started_by.kind
    text = f"{kind} {started_by.name} {started_by.automation_id or ''}".strip()
    return "" if is_own else text


def _group(automation: Automation) -> str:
    if automation.concurrency_group is None:
        return ""
    held = ", held until it is released" if automation.is_group_held else ""
    return f"{automation.concurrency_group}, at most {automation.concurrency_limit} at once{held}"


def _ending(phase: PhaseRun) -> str:
    ended = phase.explanation or ("" if phase.exit_code is None else f"exit code {phase.exit_code}")
    has_more = phase.tries > 1 and phase.state != "running" and ended
    return f"{ended}, at attempt {phase.tries} of {phase.tries_allowed}" if has_more else ended
