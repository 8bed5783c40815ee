"""`opsicle approvals`: the approver's inbox, what is asked, and deciding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from opsicle.cli.given_values import GivenValues, var_file_option, var_option
from opsicle.cli.invocation import current
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.phase_texts import phase_lines
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.template_versions import with_version
from opsicle.cli.terminal import ask, has_person, printable
from opsicle.cli.times import future_time
from opsicle.domain.approvals import Verdict
from opsicle.domain.automations import WorkerLost
from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundFanOut
from opsicle.domain.errors import InvalidInput
from opsicle.domain.fan_outs import fan_out_text
from opsicle.domain.pauses import ApprovalKind, Choice
from opsicle.domain.resume_points import in_words
from opsicle.domain.run_windows import RunWindow
from opsicle.domain.templates import Variable
from opsicle.domain.visible_text import visible_value
from opsicle.wire.approval_api import Approval, Comparison, DecisionRequest, GateView, ShownEvidence
from opsicle.wire.endpoints import approvals as endpoints

STATES = ("pending", "approved", "rejected", "expired", "withdrawn")

_COLUMNS = [
    Column("id", lambda approval: approval.id),
    Column("state", lambda approval: approval.state),
    Column("kind", lambda approval: approval.kind),
    Column("template", lambda approval: with_version(approval.template, approval.version)),
    Column("requester", lambda approval: approval.requester.email),
    Column("reason", lambda approval: approval.reason),
    Column("waits for", lambda approval: approval.waiting_for),
    Column("asked", lambda approval: approval.asked_at),
    Column("expires", lambda approval: approval.expires_at),
]

_reason = click.option(
    "--reason", metavar="R", default="", help="Why; everybody sees it with the decision."
)


@click.group(cls=NounGroup)
def approvals() -> None:
    """Decide on automations that wait for somebody to agree."""


@approvals.command("list")
@click.option(
    "--whose",
    type=click.Choice(["inbox", "asked", "all"]),
    default="inbox",
    help="`inbox`: what you may decide now; `asked`: what you asked for; `all` of the org.",
)
@click.option(
    "--state", type=click.Choice(STATES), help="Only those in this state; not for the inbox."
)
@limit
def list_(whose: str, state: str | None, limit: int | None) -> None:
    """List what waits for your decision, newest first."""
    emit_list(
        connect().pages(endpoints.LIST_APPROVALS, query={"whose": whose, "state": state or ""}),
        _COLUMNS,
        limit=limit,
        table_limit=100,
    )


@approvals.command()
@click.argument("approval_id", metavar="ID")
def show(approval_id: str) -> None:
    """Show what is asked: by whom and why, what will run, who else must agree, until when."""
    _emit(connect().call(endpoints.SHOW, approval_id))


@approvals.command()
@click.argument("approval_id", metavar="ID")
@_reason
@var_option
@var_file_option
@click.option(
    "--choice",
    type=click.Choice([str(each) for each in Choice]),
    help="After a failure: what is to become of it. `abort` rejects.",
)
@click.option(
    "--not-before",
    metavar="TIME",
    help="Let it begin then at the earliest: 2026-03-01T22:00:00Z, 2026-03-01 22:00 (local), 2h.",
)
@click.option("--not-after", metavar="TIME", help="If it has not begun by then it expires.")
@totp_option
def approve(  # noqa: PLR0913, PLR0917 - its options
    approval_id: str,
    reason: str,
    var: Sequence[str],
    var_file: Path | None,
    choice: str | None,
    not_before: str | None,
    not_after: str | None,
    totp: str | None,
) -> None:
    """Agree to exactly what `show` shows.

    With a window (`--not-before`, `--not-after`) it runs only if it can begin in it. A pause is
    given the values that it asks for, a failure what is to become of it.
    """
    window = (
        future_time(not_before, "--not-before"),
        future_time(not_after, "--not-after"),
    )
    api = connect()
    approval = api.call(endpoints.SHOW, approval_id)
    decision = _decision(approval, reason, totp)
    decision.not_before, decision.not_after = window

    given = GivenValues(var, var_file)
    if given or (approval.asked_variables and not approval.given and has_person()):
        decision.values = dict(given.read(approval.asked_variables, "this pause"))

    if choice is None and approval.kind is ApprovalKind.FAILURE and has_person():
        choice = ask(f"What now: {', '.join(Choice)}", "--choice")
    decision.choice = _known_choice(choice) if choice else None

    _emit(api.call(endpoints.APPROVE, approval_id, body=decision))


@approvals.command()
@click.argument("approval_id", metavar="ID")
@_reason
@totp_option
def reject(approval_id: str, reason: str, totp: str | None) -> None:
    """Refuse it."""
    api = connect()
    _emit(
        api.call(
            endpoints.REJECT,
            approval_id,
            body=_decision(api.call(endpoints.SHOW, approval_id), reason, totp),
        )
    )


@approvals.command()
@click.argument("approval_id", metavar="ID")
def withdraw(approval_id: str) -> None:
    """Take back what you asked for; its automation is cancelled."""
    _emit(connect().call(endpoints.WITHDRAW, approval_id))


def _known_choice(text: str) -> Choice:
    if text not in list(Choice):
        raise InvalidInput(f"{text[:40]!r} is no choice", hint=f"It is one of {', '.join(Choice)}.")
    return Choice(text)


def _decision(approval: Approval, reason: str, totp: str | None) -> DecisionRequest:
    """Return the decision with what its gates need, and ask on a terminal for what is missing."""
    if approval.needs_reason and not reason and has_person():
        reason = ask("Reason", "--reason")
    if approval.needs_totp and not totp and has_person():
        totp = ask("Code of your authenticator app", "--totp")
    evidence = approval.evidence.digest if approval.evidence else ""
    return DecisionRequest(reason=reason, totp=totp or "", evidence_digest=evidence)


def _emit(approval: Approval) -> None:
    emit(approval, _fields(approval))
    if current().wants_json:
        return
    for line in _body(approval):
        click.echo(line)


def _fields(approval: Approval) -> list[tuple[str, object]]:
    return [
        ("id", approval.id),
        ("state", approval.state),
        ("why", approval.explanation),
        ("kind", approval.kind),
        ("automation", approval.automation_id),
        ("waits at", approval.phase),
        ("asks people", approval.message),
        ("given values", approval.given or ""),
        ("asks", approval.requester.email),
        ("reason", approval.reason),
        ("template", with_version(approval.template, approval.version)),
        ("title", approval.display_name),
        (
            "runs on",
            approval.runs_on
            or ("" if approval.runs_on_where or approval.fan_out else "any worker"),
        ),
        ("runs where", approval.runs_on_where),
        ("group", approval.concurrency_group),
        (
            "runs on each of" if approval.fan_out else "workers that fit",
            approval.workers or "none is connected",
        ),
        ("how many", _how_many(approval.fan_out) if approval.fan_out else ""),
        ("policy", _policy(approval)),
        ("asked", approval.asked_at),
        ("expires", approval.expires_at),
        ("ended", approval.ended_at),
        ("may begin", approval.window),
        ("you may decide", approval.may_decide),
        ("manifest", f"sha256:{approval.manifest_digest}"),
        ("is as it was asked", approval.is_intact),
        ("stuck", approval.stuck),
        ("policy change", approval.policy_change),
    ]


def _how_many(fan_out: BoundFanOut) -> str:
    return fan_out_text(fan_out.parallel, fan_out.max_failures, fan_out.timeout)


def _policy(approval: Approval) -> str:
    if not approval.policy:
        return "in the template"
    return (
        f"{approval.policy} version {approval.policy_version}"
        if approval.policy_version
        else approval.policy
    )


def _body(approval: Approval) -> Iterator[str]:
    yield ""
    if approval.asked_variables and approval.state == "pending" and not approval.given:
        yield "It asks for (--var id=value):"
        yield from (printable(f"  {_asked(each)}") for each in approval.asked_variables)
        yield ""
    if approval.kind is ApprovalKind.FAILURE:
        log = f"opsicle logs {approval.automation_id}"
        yield f"Choose with --choice {', '.join(Choice)}, after a look at the log: `{log}`."
        yield ""
    yield from map(printable, _resumed(approval))
    yield from map(printable, _evidence(approval.evidence))
    yield "What will run:" if approval.kind is ApprovalKind.RUN else "What it runs, all in all:"
    for phase in approval.phases:
        yield from map(printable, phase_lines(phase))
    yield from map(printable, _bound(approval.calls, "  "))
    for each in approval.volume_mounts:
        yield printable(f"  containers see {each.host} of the worker as {each.container}")
    if approval.keep_workspace:
        yield f"  its workspace is kept for {approval.keep_workspace} s if it does not go well"
    yield from _afterwards(approval)

    yield ""
    yield "With these values:" if approval.values else "It takes no values."
    yield from (
        f"  {printable(name)}: {_value_text(value)}" for name, value in approval.values.items()
    )

    yield ""
    is_sequence = approval.order == "sequential" and len(approval.gates) > 1
    yield "Who must agree" + (", one gate after the other:" if is_sequence else ":")
    for gate in approval.gates:
        yield from map(printable, _gate(gate))

    yield ""
    yield from _compared(approval.compared)


def _resumed(approval: Approval) -> Iterator[str]:
    """Yield where it goes on that another one has left, and what it is handed."""
    if (point := approval.resume_point) is None:
        return
    yield f"It {in_words(point, approval.phases)}."
    for name, value in (*point.all_outputs.items(), *point.answers.items()):
        yield f"  is handed {name}: {_value_text(value)}"
    yield ""


def _afterwards(approval: Approval) -> Iterator[str]:
    """Yield what it leads to beyond its own phases."""
    if approval.on_worker_lost is WorkerLost.REQUEUE:
        yield "  if its worker is lost, all of it runs again"
    for end, calls in (("success", approval.on_success), ("failure", approval.on_failure)):
        yield from (f"  on {end} starts {call.template}" for call in calls)


def _bound(calls: Sequence[BoundCall], indent: str) -> Iterator[str]:
    """Yield what is called, and what that calls."""
    for call in calls:
        yield f"{indent}calls {call.template} version {call.version} ({call.digest})"
        if call.fan_out:
            yield f"{indent}  on each of {', '.join(each.shown for each in call.fan_out.members)}"
            yield f"{indent}  {_how_many(call.fan_out)}"
        yield from _bound(call.calls, indent + "  ")


def _evidence(shown: ShownEvidence | None) -> Iterator[str]:
    if shown is None:
        return
    yield f"What its plan has shown (sha256:{shown.digest}):"
    for phase in shown.phases:
        yield f"  {phase.name}: {phase.state}" + (
            f" ({phase.explanation})" if phase.explanation else ""
        )
    yield from (f"  {name}={visible_value(value)}" for name, value in shown.outputs.items())
    yield from (f"  {line}" for line in shown.summary.splitlines())
    if shown.is_log_cut:
        yield f"  … the last of {shown.log_bytes:,} bytes:"
    yield from (f"  | {line}" for line in shown.log.splitlines())
    yield ""


def _asked(variable: Variable) -> str:
    parts = [variable.type + (", required" if variable.is_required else "")]
    parts += [variable.label] if variable.label else []
    return f"{variable.id}: {'; '.join(parts)}"


def _gate(gate: GateView) -> Iterator[str]:
    demands = [f"{gate.required} must agree"]
    demands += ["with a reason"] if gate.require_reason else []
    demands += ["with a fresh code"] if gate.require_mfa else []
    yield f"  {gate.name}: {gate.state} ({', '.join(demands)})"
    for each in gate.decisions:
        verdict = "agreed" if each.verdict is Verdict.APPROVE else "refused"
        verdict = f"chose to {each.choice}" if each.choice else verdict
        window = RunWindow(not_before=each.not_before, not_after=each.not_after).text
        verdict += f", {window}" if window else ""
        yield f"    {each.person.email} {verdict}" + (f": {each.reason}" if each.reason else "")
    if gate.waits_for:
        yield f"    may decide: {', '.join(person.email for person in gate.waits_for)}"


def _compared(compared: Comparison | None) -> Iterator[str]:
    if compared is None:
        yield "No earlier run of this template was approved."
        return
    which = f"version {compared.version}" if compared.version else "of this draft"
    yield f"Since the last approved run ({compared.automation_id}, {which}):"
    for change in compared.changed_values:
        before, after = _value_text(change.before), _value_text(change.after)
        yield f"  {printable(change.id)}: {before} → {after}"
    if compared.diff:
        yield from (f"  {printable(line)}" for line in compared.diff.removesuffix("\n").split("\n"))
    elif not compared.changed_values:
        yield "  nothing is different"


def _value_text(value: object) -> str:
    return "nothing" if value is None else visible_value(value)
