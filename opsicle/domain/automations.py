"""The state machine of automations and of the jobs that carry them out.

- planning → awaiting_approval | queued: its plan has gone well, if it has one
- planning → failed | cancelled: nobody was asked, and nothing else was run
- awaiting_approval → queued → running → succeeded | failed | cancelled | timed_out | unknown
- awaiting_approval → rejected | expired | cancelled
- queued → cancelled: by a person, or because it is not what was triggered
- queued → expired: the window in which it might begin has closed
- running → paused → running: people are asked in the middle
- paused → rejected | expired | cancelled | failed: with no clean-up left, or without its worker
- running → rejected | expired: what was rejected at a pause, after its clean-up phases
- unknown → succeeded | failed | cancelled | timed_out | rejected | expired | paused: only the
  worker that held the newest fence
- running → queued: only `onWorkerLost: requeue`, when the worker is lost
"""

from __future__ import annotations

from enum import StrEnum


class AutomationState(StrEnum):
    """Where an automation stands; spelled alike in SQL, JSON, UI and docs."""

    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    EXPIRED = "expired"


class JobState(StrEnum):
    """Where one attempt stands.

    `returned`: its lease lapsed or was refused before it started, so it never ran. `paused`: its
    worker keeps it, without a lease, until people have decided; then it is leased anew.
    """

    LEASED = "leased"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    RETURNED = "returned"


class WorkerLost(StrEnum):
    """What becomes of a running automation whose worker is lost (`onWorkerLost`)."""

    UNKNOWN = "unknown"
    REQUEUE = "requeue"


_S = AutomationState

OUTCOMES = frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELLED, _S.TIMED_OUT})
"""What a worker can truthfully report of a job that it ran."""

JOB_OUTCOMES = frozenset(JobState(state) for state in OUTCOMES)
"""The same, of the job itself."""

FINAL = OUTCOMES | {_S.UNKNOWN, _S.REJECTED, _S.EXPIRED}
"""States that nothing leaves, save that `unknown` gives way to the truth."""

WAITS_FOR_WORKER = frozenset({_S.PLANNING, _S.QUEUED})
"""States in which it may wait for one."""

UNFINISHED = frozenset(AutomationState) - FINAL
"""States that something still comes of."""

TRANSITIONS: dict[AutomationState, frozenset[AutomationState]] = {
    _S.PLANNING: frozenset({_S.AWAITING_APPROVAL, _S.QUEUED, _S.FAILED, _S.CANCELLED}),
    _S.AWAITING_APPROVAL: frozenset({_S.QUEUED, _S.REJECTED, _S.EXPIRED, _S.CANCELLED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.CANCELLED, _S.EXPIRED}),
    _S.RUNNING: OUTCOMES | {_S.UNKNOWN, _S.QUEUED, _S.PAUSED, _S.REJECTED, _S.EXPIRED},
    _S.PAUSED: frozenset({_S.RUNNING, _S.REJECTED, _S.EXPIRED, _S.CANCELLED, _S.FAILED}),
    _S.UNKNOWN: OUTCOMES | {_S.PAUSED, _S.REJECTED, _S.EXPIRED},
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.TIMED_OUT: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
}
"""Every step there is. The UPDATEs of `server/store/automation_transitions.py` carry them out; a
test compares the two."""


def known_state(name: str | None) -> AutomationState | None:
    """Return the state of this name, None for none and for one that only later versions know."""
    return AutomationState(name) if name in set(AutomationState) else None


def is_final(state: AutomationState) -> bool:
    """Return whether an automation in this state is over."""
    return state in FINAL
