"""How an approval stands.

A function of its policy's gates, the decisions, when it was asked, and the time.

pending → approved | rejected | expired | withdrawn

Nothing here reads a clock. What ends first counts: a decision after a gate has expired changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from opsicle.domain.approvers import (
    ApprovalRequester,
    ApproverPerson,
    deciders,
    gate_problem,
    may_decide,
)
from opsicle.domain.policies import Gate, GateOrder


class ApprovalState(StrEnum):
    """Where an approval stands; spelled alike in SQL, JSON, UI and docs."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class GateState(StrEnum):
    """Where a gate stands: `waiting` for the one before it, `open` to decisions, or over."""

    WAITING = "waiting"
    OPEN = "open"
    PASSED = "passed"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Verdict(StrEnum):
    """What a person decides."""

    APPROVE = "approve"
    REJECT = "reject"


class ApprovalOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an approval stands after a decision, or after its time has gone on.

    `waiting_for` says in one line who has to agree before it goes on, and is empty once it is over.
    """

    state: ApprovalState
    template: str
    waiting_for: str = ""


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word on one gate.

    `elapsed` is for how many seconds the gate had been open, -1 if it had not opened: who decides
    on one gate has thereby decided on those that come later and name them too.
    """

    gate: str
    user_id: str
    principal: str
    verdict: Verdict
    at: datetime
    with_mfa: bool = False
    has_reason: bool = False
    elapsed: int = 0


class GateStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One gate at one moment. `ended_at` is when it passed, was rejected or expired."""

    gate: Gate
    state: GateState
    opened_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def expires_at(self) -> datetime | None:
        """Until when it can be decided on, once it is open."""
        return (
            self.opened_at + timedelta(seconds=self.gate.expires_after) if self.opened_at else None
        )

    def elapsed(self, now: datetime) -> int:
        """Return for how many seconds it has been open; -1 before that."""
        return (
            int((now - self.opened_at).total_seconds())
            if self.opened_at and now >= self.opened_at
            else -1
        )


class ApprovalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole at one moment. `decisive` is the gate that ended it, if one did."""

    state: ApprovalState
    gates: tuple[GateStatus, ...]
    decisive: str = ""

    @property
    def open_gates(self) -> tuple[GateStatus, ...]:
        """Those that can be decided on; none once it is over."""
        if self.state is not ApprovalState.PENDING:
            return ()
        return tuple(gate for gate in self.gates if gate.state is GateState.OPEN)


class Due(msgspec.Struct, frozen=True):
    """Something that happens to a gate by time alone.

    `key` tells it apart from all others of the approval.
    """

    key: str
    at: datetime
    gate: str
    step: int | None = None
    """Of an escalation, which; None for a reminder."""


def status(
    gates: Sequence[Gate],
    order: GateOrder,
    votes: Iterable[Vote],
    asked_at: datetime,
    now: datetime,
) -> ApprovalStatus:
    """Return how the approval stands at `now`.

    Without any gate it is approved from the beginning.
    """
    cast = list(votes)
    found: list[GateStatus] = []
    opens_at: datetime | None = asked_at

    for gate in gates:
        seen = _gate_status(gate, cast, opens_at, now)
        found.append(seen)
        if order is GateOrder.SEQUENTIAL:
            opens_at = seen.ended_at if seen.state is GateState.PASSED else None

    ends = [seen for seen in found if seen.state in _ENDS]
    if ends:
        first = min(ends, key=lambda seen: seen.ended_at or now)
        return ApprovalStatus(
            state=_ENDS[first.state], gates=tuple(found), decisive=first.gate.name
        )

    is_passed = all(seen.state is GateState.PASSED for seen in found)
    return ApprovalStatus(
        state=ApprovalState.APPROVED if is_passed else ApprovalState.PENDING, gates=tuple(found)
    )


_ENDS = {GateState.REJECTED: ApprovalState.REJECTED, GateState.EXPIRED: ApprovalState.EXPIRED}


def due(current: ApprovalStatus) -> list[Due]:
    """Return the open gates' reminders and escalations, past and to come, by time."""
    found: list[Due] = []
    for seen in current.open_gates:
        opened_at, gate = seen.opened_at, seen.gate
        assert opened_at is not None

        if gate.remind_after is not None:
            found.append(
                Due(
                    f"remind:{gate.name}",
                    opened_at + timedelta(seconds=gate.remind_after),
                    gate.name,
                )
            )

        for i, step in enumerate(gate.escalate):
            found.append(
                Due(
                    f"escalate:{gate.name}:{i}",
                    opened_at + timedelta(seconds=step.after),
                    gate.name,
                    i,
                )
            )

    return sorted(found, key=lambda item: item.at)


def next_moment(current: ApprovalStatus, notified: Iterable[str]) -> datetime | None:
    """Return when something happens next by time alone; None if nothing will."""
    known = set(notified)
    moments = [item.at for item in due(current) if item.key not in known]
    moments += [seen.expires_at for seen in current.open_gates if seen.expires_at]
    return min(moments, default=None)


def unmet(
    gates: Iterable[Gate],
    votes: Iterable[Vote],
    people: Mapping[str, ApproverPerson],
    requester: ApprovalRequester,
) -> str:
    """Return why these decisions would not satisfy these gates with people as they are now.

    Return "" if they would.

    A decision counts for every gate on which its author may still decide and whose demands it
    meets.
    """
    cast = list(votes)
    for gate in gates:
        counted = _counter(gate, people, requester)
        agreed = {
            vote.principal for vote in cast if vote.verdict is Verdict.APPROVE and counted(vote)
        }
        refused = {
            vote.principal for vote in cast if vote.verdict is Verdict.REJECT and counted(vote)
        }

        if len(refused) >= gate.rejections_to_end:
            return f"gate {gate.name} counts {len(refused)} rejections"
        if len(agreed) < gate.required:
            return (
                f"gate {gate.name} needs {gate.required} who agree and may, and has {len(agreed)}"
            )

    return ""


def stuck_gates(
    seen: ApprovalStatus,
    votes: Iterable[Vote],
    people: Mapping[str, ApproverPerson],
    requester: ApprovalRequester,
) -> dict[str, str]:
    """Return why which gates of a pending approval can no longer be passed, by name.

    One that is still to be passed, because too few are left who may decide; escalations to come
    count. And one that was passed by somebody who may no longer: what they let pass would not run.
    """
    cast = list(votes)
    found: dict[str, str] = {}

    for each in seen.gates if seen.state is ApprovalState.PENDING else ():
        gate = each.gate
        if each.state is GateState.PASSED:
            if unmet([gate], cast, people, requester):
                found[gate.name] = "who agreed to it may no longer"
            continue

        counted = _counter(gate, people, requester)
        here = [vote for vote in cast if vote.gate == gate.name]
        able = {
            person.principal
            for person in deciders(gate, people.values(), requester, gate.expires_after)
        }
        able -= {
            vote.principal for vote in here if vote.verdict is Verdict.REJECT or not counted(vote)
        }

        if len(able) < gate.required:
            found[gate.name] = gate_problem(gate, len(able), requester)

    return found


def _counter(
    gate: Gate, people: Mapping[str, ApproverPerson], requester: ApprovalRequester
) -> Callable[[Vote], bool]:
    def counts(vote: Vote) -> bool:
        person = people.get(vote.user_id)
        if person is None or not may_decide(gate, person, requester, vote.elapsed):
            return False
        if vote.principal in requester.identities and not gate.allow_requester:
            return False
        return vote.verdict is Verdict.REJECT or satisfies_gate(
            gate, with_mfa=vote.with_mfa, has_reason=vote.has_reason
        )

    return counts


def satisfies_gate(gate: Gate, *, with_mfa: bool, has_reason: bool) -> bool:
    """Return whether a decision brings what the gate asks for."""
    return (with_mfa or not gate.require_mfa) and (has_reason or not gate.require_reason)


def _gate_status(
    gate: Gate, votes: list[Vote], opened_at: datetime | None, now: datetime
) -> GateStatus:
    if opened_at is None:
        return GateStatus(gate=gate, state=GateState.WAITING)

    expires_at = opened_at + timedelta(seconds=gate.expires_after)
    seen: dict[Verdict, set[str]] = {verdict: set() for verdict in Verdict}
    limits = {
        Verdict.APPROVE: (gate.required, GateState.PASSED),
        Verdict.REJECT: (gate.rejections_to_end, GateState.REJECTED),
    }

    for vote in sorted(
        (vote for vote in votes if vote.gate == gate.name), key=lambda vote: vote.at
    ):
        if vote.at >= expires_at or any(vote.principal in heard for heard in seen.values()):
            continue
        heard, (limit, state) = seen[vote.verdict], limits[vote.verdict]
        heard.add(vote.principal)
        if len(heard) >= limit:
            ended_at = max(vote.at, opened_at)
            return GateStatus(gate=gate, state=state, opened_at=opened_at, ended_at=ended_at)

    if now >= expires_at:
        return GateStatus(
            gate=gate, state=GateState.EXPIRED, opened_at=opened_at, ended_at=expires_at
        )
    return GateStatus(gate=gate, state=GateState.OPEN, opened_at=opened_at)
