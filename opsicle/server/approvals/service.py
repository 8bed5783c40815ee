"""Approvals: the inbox, deciding, withdrawing, and what happens by time alone.

A decision is one guarded transaction: of two at once, or the same one twice, each person counts
once. It reads the approval once, and answers how that stands; who wants to see it whole asks for
it.
"""

from __future__ import annotations

import logging
from datetime import datetime

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.approvals import (
    ApprovalOutcome,
    ApprovalState,
    Verdict,
)
from opsicle.domain.errors import Conflict, NotAllowed, NotFound, required
from opsicle.domain.pauses import ApprovalKind
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import get_document
from opsicle.server.access.principals import is_answerable_for
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.access.suspended import require_active
from opsicle.server.access.template_access import is_hidden
from opsicle.server.approvals.approvers import ApproverDirectory
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.approvals.cases import Case, load
from opsicle.server.approvals.deciding import (
    PendingDecision,
    checked_reason,
    verdict_with,
)
from opsicle.server.approvals.evidence import Evidence
from opsicle.server.approvals.preview import need_of
from opsicle.server.approvals.progress import Progress
from opsicle.server.approvals.views import Viewer, summary, whole
from opsicle.server.approvals.votes import Votes
from opsicle.server.channels.outbox import Outbox
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.pubsub import PubSub, automation_topic, org_topic
from opsicle.server.http.paging import page_of_shown
from opsicle.server.identity.authenticators import Authenticators
from opsicle.server.store import (
    approvals,
    audit,
    automation_transitions,
)
from opsicle.server.store.approvals import ApprovalFilter, ApprovalRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.approval_api import Approval, ApprovalNeed, ApprovalSummary, DecisionRequest
from opsicle.wire.pages import Page

log = logging.getLogger(__name__)

_DUE_AT_ONCE = 100
_FEW = 50
"""Pending approvals that are looked at on the event loop; more of them in a thread."""

_MOST_LOOKED_AT = 1_000
"""Pending approvals that one page of an inbox looks at: the caller may decide on few of them."""


class Approvals:
    """What people do with approvals. They are asked for in `requests.py`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what approvals touch
        self,
        database: Database,
        progress: Progress,
        outbox: Outbox,
        apps: Authenticators,
        fleet: Fleet,
        pubsub: PubSub,
        clock: Clock,
        bindings: Bindings,
        evidence: Evidence,
    ) -> None:
        self._database = database
        self._progress = progress
        self._outbox = outbox
        self._apps = apps
        self._fleet = fleet
        self._pubsub = pubsub
        self._clock = clock
        self._bindings = bindings
        self._votes = Votes(progress, bindings, clock)
        self._evidence = evidence

    def inbox(self, actor: Actor, cursor: str, limit: int) -> Page[ApprovalSummary]:
        """Return what the caller may decide now, newest first."""
        actor.require(Action.APPROVALS_VIEW)
        viewer = self._viewer(actor)

        pending = ApprovalFilter(state=ApprovalState.PENDING)

        def query(db: Connection) -> Page[ApprovalSummary]:
            found: list[ApprovalSummary] = []
            rows = approvals.list_newest(db, actor.org_id, pending, cursor, _MOST_LOOKED_AT)
            directory = ApproverDirectory(db, actor.org_id)
            for row in rows:
                case = load(db, self._bindings, row, directory=directory)
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

    def list_newest(
        self, actor: Actor, wanted: ApprovalFilter, cursor: str, limit: int
    ) -> Page[ApprovalSummary]:
        """Return a page of the org's approvals, newest first.

        Fewer where the caller may not see the template of some.
        """
        actor.require(Action.APPROVALS_VIEW)
        viewer = self._viewer(actor)

        def query(db: Connection) -> Page[ApprovalSummary]:
            rows = approvals.list_newest(db, actor.org_id, wanted, cursor, limit + 1)
            directory = ApproverDirectory(db, actor.org_id)
            cases = [load(db, self._bindings, row, directory=directory) for row in rows[:limit]]
            visible = (case for case in cases if not _is_hidden(db, actor, case))
            shown = ((case.row.id, summary(case, viewer)) for case in visible)
            return page_of_shown(shown, rows[limit - 1].id if len(rows) > limit else "")

        return self._database.read(query)

    def get(self, actor: Actor, approval_id: str) -> Approval:
        """Return one approval with all that an approver needs to see. Raises NotFound."""
        actor.require(Action.APPROVALS_VIEW)
        viewer, candidates = self._viewer(actor), self._fleet.candidates(actor.org_id)

        def query(db: Connection) -> Approval:
            case = self._get(db, actor, approval_id)
            approval = whole(db, case, viewer, candidates)
            if case.row.kind is ApprovalKind.RUN:
                approval.evidence = self._evidence.shown(db, case.automation, case.template)
            return approval

        return self._database.read(query)

    def find_pause(self, actor: Actor, approval_id: str) -> Approval | None:
        """Return what a job asks in its midst; None for an approval to run. Raises NotFound."""
        actor.require(Action.APPROVALS_VIEW)
        viewer = self._viewer(actor)

        def query(db: Connection) -> Approval | None:
            case = self._get(db, actor, approval_id)
            return None if case.row.kind is ApprovalKind.RUN else whole(db, case, viewer, ())

        return self._database.read(query)

    def need(
        self, actor: Actor, template: str, version: int | None = None, requester: str = ""
    ) -> ApprovalNeed:
        """Return what it would ask of others if the caller, or somebody else, ran this now.

        Raises NotFound, NotAllowed.
        """
        actor.require(Action.TEMPLATES_VIEW)

        def query(db: Connection) -> ApprovalNeed:
            row = get_document(db, DocumentKind.TEMPLATE, actor.org_id, template, version)
            return need_of(db, actor, row, requester)

        return self._database.read(query)

    def decide(
        self, actor: Actor, approval_id: str, verdict: Verdict, request: DecisionRequest
    ) -> ApprovalOutcome:
        """Agree or refuse, and return how the approval stands then. Saying it again is harmless.

        When the last gate is passed, the automation is queued; enough refusals end it. Raises
        NotFound; NotAllowed unless the caller may decide now; Conflict if it is over, they have
        said otherwise, what is stored is not what was asked for, or they have no authenticator app
        where a gate wants a code; InvalidInput without the reason or the code that a gate wants.
        """
        actor.require(Action.APPROVALS_DECIDE)
        verdict = verdict_with(verdict, request.choice)
        reason = checked_reason(request.reason)
        decision = PendingDecision(verdict, reason, bool(request.totp), request)

        def work(db: Connection) -> tuple[AutomationRow, ApprovalOutcome | Conflict]:
            case = self._get(db, actor, approval_id)
            require_active(db, actor.org_id)
            return case.automation, self._votes.take(db, actor, case, decision)

        is_proven = bool(request.totp)
        done = (
            self._apps.prove(actor, request.totp, work) if is_proven else self._database.write(work)
        )
        automation, outcome = done
        self._announce(automation)

        if isinstance(outcome, Conflict):
            raise outcome
        if outcome.state is ApprovalState.EXPIRED:
            raise Conflict(
                "this approval has expired", hint="Ask again by running the template anew."
            )
        return outcome

    def withdraw(self, actor: Actor, approval_id: str) -> Approval:
        """Take back what one has asked for, or a service account of one's own.

        The automation is cancelled.

        Raises NotFound, NotAllowed, Conflict.

        Whoever may not run templates may not take back either: a token that is for looking changes
        nothing.
        """
        actor.require(Action.APPROVALS_VIEW)
        now = self._clock.now()

        def work(db: Connection) -> AutomationRow:
            case = self._get(db, actor, approval_id)
            row = case.row
            _require_withdrawable(db, actor, row)
            by = (
                actor.email
                if row.requester_id == actor.user_id
                else f"{actor.email}, who answers for who asked"
            )
            notice = self._progress.withdraw(db, case, f"withdrawn by {by}", now)
            if notice is None:
                raise Conflict(f"this approval is over: it is {row.state}")
            automation_transitions.cancel_waiting(db, row.automation_id, actor.user_id, now)
            self._outbox.post_cancelled(db, row.org_id, row.automation_id, actor, notice)
            data = {"automation": row.automation_id}
            audit.append(db, now, row.org_id, actor, "withdraw", f"approvals/{row.id}", data)
            return case.automation

        self._announce(self._database.write(work))
        return self.get(actor, approval_id)

    def keep_time(self) -> int:
        """Expire, remind and escalate what is due in all orgs; how many approvals that touched."""
        now = self._clock.now()
        rows = self._database.read(lambda db: approvals.list_due(db, now, _DUE_AT_ONCE))
        for row in rows:
            try:
                self._announce(self._bring_up_to_date(row, now))
            except Exception:  # one that cannot be read must not keep all others from their time
                log.exception(
                    "an approval could not be brought up to date", extra={"approval": row.id}
                )
        return len(rows)

    def _bring_up_to_date(self, row: ApprovalRow, now: datetime) -> AutomationRow:
        def work(db: Connection) -> AutomationRow:
            case = self._progress.load(db, approvals.get(db, row.org_id, row.id))
            self._progress.advance(db, case, now)
            return case.automation

        return self._database.write(work)

    def _announce(self, row: AutomationRow) -> None:
        """Wake followers, and a worker if something may run, after a change is durable."""
        self._fleet.wake_one(row.org_id, stored_requirements(row.requirements))
        if row.worker_id and (presence := self._fleet.find(row.worker_id)):
            presence.wake()  # it holds a paused job, which may go on now
        self._pubsub.changed(automation_topic(row.id), org_topic(row.org_id))

    def _viewer(self, actor: Actor) -> Viewer:
        return Viewer(actor.user_id, self._clock.now())

    def _get(self, db: Connection, actor: Actor, approval_id: str) -> Case:
        """Return one approval.

        Raises NotFound, also for one whose template the actor may not see.
        """
        row = required(approvals.find(db, actor.org_id, approval_id), _not_found(approval_id))

        case = self._progress.load(db, row)
        if _is_hidden(db, actor, case) and not is_answerable_for(
            db, actor.org_id, actor.user_id, row.requester_id
        ):
            raise _not_found(approval_id)
        if not case.problem and row.kind is ApprovalKind.RUN:
            return msgspec.structs.replace(
                case, problem=self._evidence.problem(db, case.automation, case.template)
            )
        return case


def _not_found(approval_id: str) -> NotFound:
    """Return the error for an approval that is not there, or that the actor may not see."""
    return NotFound(
        f"there is no approval {approval_id}",
        hint="`opsicle approvals list --whose all` shows those of the org that you are "
        "logged in to.",
    )


def _is_hidden(db: Connection, actor: Actor, case: Case) -> bool:
    """Return whether the template is hidden from the actor, who has not asked for this either."""
    template = case.template
    return case.row.requester_id != actor.user_id and is_hidden(
        db, actor, template.name, template.labels
    )


def _require_withdrawable(db: Connection, actor: Actor, row: ApprovalRow) -> None:
    """Raise NotAllowed for whoever has not asked for it, Conflict for what nobody may take back."""
    if not is_answerable_for(db, row.org_id, actor.user_id, row.requester_id):
        raise NotAllowed(
            "only who asked can withdraw it, or who owns the service account that did",
            hint="If you may decide, reject it.",
        )
    actor.require(Action.AUTOMATIONS_CREATE)
    if row.kind is not ApprovalKind.RUN:
        raise Conflict(
            "what a job asks in its midst cannot be withdrawn",
            hint=f"`opsicle automations cancel {row.automation_id}` ends it.",
        )
