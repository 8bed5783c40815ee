"""Approvals: the inbox, deciding, withdrawing, and what happens by time alone.

A decision is one guarded transaction: of two at once, or the same one twice, each person counts once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from opsicle.domain.access import Action
from opsicle.domain.approvals import ApprovalState, GateStanding, GateState, Standing, Verdict, meets
from opsicle.domain.approvers import Person
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed
from opsicle.kit.clock import Clock
from opsicle.server.services import fields
from opsicle.server.services.actor import Actor
from opsicle.server.services.approval_cases import Case, load
from opsicle.server.services.approval_needs import need_of
from opsicle.server.services.approval_progress import Progress
from opsicle.server.services.approval_views import Viewer, summary, votable, whole
from opsicle.server.services.authenticators import Authenticators
from opsicle.server.services.bindings import Bindings
from opsicle.server.services.cursors import page_of_shown
from opsicle.server.services.fleet import Fleet
from opsicle.server.services.notices import Notices
from opsicle.server.services.people import Roster
from opsicle.server.services.principals import answers_for
from opsicle.server.services.signals import Signals, automation_topic, org_topic
from opsicle.server.services.stored_values import stored_requirements
from opsicle.server.services.template_access import is_hidden
from opsicle.server.store import approvals, audit, authenticators, automations, templates
from opsicle.server.store.approvals import ApprovalRow, DecisionRow, Filter
from opsicle.server.store.database import Connection, Database
from opsicle.wire.approval_api import Approval, ApprovalNeed, ApprovalSummary, DecisionRequest
from opsicle.wire.pages import Page

log = logging.getLogger(__name__)

MAX_REASON_CHARACTERS = 2_000

_DUE_AT_ONCE = 100
_FEW = 50
"""Pending approvals that are looked at on the event loop; more of them in a thread."""

_MOST_LOOKED_AT = 1_000
"""Pending approvals that one page of an inbox looks at: the caller may decide on few of them."""


@dataclass(frozen=True)
class _Ballot:
    """What somebody wants to say."""

    verdict: Verdict
    reason: str
    with_mfa: bool


class Approvals:
    """What people do with approvals. They are asked for in `asking.py`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what approvals touch
        self,
        database: Database,
        progress: Progress,
        notices: Notices,
        apps: Authenticators,
        fleet: Fleet,
        signals: Signals,
        clock: Clock,
        bindings: Bindings,
    ) -> None:
        self._database = database
        self._progress = progress
        self._notices = notices
        self._apps = apps
        self._fleet = fleet
        self._signals = signals
        self._clock = clock
        self._bindings = bindings

    def inbox(self, actor: Actor, cursor: str, limit: int) -> Page[ApprovalSummary]:
        """What the caller may decide now, newest first."""
        actor.require(Action.APPROVALS_VIEW)
        viewer = self._viewer(actor)

        pending = Filter(state=ApprovalState.PENDING)

        def query(db: Connection) -> Page[ApprovalSummary]:
            found: list[ApprovalSummary] = []
            rows = approvals.list_newest(db, actor.org_id, pending, cursor, _MOST_LOOKED_AT)
            roster = Roster(db, actor.org_id)
            for row in rows:
                case = load(db, self._bindings, row, roster=roster)
                shown = summary(case, viewer)
                if shown.may_decide and not _is_hidden(db, actor, case):
                    found.append(shown)
                if len(found) == limit:
                    return Page(found, row.id if row is not rows[-1] else "")
            return Page(found, rows[-1].id if len(rows) == _MOST_LOOKED_AT else "")

        def are_few(db: Connection) -> bool:
            return len(approvals.list_newest(db, actor.org_id, pending, cursor, _FEW + 1)) <= _FEW

        if self._database.read(are_few):
            return self._database.read(query)
        return self._database.read_long(query, actor.org_id)

    def list_newest(self, actor: Actor, wanted: Filter, cursor: str, limit: int) -> Page[ApprovalSummary]:
        """A page of the org's approvals, newest first; fewer where the caller may not see the template of some."""
        actor.require(Action.APPROVALS_VIEW)
        viewer = self._viewer(actor)

        def query(db: Connection) -> Page[ApprovalSummary]:
            rows = approvals.list_newest(db, actor.org_id, wanted, cursor, limit + 1)
            roster = Roster(db, actor.org_id)
            cases = [load(db, self._bindings, row, roster=roster) for row in rows[:limit]]
            seen = (case for case in cases if not _is_hidden(db, actor, case))
            shown = ((case.row.id, summary(case, viewer)) for case in seen)
            return page_of_shown(shown, rows[limit - 1].id if len(rows) > limit else "")

        return self._database.read(query)

    def get(self, actor: Actor, approval_id: str) -> Approval:
        """One approval with all that an approver needs to see. Raises NotFound."""
        actor.require(Action.APPROVALS_VIEW)
        viewer, candidates = self._viewer(actor), self._fleet.candidates(actor.org_id)

        def query(db: Connection) -> Approval:
            return whole(db, self._get(db, actor, approval_id), viewer, candidates)

        return self._database.read(query)

    def need(self, actor: Actor, template: str, version: int | None = None) -> ApprovalNeed:
        """What it would ask of others if the caller ran this template now. Raises NotFound."""
        actor.require(Action.TEMPLATES_VIEW)
        return self._database.read(
            lambda db: need_of(db, actor, templates.get_version(db, actor.org_id, template, version))
        )

    def approve(self, actor: Actor, approval_id: str, request: DecisionRequest) -> Approval:
        """Agree; when the last gate is passed, the automation is queued. Saying it again is harmless.

        Raises NotFound; NotAllowed unless the caller may decide now; Conflict if it is over, they have said otherwise,
        what is stored is not what was asked for, or they have no authenticator app where a gate wants a code;
        InvalidInput without the reason or the code that a gate wants.
        """
        return self._decide(actor, approval_id, Verdict.APPROVE, request)

    def reject(self, actor: Actor, approval_id: str, request: DecisionRequest) -> Approval:
        """Refuse; enough of it ends the automation. Raises as `approve`."""
        return self._decide(actor, approval_id, Verdict.REJECT, request)

    def decide_in_chat(self, actor: Actor, approval_id: str, verdict: str, reason: str, totp: str) -> Approval:
        """What `approve` and `reject` do, for the button that somebody pressed in a chat. Raises as they do."""
        return self._decide(actor, approval_id, Verdict(verdict), DecisionRequest(reason=reason, totp=totp))

    def _decide(self, actor: Actor, approval_id: str, verdict: Verdict, request: DecisionRequest) -> Approval:
        actor.require(Action.APPROVALS_DECIDE)
        ballot = _Ballot(verdict, _checked_reason(request.reason), bool(request.totp))

        def work(db: Connection) -> Standing | Conflict:
            return self._vote(db, actor, self._get(db, actor, approval_id), ballot)

        seen = self._apps.prove(actor, request.totp, work) if request.totp else self._database.write(work)
        self._announce(actor.org_id, approval_id)
        if isinstance(seen, Conflict):
            raise seen
        if seen.state is ApprovalState.EXPIRED:
            raise Conflict("this approval has expired", hint="Ask again by running the template anew.")
        return self.get(actor, approval_id)

    def _vote(self, db: Connection, actor: Actor, case: Case, ballot: _Ballot) -> Standing | Conflict:
        """Take down a decision. A Conflict is returned where what was found is to be kept, and so not raised yet."""
        now, row = self._clock.now(), case.row
        seen = case.standing(now)
        if row.state is ApprovalState.PENDING and case.problem:
            self._progress.settle(db, row, now)
            return Conflict(f"nobody can decide on this: {case.problem}", hint="Run the template anew.")
        if row.state is ApprovalState.PENDING and seen.state is not ApprovalState.PENDING:
            return self._progress.settle(db, row, now)
        if _has_said(case, actor, ballot.verdict) and not votable(case, seen, Viewer(actor.user_id, now)):
            return seen
        if row.state is not ApprovalState.PENDING:
            raise Conflict(f"this approval is over: it is {row.state}")
        me, gates = self._voter(db, case, seen, Viewer(actor.user_id, now), ballot)
        codes: dict[str, str] = {}
        for gate in gates:
            signed = self._bindings.sign(row, _decision(row, me, gate, ballot, now))
            approvals.insert_decision(db, row.org_id, signed)
            codes[signed.gate] = signed.mac
        data = {
            "automation": row.automation_id,
            "gates": [gate.gate.name for gate in gates],
            "principal": me.principal,
            "reason": ballot.reason,
            "with_mfa": ballot.with_mfa,
            "manifest_digest": row.manifest_digest,
            "codes": codes,
        }
        audit.append(db, now, row.org_id, actor, ballot.verdict, f"approvals/{row.id}", data)
        return self._progress.settle(db, row, now)

    def _voter(
        self, db: Connection, case: Case, seen: Standing, viewer: Viewer, ballot: _Ballot
    ) -> tuple[Person, list[GateStanding]]:
        """Who decides, and on which gates: the open ones, and those that will open and name them too."""
        me = case.people.get(viewer.user_id)
        now_open = votable(case, seen, viewer)
        if me is None or not now_open:
            raise _refusal(case, seen, viewer)
        _require_reason(now_open, ballot)
        _require_code(db, now_open, viewer.user_id, ballot)
        later = [
            gate
            for gate in seen.gates
            if gate.state is GateState.WAITING
            and case.may_decide(gate, me, viewer.now)
            and not case.has_decided(me, gate.gate.name)
            and meets(gate.gate, with_mfa=ballot.with_mfa, has_reason=bool(ballot.reason))
        ]
        return me, [*now_open, *later]

    def withdraw(self, actor: Actor, approval_id: str) -> Approval:
        """Take back what one has asked for, or a service account of one's own; the automation is cancelled.

        Raises NotFound, NotAllowed, Conflict.

        Whoever may not run templates may not take back either: a token that is for looking changes nothing.
        """
        actor.require(Action.APPROVALS_VIEW)
        now = self._clock.now()

        def work(db: Connection) -> None:
            row = self._get(db, actor, approval_id).row
            if not answers_for(db, row.org_id, actor.user_id, row.requester_id):
                raise NotAllowed(
                    "only who asked can withdraw it, or who owns the service account that did",
                    hint="If you may decide, reject it.",
                )
            actor.require(Action.AUTOMATIONS_CREATE)
            by = "who asked" if row.requester_id == actor.user_id else f"{actor.email}, who answers for who asked"
            told = self._progress.withdraw(db, row, f"withdrawn by {by}", now)
            if told is None:
                raise Conflict(f"this approval is over: it is {row.state}")
            automations.cancel_waiting(db, row.automation_id, actor.user_id, now)
            self._notices.post_cancelled(db, row.org_id, row.automation_id, actor, told)
            data = {"automation": row.automation_id}
            audit.append(db, now, row.org_id, actor, "withdraw", f"approvals/{row.id}", data)

        self._database.write(work)
        self._announce(actor.org_id, approval_id)
        return self.get(actor, approval_id)

    def keep_time(self) -> int:
        """Expire, remind and escalate what is due in all orgs; how many approvals that touched."""
        now = self._clock.now()
        rows = self._database.read(lambda db: approvals.list_due(db, now, _DUE_AT_ONCE))
        for row in rows:
            try:
                self._settle(row, now)
                self._announce(row.org_id, row.id)
            except Exception:  # one that cannot be read must not keep all others from their time
                log.exception("an approval could not be brought up to date", extra={"approval": row.id})
        return len(rows)

    def _settle(self, row: ApprovalRow, now: datetime) -> None:
        def work(db: Connection) -> None:
            self._progress.settle(db, approvals.get(db, row.org_id, row.id), now)

        self._database.write(work)

    def _announce(self, org_id: str, approval_id: str) -> None:
        """After a change is durable: let followers look, and a worker if there is something to run."""

        def query(db: Connection) -> tuple[str, str]:
            row = approvals.get(db, org_id, approval_id)
            return row.automation_id, automations.get(db, org_id, row.automation_id).requirements

        automation_id, requirements = self._database.read(query)
        self._fleet.wake_one(org_id, stored_requirements(requirements))
        self._signals.changed(automation_topic(automation_id), org_topic(org_id))

    def _viewer(self, actor: Actor) -> Viewer:
        return Viewer(actor.user_id, self._clock.now())

    def _get(self, db: Connection, actor: Actor, approval_id: str) -> Case:
        """One approval. Raises NotFound, also for one whose template the actor may not see."""
        case = load(db, self._bindings, approvals.get(db, actor.org_id, approval_id))
        if _is_hidden(db, actor, case) and not answers_for(db, actor.org_id, actor.user_id, case.row.requester_id):
            raise approvals.not_found(approval_id)
        return case


def _is_hidden(db: Connection, actor: Actor, case: Case) -> bool:
    """Whether the template is hidden from the actor, who has not asked for this either."""
    template = case.template
    return case.row.requester_id != actor.user_id and is_hidden(db, actor, template.name, template.labels)


def _has_said(case: Case, actor: Actor, verdict: Verdict) -> bool:
    return any(each.user_id == actor.user_id and each.verdict is verdict for each in case.decisions)


def _refusal(case: Case, seen: Standing, viewer: Viewer) -> NotAllowed | Conflict:
    """Why somebody cannot decide now."""
    me = case.people.get(viewer.user_id)
    if any(each.user_id == viewer.user_id for each in case.decisions):
        return Conflict("you have decided already, and a decision stays")
    if me and me.is_same_person(case.asker):
        return NotAllowed("you asked for this yourself", hint="Somebody else has to decide.")
    waiting = [gate for gate in seen.gates if gate.state is GateState.WAITING]
    if me and any(case.may_decide(gate, me, viewer.now) for gate in waiting):
        return NotAllowed("it is not your turn yet: an earlier gate is still open")
    return NotAllowed("you are not among those who decide on this", hint="`opsicle approvals show` says who is.")


def _require_reason(gates: list[GateStanding], ballot: _Ballot) -> None:
    if not ballot.reason and any(gate.gate.require_reason for gate in gates):
        raise fields.invalid("reason", "this approval asks for a reason", hint="Give it with --reason.")


def _require_code(db: Connection, gates: list[GateStanding], user_id: str, ballot: _Ballot) -> None:
    if ballot.with_mfa or not any(gate.gate.require_mfa for gate in gates):
        return
    if not authenticators.is_confirmed(db, user_id):
        raise Conflict(
            "this approval asks for a code, and you have no authenticator app",
            hint="Enrol one with `opsicle totp enrol`, then decide.",
        )
    raise _code_needed()


def _code_needed() -> InvalidInput:
    message = "this approval asks for a fresh code of your authenticator app"
    return fields.invalid("totp", message, hint="Give it with --totp.")


def _checked_reason(text: str) -> str:
    reason = text.strip()
    if len(reason) > MAX_REASON_CHARACTERS:
        raise fields.invalid("reason", f"the reason has more than {MAX_REASON_CHARACTERS:,} characters")
    return reason


def _decision(row: ApprovalRow, me: Person, gate: GateStanding, ballot: _Ballot, now: datetime) -> DecisionRow:
    return DecisionRow(
        approval_id=row.id,
        gate=gate.gate.name,
        user_id=me.user_id,
        email=me.email,
        name=me.name,
        principal=me.principal,
        verdict=ballot.verdict,
        reason=ballot.reason,
        with_mfa=ballot.with_mfa,
        elapsed_seconds=gate.elapsed(now),
        decided_at=now,
    )
