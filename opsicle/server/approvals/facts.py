"""What a message says of one approval.

Enough to know what one is asked, and where to look for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from opsicle.domain.approvals import ApprovalState
from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundFanOut
from opsicle.domain.problems import first_names
from opsicle.domain.resume_points import in_words
from opsicle.domain.run_windows import RunWindow
from opsicle.domain.templates import Phase
from opsicle.server.approvals.cases import Case
from opsicle.server.approvals.manifests import calls_of, fan_out_of, only_worker_of
from opsicle.server.approvals.waiting import waiting_for
from opsicle.server.channels.messages import Fact
from opsicle.server.store.approvals import DecisionRow

_MOST_COMMANDS = 12
_MOST_MACHINES = 20


def approval_facts(case: Case, now: datetime) -> tuple[Fact, ...]:
    """Return what runs, who has to agree, and until when.

    Of one that is over, who decided what and why it ended.
    """
    decided = Fact("Decided", "; ".join(_decisions(case)))
    if case.row.state is not ApprovalState.PENDING:
        return decided, Fact("Explanation", case.row.explanation)
    status, phase, point = case.status(now), case.phase, case.resume_point
    until = min((gate.expires_at for gate in status.open_gates if gate.expires_at), default=None)
    return (
        *_at_pause(phase),
        Fact("Planned", "" if phase else case.automation.planned_window.text),
        Fact("Resumes", in_words(point, case.template.phases) if point else ""),
        *_machines(case),
        Fact("Goes on with" if phase else "Runs", _commands(_to_come(case))),
        Fact("Waits for", waiting_for(case, status, now)),
        Fact("Until", f"{until:%Y-%m-%d %H:%M} UTC" if until else ""),
        decided,
    )


def _machines(case: Case) -> Iterator[Fact]:
    """Yield on which machines it, and what it calls, runs one by one, or on which one alone.

    Nothing where any that fits may take it.
    """
    if case.problem:
        return
    chosen = only_worker_of(case.automation)
    yield Fact("Only on", chosen.shown if chosen else "")
    yield Fact("Machines", _names(fan_out_of(case.automation)))
    yield from _machines_of_calls(calls_of(case.automation))


def _machines_of_calls(calls: Iterable[BoundCall]) -> Iterator[Fact]:
    for call in calls:
        yield Fact(f"Machines of {call.template}", _names(call.fan_out))
        yield from _machines_of_calls(call.calls)


def _names(fan_out: BoundFanOut | None) -> str:
    names = [member.shown for member in fan_out.members] if fan_out else []
    return first_names(names, _MOST_MACHINES)


def _to_come(case: Case) -> tuple[Phase, ...]:
    point = case.resume_point
    first = point.first_phase if point else 0
    return case.template.phases[first if case.row.phase is None else case.row.phase + 1 :]


def _at_pause(phase: Phase | None) -> tuple[Fact, ...]:
    """Return what a job that waits in its midst asks of people."""
    if phase is None:
        return ()
    if phase.pause is None:
        commands = f"retry, skip or abort, by page or `approvals approve ID {_CHOOSE}`"
        return Fact("Failed at", phase.name), Fact("Choose", commands)
    asked = [f"{each.id} ({each.label or each.type})" for each in phase.pause.variables]
    return (
        Fact("Waits at", phase.name),
        Fact("Asks", phase.pause.message),
        Fact("Needs values", ", ".join(asked)),
    )


_CHOOSE = "--choice retry|skip|abort"


def _commands(phases: tuple[Phase, ...]) -> str:
    lines = [
        f"{phase.name}: {line}"
        for phase in phases
        for line in (*phase.commands, *(f"calls {call.template}" for call in phase.calls))
    ]
    left = len(lines) - _MOST_COMMANDS
    return "\n".join(lines[:_MOST_COMMANDS]) + (
        f"\n… and {left} more: see the page" if left > 0 else ""
    )


def _window(decision: DecisionRow) -> str:
    times = decision.window
    return RunWindow(not_before=times.not_before, not_after=times.not_after).text


def _decisions(case: Case) -> list[str]:
    return [
        f"{each.email}: {each.verdict} on {each.gate}"
        + (f" ({each.reason})" if each.reason else "")
        + (f", {_window(each)}" if each.window.text else "")
        for each in case.decisions
    ]
