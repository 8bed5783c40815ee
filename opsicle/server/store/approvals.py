"""SQL of approvals and their decisions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import apsw

from opsicle.domain.approvals import ApprovalState, Verdict
from opsicle.domain.errors import NotFound, required
from opsicle.domain.pauses import ApprovalKind
from opsicle.domain.run_windows import RunWindow
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_column,
    fetch_one,
    fetch_text,
    has_changed,
    where,
)


class ApprovalRow(Row, frozen=True, kw_only=True):
    """One approval.

    `policy` and `notified` are JSON; `policy_id` is empty for a policy that stands in the template.

    `asked_seq` is the number of the org's newest entry in the record when it was asked. Of a pause
    and a failure, `job_id`, `phase` (by its index) and `fence` say which, and `mac` that this
    server has asked just so.
    """

    id: str
    org_id: str
    automation_id: str
    state: ApprovalState
    policy_id: str
    policy_name: str
    policy_version: int
    policy_digest: str
    policy: str
    manifest_digest: str
    requester_id: str
    asked_at: datetime
    asked_seq: int = 0
    next_at: datetime | None = None
    notified: str = "[]"
    waiting_for: str = ""
    ended_at: datetime | None = None
    explanation: str = ""
    kind: ApprovalKind = ApprovalKind.RUN
    job_id: str | None = None
    phase: int | None = None
    fence: int | None = None
    mac: str = ""


class DecisionRow(Row, frozen=True, kw_only=True):
    """One person's decision on one gate. `principal` is the human being behind the account.

    `answer` is what was given with it, as JSON; "" if nothing was asked for. `not_before` and
    `not_after` are when what it lets run may begin.
    """

    approval_id: str
    gate: str
    user_id: str
    email: str
    name: str
    principal: str
    verdict: Verdict
    reason: str
    with_mfa: bool
    elapsed_seconds: int
    decided_at: datetime
    mac: str = ""
    answer: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None

    @property
    def window(self) -> RunWindow:
        """When it lets something begin."""
        return RunWindow.of(self.not_before, self.not_after, self.email)


_SELECT = """
    SELECT id, org_id, automation_id, state, policy_id, policy_name, policy_version, policy_digest,
           policy, manifest_digest, requester_id, asked_at, asked_seq, next_at, notified,
           waiting_for, ended_at, explanation, kind, job_id, phase, fence, mac
      FROM approvals
"""


def insert(db: apsw.Connection, row: ApprovalRow) -> None:
    """Record that somebody is asked."""
    db.execute(
        """
        INSERT INTO approvals (id, org_id, automation_id, state, policy_id, policy_name,
                               policy_version, policy_digest, policy, manifest_digest, requester_id,
                               asked_at, asked_seq, next_at, notified, waiting_for, ended_at, kind,
                               job_id, phase, fence, mac)
        VALUES (:id, :org_id, :automation_id, :state, :policy_id, :policy_name, :policy_version,
                :policy_digest, :policy, :manifest_digest, :requester_id, :asked_at, :asked_seq,
                :next_at, :notified, :waiting_for, :ended_at, :kind, :job_id, :phase, :fence, :mac)
        """,
        {
            "id": row.id,
            "org_id": row.org_id,
            "automation_id": row.automation_id,
            "state": row.state,
            "policy_id": row.policy_id,
            "policy_name": row.policy_name,
            "policy_version": row.policy_version,
            "policy_digest": row.policy_digest,
            "policy": row.policy,
            "manifest_digest": row.manifest_digest,
            "requester_id": row.requester_id,
            "asked_at": to_text(row.asked_at),
            "asked_seq": row.asked_seq,
            "next_at": to_text(row.next_at) if row.next_at else None,
            "notified": row.notified,
            "waiting_for": row.waiting_for,
            "ended_at": to_text(row.ended_at) if row.ended_at else None,
            "kind": row.kind,
            "job_id": row.job_id,
            "phase": row.phase,
            "fence": row.fence,
            "mac": row.mac,
        },
    )


def find(db: apsw.Connection, org_id: str, approval_id: str) -> ApprovalRow | None:
    """Return one approval of this org, or None."""
    where = "WHERE org_id = :org_id AND id = :id"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "id": approval_id}, ApprovalRow)


def get(db: apsw.Connection, org_id: str, approval_id: str) -> ApprovalRow:
    """Return one approval of this org.

    Raises NotFound for an absent and for another org's one alike.
    """
    return required(find(db, org_id, approval_id), NotFound(f"there is no approval {approval_id}"))


def find_of_automation(db: apsw.Connection, automation_id: str) -> ApprovalRow | None:
    """Return the approval that an automation waits or waited for before it ran, or None."""
    where = "WHERE automation_id = :id AND kind = 'run'"
    return fetch_one(db, _SELECT + where, {"id": automation_id}, ApprovalRow)


def list_pauses(db: apsw.Connection, automation_id: str, job_id: str) -> list[ApprovalRow]:
    """Return what was asked in the midst of a job, in order."""
    where = "WHERE automation_id = :automation_id AND job_id = :job_id ORDER BY id"
    given = {"automation_id": automation_id, "job_id": job_id}
    return fetch_all(db, _SELECT + where, given, ApprovalRow)


@dataclass(frozen=True, slots=True)
class ApprovalFilter:
    """What a list of approvals is narrowed to; an empty string means any."""

    state: str = ""
    requester_id: str = ""


def list_newest(
    db: apsw.Connection, org_id: str, wanted: ApprovalFilter, before: str, limit: int
) -> list[ApprovalRow]:
    """Return a page of approvals, newest first, older than `before` (empty: from the newest)."""
    which = where(
        "org_id = :org_id",
        wanted.requester_id and "requester_id = :requester_id",
        wanted.state and "state = :state",
        before and "id < :before",
    )
    given = {"org_id": org_id, "before": before, "limit": limit, **asdict(wanted)}
    return fetch_all(db, f"{_SELECT}{which} ORDER BY id DESC LIMIT :limit", given, ApprovalRow)


def list_due(db: apsw.Connection, now: datetime, limit: int) -> list[ApprovalRow]:
    """Return the pending approvals of all orgs for which something is due by time alone."""
    where = "WHERE state = 'pending' AND next_at <= :now ORDER BY next_at LIMIT :limit"
    return fetch_all(db, _SELECT + where, {"now": to_text(now), "limit": limit}, ApprovalRow)


def find_due_at(db: apsw.Connection) -> str | None:
    """Return when something is due by time alone at the first of all pending approvals."""
    return fetch_text(db, "SELECT min(next_at) FROM approvals WHERE state = 'pending'", {})


def schedule(
    db: apsw.Connection, approval_id: str, next_at: datetime | None, notified: str, waiting_for: str
) -> bool:
    """Record what was notified, who is waited for, and when something is due next.

    Return False if the approval is over.
    """
    return has_changed(
        db,
        """
        UPDATE approvals
           SET next_at = :next_at, notified = :notified, waiting_for = :waiting_for
         WHERE id = :id AND state = 'pending'
        """,
        {
            "id": approval_id,
            "next_at": to_text(next_at) if next_at else None,
            "notified": notified,
            "waiting_for": waiting_for,
        },
    )


def end(db: apsw.Connection, approval_id: str, state: str, at: datetime, explanation: str) -> bool:
    """End a pending approval. Return False if it had ended before."""
    return has_changed(
        db,
        """
        UPDATE approvals
           SET state = :state, ended_at = :at, explanation = :explanation, next_at = NULL,
               waiting_for = ''
         WHERE id = :id AND state = 'pending'
        """,
        {"id": approval_id, "state": state, "at": to_text(at), "explanation": explanation},
    )


def insert_decision(db: apsw.Connection, org_id: str, row: DecisionRow) -> bool:
    """Record a decision. Return False if this person has decided on this gate before."""
    return has_changed(
        db,
        """
        INSERT INTO approval_decisions (approval_id, gate, user_id, org_id, principal, verdict,
                                        reason, with_mfa, elapsed_seconds, decided_at, mac, answer,
                                        not_before, not_after)
        VALUES (:approval_id, :gate, :user_id, :org_id, :principal, :verdict, :reason, :with_mfa,
                :elapsed, :at, :mac, :answer, :not_before, :not_after)
        ON CONFLICT DO NOTHING
        """,
        {
            "approval_id": row.approval_id,
            "gate": row.gate,
            "user_id": row.user_id,
            "org_id": org_id,
            "principal": row.principal,
            "verdict": row.verdict,
            "reason": row.reason,
            "with_mfa": row.with_mfa,
            "elapsed": row.elapsed_seconds,
            "at": to_text(row.decided_at),
            "mac": row.mac,
            "answer": row.answer,
            "not_before": to_text(row.not_before) if row.not_before else None,
            "not_after": to_text(row.not_after) if row.not_after else None,
        },
    )


def authenticate_decision(db: apsw.Connection, row: DecisionRow) -> None:
    """Give a decision its MAC that has none, for good."""
    db.execute(
        """
        UPDATE approval_decisions
           SET mac = :mac
         WHERE approval_id = :approval_id AND gate = :gate AND user_id = :user_id AND mac = ''
        """,
        {"approval_id": row.approval_id, "gate": row.gate, "user_id": row.user_id, "mac": row.mac},
    )


def list_decisions(db: apsw.Connection, approval_id: str) -> list[DecisionRow]:
    """Return all decisions of one approval, in the order in which they came."""
    return fetch_all(
        db,
        """
        SELECT d.approval_id, d.gate, d.user_id, coalesce(u.former_email, u.email), u.name,
               d.principal, d.verdict, d.reason, d.with_mfa, d.elapsed_seconds, d.decided_at, d.mac,
               d.answer, d.not_before, d.not_after
          FROM approval_decisions d
          JOIN users u ON u.id = d.user_id
         WHERE d.approval_id = :id
         ORDER BY d.decided_at, d.gate
        """,
        {"id": approval_id},
        DecisionRow,
    )


def find_last_run(db: apsw.Connection, org_id: str, template_id: str, before_id: str) -> str | None:
    """Return the template's newest approved run that is older than `before_id`, or None."""
    found = fetch_column(
        db,
        """
        SELECT a.id
          FROM automations a
          JOIN approvals p ON p.automation_id = a.id
         WHERE a.org_id = :org_id AND a.template_id = :template_id AND a.id < :before
           AND a.approved_at IS NOT NULL AND a.started_at IS NOT NULL AND p.state = 'approved'
           AND p.kind = 'run'
           AND EXISTS (SELECT 1 FROM approval_decisions d
                        WHERE d.approval_id = p.id AND d.verdict = 'approve')
         ORDER BY a.id DESC LIMIT 1
        """,
        {"org_id": org_id, "template_id": template_id, "before": before_id},
    )
    return str(found[0]) if found else None
