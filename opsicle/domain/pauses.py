"""How a job goes on after people were asked in its midst.

A job is asked about at most once at a time: at a phase that is a `pause`, or after one that failed
and says `onFailure: ask`. What comes of it is a `Resume`, which stands in the order by which its
worker takes the job up again (see docs/decisions/0032-jobs-that-wait-for-people.md).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from opsicle.domain.fan_outs import FanOutKind
from opsicle.domain.policies import DEFAULT_EXPIRES_AFTER_SECONDS, Approvers, Gate
from opsicle.domain.templates import OnFailure, Phase, Template, Value, When

FAILURE_GATE = "failure"
"""The name of the one gate at which people choose what becomes of a failure."""

FAILURE_ROLES = ("admin", "operator")
"""Who may choose beside the requester."""


class ApprovalKind(StrEnum):
    """What an approval is about: whether to run at all, a pause, or a failure in the middle."""

    RUN = "run"
    PAUSE = "pause"
    FAILURE = "failure"


class Choice(StrEnum):
    """What people choose after a failure."""

    RETRY = "retry"
    SKIP = "skip"
    ABORT = "abort"


class ResumeVerdict(StrEnum):
    """How a paused job goes on.

    `stop`: only its clean-up phases run. `abort`: the failure stands, as if nobody had been asked.
    `fail`: what the phase called did not succeed.
    """

    CONTINUE = "continue"
    RETRY = "retry"
    SKIP = "skip"
    ABORT = "abort"
    STOP = "stop"
    FAIL = "fail"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is given with a decision: a choice after a failure, values at a pause."""

    choice: Choice | None = None
    values: dict[str, Value] = {}


class ResumeDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word at a pause, as a worker is shown it."""

    user_id: str
    email: str
    principal_id: str
    decision: str
    with_mfa: bool


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """How one job goes on from one pause.

    `phase` is the index of the phase at which it paused, `paused_fence` the fence under which it
    did: together with the job they say which pause is meant. `values` are those of all its pauses
    so far, `reason` says why it stops or what was chosen, and by whom. `outputs` are those that
    come back from what the phase has called; `approval_id` is the id of that wait then.
    """

    approval_id: str
    phase: int
    paused_fence: int
    verdict: ResumeVerdict
    reason: str
    values: dict[str, Value]
    decisions: tuple[ResumeDecision, ...]
    outputs: dict[str, str] = {}


def kind_of(phase: Phase) -> ApprovalKind | None:
    """Return about what a job can ask at a phase; None if nobody is asked there."""
    if phase.pause is not None:
        return ApprovalKind.PAUSE
    return ApprovalKind.FAILURE if phase.on_failure is OnFailure.ASK else None


def gate_of(phase: Phase, requesters: tuple[str, ...]) -> Gate:
    """Return the gate at which it is decided how a job goes on from a phase.

    After a failure that is the requester's to choose, whoever answers for them, and operators'.
    `requesters` are the addresses of the former.
    """
    if phase.pause is not None:
        return phase.pause.gate
    return Gate(
        name=FAILURE_GATE,
        approvers=Approvers(users=requesters, roles=FAILURE_ROLES),
        allow_requester=True,
        expires_after=DEFAULT_EXPIRES_AFTER_SECONDS,
    )


def has_clean_up(template: Template, phase: int) -> bool:
    """Return whether anything runs after a job was stopped at a phase."""
    return any(each.when is not When.SUCCESS for each in template.phases[phase + 1 :])


def leaves_work(template: Template, phase: int) -> bool:
    """Return whether its worker has something to do after a job was stopped at a phase.

    These are clean-up phases, or, on a target, the removal of the job's folder there.
    """
    is_on_target = template.fan_out is not None and template.fan_out.kind is FanOutKind.TARGETS
    return is_on_target or has_clean_up(template, phase)
