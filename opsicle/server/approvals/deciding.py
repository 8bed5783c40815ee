"""Who may decide on an approval now, on which gates, and what they have to give with it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from opsicle.domain.approvals import ApprovalStatus, GateState, GateStatus, Verdict, satisfies_gate
from opsicle.domain.approvers import ApproverPerson
from opsicle.domain.bounds import MAX_REASON_CHARACTERS
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed
from opsicle.domain.pauses import Answer, ApprovalKind, Choice
from opsicle.domain.run_windows import ALWAYS, RunWindow
from opsicle.domain.variables import check_values
from opsicle.kit.clock import to_text
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.cases import Case
from opsicle.server.approvals.pauses import answer_of
from opsicle.server.approvals.views import Viewer, votable
from opsicle.server.store import authenticators
from opsicle.server.store.approvals import ApprovalRow, DecisionRow
from opsicle.server.store.database import Connection
from opsicle.wire.approval_api import DecisionRequest


class PendingDecision(msgspec.Struct, frozen=True):
    """What somebody wants to say."""

    verdict: Verdict
    reason: str
    with_mfa: bool
    request: DecisionRequest


class DecisionTerms(NamedTuple):
    """What is given with a decision: an answer as it is stored, and when something may begin."""

    answer: str
    window: RunWindow


def verdict_with(verdict: Verdict, choice: Choice | None) -> Verdict:
    """Return the verdict that a choice makes of another one: to abort is to refuse.

    Raises InvalidInput for a refusal that chooses something else.
    """
    if choice is Choice.ABORT:
        return Verdict.REJECT
    if choice is not None and verdict is Verdict.REJECT:
        raise validators.invalid("choice", f"a rejection aborts; it cannot {choice}")
    return verdict


def answer_for(case: Case, decision: PendingDecision) -> str:
    """Return what is given with a decision, as it is stored; "" where nothing is asked for.

    Whoever agrees after somebody else agrees to what they gave. Raises InvalidInput where something
    is missing, wrong or not asked for; Conflict where others have agreed to something else.
    """
    request, kind = decision.request, case.row.kind
    if request.choice is not None and kind is not ApprovalKind.FAILURE:
        raise validators.invalid("choice", "there is nothing to choose here: no phase has failed")
    if request.values and kind is not ApprovalKind.PAUSE:
        raise validators.invalid("values", "this approval asks for no values")
    if decision.verdict is Verdict.REJECT or kind is ApprovalKind.RUN:
        return ""

    before = answer_of(case)
    has_before = any(each.verdict is Verdict.APPROVE for each in case.decisions)
    answer = _answer(case, request)
    if has_before and answer in (None, before):
        answer = before
    if answer is None:
        raise validators.invalid(
            "choice",
            "a failure asks what is to become of it: retry, skip or abort",
            hint="Choose with --choice, after a look at the log.",
        )
    if has_before and answer != before:
        raise Conflict(
            "others have agreed to other values",
            hint="Agree to those that they gave, without values of your own, or reject.",
        )
    return msgspec.json.encode(answer, order="sorted").decode()


def window_for(
    case: Case, me: ApproverPerson, decision: PendingDecision, now: datetime
) -> RunWindow:
    """Return when somebody's approval lets an automation begin.

    Raises InvalidInput for a window that makes no sense, Conflict for one that leaves no moment in
    which all who have agreed would let it begin.
    """
    mine = _requested_window(decision.request, me.email)
    if mine == ALWAYS:
        return _still_open(case, mine, now)
    if decision.verdict is Verdict.REJECT or case.row.kind is not ApprovalKind.RUN:
        raise validators.invalid(
            "not_before" if mine.not_before else "not_after",
            "only an approval to run has a window: nothing begins by this decision",
        )
    if mine.is_over(now):
        raise validators.invalid("not_after", "this time has passed, so it could not begin")
    if mine.is_empty:
        raise validators.invalid("not_after", "must be later than `not_before`")
    return _still_open(case, mine, now)


def _requested_window(request: DecisionRequest, who: str) -> RunWindow:
    times = {"not_before": request.not_before, "not_after": request.not_after}
    not_before, not_after = (
        validators.in_utc(at, name) if at else None for name, at in times.items()
    )
    return RunWindow.of(not_before, not_after, who)


def _still_open(case: Case, mine: RunWindow, now: datetime) -> RunWindow:
    """Return a window that those of others meet. Raises Conflict otherwise."""
    whole = case.window.within(mine)
    if case.row.kind is ApprovalKind.RUN and (whole.is_empty or whole.is_over(now)):
        raise Conflict(
            f"there is no time at which it could begin: {whole.text}",
            hint="Choose a window that meets that of the others, or reject it.",
        )
    return mine


def _answer(case: Case, request: DecisionRequest) -> Answer | None:
    """Return what somebody gives; None if they leave it to whoever came before them."""
    if case.row.kind is ApprovalKind.FAILURE:
        return Answer(choice=request.choice) if request.choice else None
    pause = case.phase.pause if case.phase else None
    has_before = any(each.verdict is Verdict.APPROVE for each in case.decisions)
    if has_before and not request.values:
        return None
    asked = pause.variables if pause else ()
    return Answer(values=check_values(asked, request.values, "this pause"))


def voter(
    db: Connection,
    case: Case,
    status: ApprovalStatus,
    viewer: Viewer,
    decision: PendingDecision,
) -> tuple[ApproverPerson, list[GateStatus]]:
    """Return who decides, and on which gates: the open ones, and later ones that name them too.

    Raises NotAllowed, Conflict or InvalidInput where they may not decide now, or not like this.
    """
    me = case.people.get(viewer.user_id)
    now_open = votable(case, status, viewer)
    if me is None or not now_open:
        raise _refusal(case, status, viewer)
    _require_reason(now_open, decision)
    _require_code(db, now_open, viewer.user_id, decision)

    later = [
        gate
        for gate in status.gates
        if gate.state is GateState.WAITING
        and case.may_decide(gate, me, viewer.now)
        and not case.has_decided(me, gate.gate.name)
        and satisfies_gate(gate.gate, with_mfa=decision.with_mfa, has_reason=bool(decision.reason))
    ]
    return me, [*now_open, *later]


def has_same_decision(case: Case, actor: Actor, decision: PendingDecision) -> bool:
    """Return whether the actor has decided just so already, on whatever gate.

    Who now names another window, choice or value has not: it would look as if that counted.
    """
    asked = _requested_window(decision.request, actor.email)
    is_said = any(
        each.user_id == actor.user_id
        and each.verdict is decision.verdict
        and asked.times in (ALWAYS.times, each.window.times)
        for each in case.decisions
    )
    return is_said and _gives_nothing_else(case, decision)


def _gives_nothing_else(case: Case, decision: PendingDecision) -> bool:
    """Return whether what is given with a decision, if anything is, has been given already."""
    request = decision.request
    if decision.verdict is Verdict.REJECT or not (request.choice or request.values):
        return True
    answer = _answer(case, request) if case.row.kind is not ApprovalKind.RUN else None
    return answer == answer_of(case)


def _refusal(case: Case, status: ApprovalStatus, viewer: Viewer) -> NotAllowed | Conflict:
    """Return why somebody cannot decide now."""
    me = case.people.get(viewer.user_id)
    if any(each.user_id == viewer.user_id for each in case.decisions):
        return Conflict("you have decided already, and a decision stays")
    if me and me.is_same_person(case.requester):
        return NotAllowed("you asked for this yourself", hint="Somebody else has to decide.")
    waiting = [gate for gate in status.gates if gate.state is GateState.WAITING]
    if me and any(case.may_decide(gate, me, viewer.now) for gate in waiting):
        return NotAllowed("it is not your turn yet: an earlier gate is still open")
    return NotAllowed(
        "you are not among those who decide on this", hint="`opsicle approvals show` says who is."
    )


def _require_reason(gates: list[GateStatus], decision: PendingDecision) -> None:
    if not decision.reason and any(gate.gate.require_reason for gate in gates):
        raise validators.invalid(
            "reason", "this approval asks for a reason", hint="Give it with --reason."
        )


def _require_code(
    db: Connection, gates: list[GateStatus], user_id: str, decision: PendingDecision
) -> None:
    if decision.with_mfa or not any(gate.gate.require_mfa for gate in gates):
        return
    if not authenticators.is_confirmed(db, user_id):
        raise Conflict(
            "this approval asks for a code, and you have no authenticator app",
            hint="Enrol one with `opsicle totp enrol`, then decide.",
        )
    raise _code_needed()


def _code_needed() -> InvalidInput:
    message = "this approval asks for a fresh code of your authenticator app"
    return validators.invalid("totp", message, hint="Give it with --totp.")


def checked_reason(text: str) -> str:
    """Return a reason without blanks around it. Raises InvalidInput for one that is too long."""
    reason = text.strip()
    if len(reason) > MAX_REASON_CHARACTERS:
        raise validators.invalid(
            "reason", f"the reason has more than {MAX_REASON_CHARACTERS:,} characters"
        )
    return reason


def decision_row(
    row: ApprovalRow,
    me: ApproverPerson,
    gate: GateStatus,
    decision: PendingDecision,
    now: datetime,
    terms: DecisionTerms,
) -> DecisionRow:
    """Return the row of a decision on one gate."""
    return DecisionRow(
        approval_id=row.id,
        gate=gate.gate.name,
        user_id=me.user_id,
        email=me.email,
        name=me.name,
        principal=me.principal,
        verdict=decision.verdict,
        reason=decision.reason,
        with_mfa=decision.with_mfa,
        elapsed_seconds=gate.elapsed(now),
        decided_at=now,
        answer=terms.answer,
        not_before=terms.window.not_before,
        not_after=terms.window.not_after,
    )


def recorded_window(window: RunWindow) -> dict[str, str]:
    """Return how a window stands in the record."""
    times = zip(("not_before", "not_after"), window.times, strict=True)
    return {name: to_text(at) for name, at in times if at}


def require_same_evidence(case: Case, decision: PendingDecision) -> None:
    """Raise Conflict for a decision about another plan's evidence than the approval's."""
    shown = decision.request.evidence_digest
    if shown and shown != case.automation.evidence:
        raise Conflict(
            "what you were shown of its plan is not what this approval is about",
            hint="Look at the approval again before you decide.",
        )
