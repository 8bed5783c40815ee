"""What follows when an approval is asked, decided on, or its time goes on. Everything is inside a transaction.

What has been told stands in the database beside the state, so that a restart forgets nothing and tells nothing twice.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.approvals import ApprovalState, Due, GateStanding, Standing, Verdict, due, next_moment
from opsicle.domain.approvers import Person, is_named
from opsicle.domain.automations import AutomationState
from opsicle.domain.notices import Notice, NoticeKind
from opsicle.domain.policies import Chat
from opsicle.server.services.actor import SystemActor
from opsicle.server.services.approval_cases import Case, load
from opsicle.server.services.approval_stuck import newly_stuck, noted, said_of, stuck_in
from opsicle.server.services.bindings import Bindings
from opsicle.server.services.notices import Notices
from opsicle.server.store import approvals, audit, automations
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import Ending
from opsicle.server.store.database import Connection

_MOST_NAMES = 5
"""More than that nobody reads in one line."""


class Progress:
    """Brings approvals to where they stand, and tells people."""

    def __init__(self, notices: Notices, bindings: Bindings) -> None:
        self._notices = notices
        self._bindings = bindings

    def settle(self, db: Connection, row: ApprovalRow, now: datetime) -> Standing:
        """End an approval that is over, with its automation; of one that goes on, tell whom it is time to tell.

        One that is not what was asked ends too: nothing that anybody decides on it could count.
        """
        case = load(db, self._bindings, row)
        seen = case.standing(now)
        if row.state is not ApprovalState.PENDING:
            return seen
        if case.problem:
            self._end_altered(db, case, now)
            return seen
        if seen.state is ApprovalState.PENDING:
            told = self._tell_stuck(db, case, seen, stored_json.read_or(row.told, list[str], []))
            told += self._tell(db, case, seen, told, now)
            written = msgspec.json.encode(told).decode()
            approvals.schedule(db, row.id, next_moment(seen, told), written, waiting_for(case, seen, now))
            return seen
        explanation = _explanation(case, seen)
        if approvals.end(db, row.id, seen.state, now, explanation):
            self._end(db, case, seen.state, explanation, now)
        return seen

    def _end_altered(self, db: Connection, case: Case, now: datetime) -> None:
        row, explanation = case.row, f"it was not run: {case.problem}"
        if not approvals.end(db, row.id, ApprovalState.WITHDRAWN, now, explanation):
            return
        automations.end_unapproved(db, row.automation_id, Ending(AutomationState.CANCELLED, now, None, explanation))
        self._notices.post_unapproved(db, row.org_id, row.automation_id)
        data = {"reason": case.problem}
        audit.append(db, now, row.org_id, SystemActor(), "refuse", f"automations/{row.automation_id}", data)

    def withdraw(self, db: Connection, row: ApprovalRow, explanation: str, now: datetime) -> Notice | None:
        """End a pending approval because nobody wants it any more: what has been told of it. None if it was over."""
        if not approvals.end(db, row.id, ApprovalState.WITHDRAWN, now, explanation):
            return None
        case = load(db, self._bindings, row)
        recipients = {person.user_id for seen in case.standing(now).open_gates for person in case.waited_for(seen, now)}
        recipients |= {decision.user_id for decision in case.decisions}
        subject = f"no longer asks to run {_what(case)}"
        return self._post(db, case, NoticeKind.APPROVAL_ENDED, recipients, subject, _asked_rooms(case))

    def _tell(self, db: Connection, case: Case, seen: Standing, told: list[str], now: datetime) -> list[str]:
        """Tell of what is new, each thing once; what that was."""
        news = []
        for gate in seen.open_gates:
            key = f"ask:{gate.gate.name}"
            if key not in told:
                recipients = {person.user_id for person in case.waited_for(gate, now)}
                subject = f"asks to run {_what(case)}"
                self._post(db, case, NoticeKind.APPROVAL_REQUESTED, recipients, subject, gate.gate.chats)
                news.append(key)
        by_name = {gate.gate.name: gate for gate in seen.open_gates}
        for item in due(seen):
            if item.key not in told and item.at <= now:
                self._tell_due(db, case, by_name[item.gate], item, now)
                news.append(item.key)
        return news

    def _tell_stuck(self, db: Connection, case: Case, seen: Standing, told: list[str]) -> list[str]:
        """Tell who asked, once, that nobody can pass a gate any more; what has been told, less what is so no more."""
        stuck = stuck_in(case, seen)
        if newly_stuck(told, stuck):
            subject = f"asked to run {_what(case)}, which nobody can approve now"
            self._post(db, case, NoticeKind.APPROVAL_STUCK, {case.row.requester_id}, subject)
        return noted(told, stuck)

    def _tell_due(self, db: Connection, case: Case, gate: GateStanding, item: Due, now: datetime) -> None:
        waited = case.waited_for(gate, now)
        if item.step is None:
            recipients = {person.user_id for person in waited}
            subject = f"still waits for your decision to run {_what(case)}"
            self._post(db, case, NoticeKind.APPROVAL_REMINDER, recipients, subject, gate.gate.chats)
            return
        to = gate.gate.escalate[item.step].to
        recipients = {person.user_id for person in waited if is_named(to, person, case.asker)}
        subject = f"asks to run {_what(case)}, and nobody has decided yet"
        self._post(db, case, NoticeKind.APPROVAL_ESCALATED, recipients, subject)
        data = {"gate": gate.gate.name, "after": gate.gate.escalate[item.step].after}
        audit.append(db, now, case.row.org_id, SystemActor(), "escalate", f"approvals/{case.row.id}", data)

    def _end(self, db: Connection, case: Case, state: ApprovalState, explanation: str, now: datetime) -> None:
        row = case.row
        if state is ApprovalState.APPROVED:
            automations.approve(db, row.automation_id, now)
        else:
            automations.end_unapproved(db, row.automation_id, Ending(_ENDS[state], now, None, explanation))
        if state is ApprovalState.EXPIRED:
            data = {"automation": row.automation_id}
            audit.append(db, now, row.org_id, SystemActor(), "expire", f"approvals/{row.id}", data)
        recipients = {row.requester_id, *(decision.user_id for decision in case.decisions)}
        subject = f"asked to run {_what(case)}: {state}"
        told = self._post(db, case, NoticeKind.APPROVAL_ENDED, recipients, subject, _asked_rooms(case))
        if state is not ApprovalState.APPROVED:
            self._notices.post_unapproved(db, row.org_id, row.automation_id, told)

    def _post(
        self,
        db: Connection,
        case: Case,
        kind: NoticeKind,
        recipients: set[str],
        subject: str,
        chats: tuple[Chat, ...] = (),
    ) -> Notice:
        notice = Notice(
            kind=kind,
            org_id=case.row.org_id,
            recipients=tuple(sorted(recipients)),
            chats=chats,
            subject=f"{case.automation.requester_email} {subject}",
            approval_id=case.row.id,
            automation_id=case.row.automation_id,
        )
        self._notices.post(db, notice)
        return notice


_ENDS = {
    ApprovalState.REJECTED: AutomationState.REJECTED,
    ApprovalState.EXPIRED: AutomationState.EXPIRED,
    ApprovalState.WITHDRAWN: AutomationState.CANCELLED,
}


def waiting_for(case: Case, seen: Standing, now: datetime) -> str:
    """Who has to agree before it goes on, in one line."""
    stuck = said_of(case, stuck_in(case, seen))
    return stuck or "; ".join(_line(case, gate, now) for gate in seen.open_gates)


def _line(case: Case, gate: GateStanding, now: datetime) -> str:
    votes = [each for each in case.decisions if each.gate == gate.gate.name and each.verdict is Verdict.APPROVE]
    missing = gate.gate.required - len(votes)
    return f"{gate.gate.name}: {missing} of {_names(case.waited_for(gate, now)) or 'nobody'}"


def _names(people: list[Person]) -> str:
    names = [person.email for person in people[:_MOST_NAMES]]
    return ", ".join(names) + (f" and {len(people) - len(names)} more" if len(people) > len(names) else "")


def _what(case: Case) -> str:
    return f"{case.automation.template} version {case.automation.version}"


def _asked_rooms(case: Case) -> tuple[Chat, ...]:
    """The rooms of chat services that were told of the question, and so are told of its end."""
    told = stored_json.read_or(case.row.told, list[str], [])
    return tuple(dict.fromkeys(chat for gate in case.gates if f"ask:{gate.name}" in told for chat in gate.chats))


def _explanation(case: Case, seen: Standing) -> str:
    if seen.state is ApprovalState.EXPIRED:
        return f"nobody decided on gate {seen.decisive} in time"
    if seen.state is ApprovalState.REJECTED:
        last = [each for each in case.decisions if each.gate == seen.decisive and each.verdict is Verdict.REJECT][-1]
        return f"rejected by {last.email}" + (f": {last.reason}" if last.reason else "")
    return ""
