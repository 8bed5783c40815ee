"""What follows when an approval is asked, decided on, or its time goes on.

Everything is inside a transaction.

Who was notified of what stands in the database beside the state, so that a restart forgets nothing
and notifies nobody twice.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.approvals import (
    ApprovalOutcome,
    ApprovalState,
    ApprovalStatus,
    Due,
    GateStatus,
    Verdict,
    due,
    next_moment,
)
from opsicle.domain.approvers import is_named
from opsicle.domain.automations import AutomationState
from opsicle.domain.notices import Notice, NoticeKind
from opsicle.domain.pauses import ApprovalKind
from opsicle.domain.policies import Chat
from opsicle.server.access.actor import SystemActor
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.approvals.cases import Case, load
from opsicle.server.approvals.evidence import plan_facts
from opsicle.server.approvals.facts import approval_facts
from opsicle.server.approvals.paused_ends import end_if_nothing_is_left, end_state
from opsicle.server.approvals.stuck import newly_stuck, stuck_gates_of, updated_notices
from opsicle.server.approvals.subjects import ApprovalEvent, subject
from opsicle.server.approvals.waiting import outcome_of
from opsicle.server.channels.outbox import Outbox
from opsicle.server.store import approvals, audit, automation_transitions
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.database import Connection


class Progress:
    """Brings approvals up to date, and notifies people."""

    def __init__(self, outbox: Outbox, bindings: Bindings) -> None:
        self._outbox = outbox
        self._bindings = bindings

    def load(self, db: Connection, row: ApprovalRow) -> Case:
        """Read everything about an approval; see `cases.load`."""
        return load(db, self._bindings, row)

    def advance(self, db: Connection, case: Case, now: datetime) -> ApprovalOutcome:
        """End an approval that is over, with its automation.

        Of one that goes on, notify whom it is time to notify.

        One that is not what was asked ends too: nothing that anybody decides on it could count.
        """
        row, status = case.row, case.status(now)
        outcome = outcome_of(case, status, now)

        if row.state is not ApprovalState.PENDING:
            return outcome
        if case.problem:
            self._end_altered(db, case, now)
            return outcome
        if status.state is ApprovalState.PENDING and not case.window.is_over(now):
            notified = self._notify_stuck(db, case, status, now)
            notified += self._notify(db, case, status, notified, now)
            written = msgspec.json.encode(notified).decode()
            moments = (next_moment(status, notified), case.window.not_after)
            next_at = min(filter(None, moments), default=None)
            approvals.schedule(db, row.id, next_at, written, outcome.waiting_for)
            return outcome

        state, explanation = status.state, _explanation(case, status)
        if state is ApprovalState.PENDING:
            state, explanation = ApprovalState.EXPIRED, case.window.missed_text
        if approvals.end(db, row.id, state, now, explanation):
            self._end(db, case, state, explanation, now)
        return msgspec.structs.replace(outcome, state=state, waiting_for="")

    def _end_altered(self, db: Connection, case: Case, now: datetime) -> None:
        row, explanation = case.row, f"it was not run: {case.problem}"
        if not approvals.end(db, row.id, ApprovalState.WITHDRAWN, now, explanation):
            return
        ending = Ending(AutomationState.CANCELLED, now, None, explanation)
        self._end_automation(db, case, ending, even_with_clean_up=True)
        self._outbox.post_unapproved(db, row.org_id, row.automation_id)
        data = {"reason": case.problem}
        audit.append(
            db, now, row.org_id, SystemActor(), "refuse", f"automations/{row.automation_id}", data
        )

    def withdraw(
        self, db: Connection, case: Case, explanation: str, now: datetime
    ) -> Notice | None:
        """End a pending approval because nobody wants it any more; return what was sent about it.

        None if it was over.
        """
        if not approvals.end(db, case.row.id, ApprovalState.WITHDRAWN, now, explanation):
            return None
        recipients = {
            person.user_id
            for gate in case.status(now).open_gates
            for person in case.pending_deciders(gate, now)
        }
        recipients |= {decision.user_id for decision in case.decisions}

        ended = case.ended(ApprovalState.WITHDRAWN, explanation)
        line, rooms = subject(ended, ApprovalEvent.WITHDRAWN), _notified_chats(case)
        notice = _notice(ended, NoticeKind.APPROVAL_ENDED, recipients, line, rooms)
        return self._post(db, ended, now, notice)

    def _notify(
        self, db: Connection, case: Case, status: ApprovalStatus, notified: list[str], now: datetime
    ) -> list[str]:
        """Notify people of what is new, each thing once; return the keys of that."""
        news = []
        for gate in status.open_gates:
            key = f"ask:{gate.gate.name}"
            if key not in notified:
                recipients = {person.user_id for person in case.pending_deciders(gate, now)}
                line, kind = subject(case, ApprovalEvent.ASKED), NoticeKind.APPROVAL_REQUESTED
                self._post(db, case, now, _notice(case, kind, recipients, line, gate.gate.chats))
                news.append(key)

        by_name = {gate.gate.name: gate for gate in status.open_gates}
        for item in due(status):
            if item.key not in notified and item.at <= now:
                self._notify_due(db, case, by_name[item.gate], item, now)
                news.append(item.key)
        return news

    def _notify_stuck(
        self, db: Connection, case: Case, status: ApprovalStatus, now: datetime
    ) -> list[str]:
        """Notify who asked, once, that nobody can pass a gate any more.

        Return the keys of what has been notified, less what is so no more.
        """
        notified = stored_json.read_or(case.row.notified, list[str], [])
        stuck = stuck_gates_of(case, status)
        if newly_stuck(notified, stuck):
            line = subject(case, ApprovalEvent.STUCK)
            notice = _notice(case, NoticeKind.APPROVAL_STUCK, {case.row.requester_id}, line)
            self._post(db, case, now, notice)
        return updated_notices(notified, stuck)

    def _notify_due(
        self, db: Connection, case: Case, gate: GateStatus, item: Due, now: datetime
    ) -> None:
        waited = case.pending_deciders(gate, now)
        if item.step is None:
            recipients = {person.user_id for person in waited}
            line, kind = subject(case, ApprovalEvent.REMINDED), NoticeKind.APPROVAL_REMINDER
            self._post(db, case, now, _notice(case, kind, recipients, line, gate.gate.chats))
            return

        to = gate.gate.escalate[item.step].to
        recipients = {person.user_id for person in waited if is_named(to, person, case.requester)}
        line = subject(case, ApprovalEvent.ESCALATED)
        self._post(db, case, now, _notice(case, NoticeKind.APPROVAL_ESCALATED, recipients, line))
        data = {"gate": gate.gate.name, "after": gate.gate.escalate[item.step].after}
        audit.append(
            db, now, case.row.org_id, SystemActor(), "escalate", f"approvals/{case.row.id}", data
        )

    def _end(
        self, db: Connection, case: Case, state: ApprovalState, explanation: str, now: datetime
    ) -> None:
        row, is_run = case.row, case.row.kind is ApprovalKind.RUN
        if state is ApprovalState.APPROVED:
            has_ended = False
            if is_run:  # a paused job goes on when its worker takes it up
                automation_transitions.approve(db, row.automation_id, now, case.window)
        else:
            ends = _ENDS[state] if is_run else end_state(row.kind, state)
            has_ended = self._end_automation(db, case, Ending(ends, now, None, explanation))

        if state is ApprovalState.EXPIRED:
            data = {"automation": row.automation_id}
            audit.append(db, now, row.org_id, SystemActor(), "expire", f"approvals/{row.id}", data)

        recipients = {row.requester_id, *(decision.user_id for decision in case.decisions)}
        ended = case.ended(state, explanation)
        line, rooms = subject(ended, ApprovalEvent.ENDED), _notified_chats(case)
        notified = self._post(
            db, ended, now, _notice(ended, NoticeKind.APPROVAL_ENDED, recipients, line, rooms)
        )
        if has_ended:
            self._outbox.post_unapproved(db, row.org_id, row.automation_id, notified)

    def _end_automation(
        self, db: Connection, case: Case, ending: Ending, *, even_with_clean_up: bool = False
    ) -> bool:
        """End what an approval was about. False if clean-up phases of a paused job come first."""
        if case.row.kind is ApprovalKind.RUN:
            return automation_transitions.end_unapproved(db, case.row.automation_id, ending)
        template = None if even_with_clean_up else case.template
        return end_if_nothing_is_left(db, case.row, template, ending)

    def _post(self, db: Connection, case: Case, now: datetime, notice: Notice) -> Notice:
        about = (*plan_facts(db, case.automation), *approval_facts(case, now))
        self._outbox.post(db, notice, about)
        return notice


def _notice(
    case: Case, kind: NoticeKind, recipients: set[str], line: str, chats: tuple[Chat, ...] = ()
) -> Notice:
    return Notice(
        kind=kind,
        org_id=case.row.org_id,
        recipients=tuple(sorted(recipients)),
        chats=chats,
        subject=line,
        approval_id=case.row.id,
        automation_id=case.row.automation_id,
    )


_ENDS = {
    ApprovalState.REJECTED: AutomationState.REJECTED,
    ApprovalState.EXPIRED: AutomationState.EXPIRED,
    ApprovalState.WITHDRAWN: AutomationState.CANCELLED,
}


def _notified_chats(case: Case) -> tuple[Chat, ...]:
    """Return the chats that were notified of the request, and so are of its end."""
    notified = stored_json.read_or(case.row.notified, list[str], [])
    return tuple(
        dict.fromkeys(
            chat for gate in case.gates if f"ask:{gate.name}" in notified for chat in gate.chats
        )
    )


def _explanation(case: Case, status: ApprovalStatus) -> str:
    if status.state is ApprovalState.EXPIRED:
        return f"nobody decided on gate {status.decisive} in time"
    if status.state is ApprovalState.REJECTED:
        last = [
            each
            for each in case.decisions
            if each.gate == status.decisive and each.verdict is Verdict.REJECT
        ][-1]
        verb = "aborted" if case.row.kind is ApprovalKind.FAILURE else "rejected"
        return f"{verb} by {last.email}" + (f": {last.reason}" if last.reason else "")
    return ""
