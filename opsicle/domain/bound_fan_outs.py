"""An automation that runs once on each of several machines: on which ones, and how far that is.

What a person triggers is the whole; it has no job. Each machine gets an automation of its own, a
part.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from opsicle.domain.automations import AutomationState, is_final
from opsicle.domain.bound_targets import BoundTarget
from opsicle.domain.fan_outs import WEEK_SECONDS, FanOutKind


class BoundMember(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One machine, as it was when the automation was triggered: a worker, or a target.

    Of a target, `digest` is that of its document, `own_labels` are the target's, and `labels` and
    `where` say which workers reach it.
    """

    name: str
    worker_id: str = ""
    target: BoundTarget | None = None
    digest: str = ""
    labels: dict[str, str] = {}
    where: str = ""
    own_labels: dict[str, str] = {}

    @property
    def shown(self) -> str:
        """How it is shown to people before they approve: name, and of a target where it is."""
        target = self.target
        return f"{self.name} ({target.user}@{target.host}:{target.port})" if target else self.name


class BoundFanOut(msgspec.Struct, frozen=True, kw_only=True):
    """The machines that an automation runs on, in their order, and how many of them at once.

    All is over after `timeout` seconds.
    """

    kind: FanOutKind
    members: tuple[BoundMember, ...]
    parallel: int | None = None
    max_failures: int = 0
    timeout: int = WEEK_SECONDS


class MemberOf(msgspec.Struct, frozen=True, kw_only=True):
    """What a part belongs to: the automation of the whole, its position there, and its machine.

    `plan_outputs` are what the plan of the whole has handed on.
    """

    automation_id: str
    position: int
    member: BoundMember
    plan_outputs: dict[str, str] = {}


class MemberState(StrEnum):
    """Where one machine of an automation stands.

    Its own automation is yet to be made, was, is over, or could not start; `skipped`: it was not
    made any more, as others had failed or somebody has cancelled it all.
    """

    DUE = "due"
    STARTED = "started"
    ENDED = "ended"
    REFUSED = "refused"
    SKIPPED = "skipped"


def shown_state(state: MemberState, of_automation: AutomationState | None) -> AutomationState:
    """Return how a machine stands, in the words for automations."""
    if of_automation is not None:
        return of_automation
    if state is MemberState.DUE:
        return AutomationState.QUEUED
    return AutomationState.CANCELLED if state is MemberState.SKIPPED else AutomationState.FAILED


class FanOutProgress(msgspec.Struct, frozen=True):
    """How many machines may begin now; whether no further one may; whether all are over."""

    room: int
    is_stopped: bool
    is_over: bool


def progress(
    fan_out: BoundFanOut,
    members: Sequence[tuple[MemberState, AutomationState]],
    *,
    is_cut_off: bool,
) -> FanOutProgress:
    """Return how an automation goes on whose machines stand so (see `shown_state`).

    `is_cut_off`: it was cancelled, or its time is over.
    """
    due = sum(state is MemberState.DUE for state, _ in members)
    ends = [shown for _, shown in members if is_final(shown)]
    failed = sum(shown is not AutomationState.SUCCEEDED for shown in ends)
    is_stopped = is_cut_off or failed > fan_out.max_failures
    running = len(members) - len(ends) - due
    most = len(members) if fan_out.parallel is None else fan_out.parallel
    return FanOutProgress(
        room=0 if is_stopped else max(0, most - running),
        is_stopped=is_stopped,
        is_over=len(ends) == len(members),
    )
