"""Carrying automations that run on several machines from one of these to the next.

Such an automation has no job. When it may begin, its machines are written down in that transaction;
each is used up in the transaction that makes an automation for it. Whatever dies in between, each
is made once; what is left to do is read from the rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial

from opsicle.domain import stored_json
from opsicle.domain.automations import AutomationState
from opsicle.domain.bound_fan_outs import BoundFanOut, MemberOf, MemberState, progress, shown_state
from opsicle.domain.errors import Suspended, TooManyRequests
from opsicle.domain.fan_outs import FanOutKind
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor
from opsicle.server.access.member_actors import member_actor
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.manifests import calls_of
from opsicle.server.approvals.record_of_ends import record_start, require_not_ended
from opsicle.server.automations.attempts import AlreadyTaken, Attempts
from opsicle.server.automations.bound_fan_outs import require_target
from opsicle.server.automations.fan_out_endings import (
    NOT_BEGUN,
    OTHER_MACHINES,
    cut_off_reason,
    ending_of,
    whole_manifest,
)
from opsicle.server.automations.repeats import request_again
from opsicle.server.automations.service import Automations
from opsicle.server.automations.starters import MemberRun, Starter
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.concurrency_groups import GroupChanges
from opsicle.server.dispatch.lease_service import LeaseService
from opsicle.server.dispatch.leased_work import LeasedWork
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.pubsub import PubSub, automation_topic, org_topic
from opsicle.server.keys.vault import Vault
from opsicle.server.store import audit, automation_transitions, automations, fan_outs
from opsicle.server.store.automations import AutomationRow, Turn
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.fan_outs import FanOutMemberRow, FanOutRow
from opsicle.server.store.suspensions import is_suspended
from opsicle.wire.starts import StarterKind

log = logging.getLogger(__name__)

MOST_AT_ONCE = 1_000
"""How many automations on several machines one turn looks at."""

MOST_MADE_AT_ONCE = 100
"""How many parts of one of them a turn makes, so that it does not hold up the others."""

_UNREADABLE = BoundFanOut(kind=FanOutKind.EACH, members=(), max_failures=-1)
"""Lets no further machine begin."""


class FanOuts:
    """Carries automations that run on several machines on, a step at a time.

    Each step changes rows, which makes for the next step, by a notice or in the next turn of a
    loop. Two turns at once do no harm.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what such an automation touches
        self,
        database: Database,
        automations: Automations,
        bindings: Bindings,
        vault: Vault,
        fleet: Fleet,
        pubsub: PubSub,
        clock: Clock,
        lease_service: LeaseService,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._automations = automations
        self._lease_service = lease_service
        self._bindings = bindings
        self._fleet = fleet
        self._vault = vault
        self._pubsub = pubsub
        self._outbox = outbox
        self._clock = clock
        self._attempts = Attempts(clock)
        self._seen: dict[str, Sequence[FanOutMemberRow]] = {}

    def turn(self) -> int:
        """Begin what may begin, make the automations whose turn it is, and end what is over.

        Nothing begins while the queue is held, as after a restore. Return how many automations on
        several machines there are that are not over.
        """
        rows = self._database.read(lambda db: fan_outs.list_open(db, MOST_AT_ONCE))
        self._attempt(rows)
        for parent_id in self._seen.keys() - {row.id for row in rows}:
            del self._seen[parent_id]
        return len(rows)

    def step(self, automation_ids: Iterable[str]) -> None:
        """Do the same for some automations, by their ids; those of others are left out."""
        found = (
            self._database.read(partial(fan_outs.find_open, automation_id=each))
            for each in automation_ids
        )
        self._attempt(row for row in found if row)

    def _attempt(self, rows: Iterable[FanOutRow]) -> None:
        held = bool(self._fleet.held)
        for row in rows:
            is_held = held or self._database.read(partial(is_suspended, org_id=row.org_id))
            step, failed = partial(self._step, row, is_held=is_held), partial(_log_failure, row)
            self._attempts.attempt(row.id, step, failed)

    def _step(self, row: FanOutRow, *, is_held: bool) -> None:
        if row.state is AutomationState.RUNNING:
            self._carry_on(row, is_held=is_held)
        elif row.turn == Turn.READY and not is_held:
            self._begin(row)

    def _begin(self, found: FanOutRow) -> None:
        """Let an automation begin whose turn it is, if it is what was triggered and approved."""
        leased = LeasedWork()

        def work(db: Connection) -> None:
            row = automations.get(db, found.org_id, found.id)
            if row.state is not AutomationState.QUEUED or row.turn is not Turn.READY:
                return
            checked = self._lease_service.check_now(db, row, leased)
            if checked is not None and (fan_out := checked.bound.manifest.fan_out):
                self._begin_row(db, row, fan_out)
            self._lease_service.groups.advance(db, leased.group_changes)

        self._database.write(work)
        self._lease_service.groups.announce(leased.group_changes)
        self._pubsub.changed(automation_topic(found.id), org_topic(found.org_id))

    def _begin_row(self, db: Connection, row: AutomationRow, fan_out: BoundFanOut) -> None:
        now = self._clock.now()
        fence = max(row.fence, self._lease_service.epoch.fence_floor) + 1
        if not automation_transitions.lease(db, row.id, row.fence, fence, row.id):
            return
        automation_transitions.start(db, row.id, row.id, now)
        for position, member in enumerate(fan_out.members):
            fan_outs.insert(db, row, position, member.name)
        data = {"machines": [member.name for member in fan_out.members]}
        audit.append(db, now, row.org_id, SystemActor(), "start", f"automations/{row.id}", data)

    def _carry_on(self, found: FanOutRow, *, is_held: bool) -> None:
        parent = self._database.read(lambda db: automations.get(db, found.org_id, found.id))
        members = self._database.read(lambda db: fan_outs.list_of(db, found.id))
        self._announce(parent, members)
        fan_out = stored_json.read_or(parent.fan_out, BoundFanOut, _UNREADABLE)
        cut_off = cut_off_reason(parent, fan_out, self._clock.now())
        now = progress(fan_out, _states(members), is_cut_off=bool(cut_off))

        due = [each for each in members if each.state is MemberState.DUE]
        if now.is_stopped and due:
            self._end_unstarted(due, MemberState.SKIPPED, cut_off or NOT_BEGUN)
        elif now.is_over:
            self._end(parent)
        elif not is_held:
            for member in due[: min(now.room, MOST_MADE_AT_ONCE)]:
                refuse = partial(self._end_unstarted, [member], MemberState.REFUSED)
                self._attempts.attempt(
                    f"{parent.id}/{member.position}", partial(self._start, parent, member), refuse
                )
        if cut_off:
            for member in members:
                if member.state is MemberState.STARTED:
                    self._automations.cancel_called(parent, member.automation_id or "")

    def _announce(self, parent: AutomationRow, members: Sequence[FanOutMemberRow]) -> None:
        """Tell followers of an automation what has changed on its machines since the last turn."""
        if self._seen.get(parent.id) != members:
            self._seen[parent.id] = members
            self._pubsub.changed(automation_topic(parent.id))

    def _start(self, parent: AutomationRow, member: FanOutMemberRow) -> None:
        """Make the automation of one machine, in the name of whoever has asked for the whole."""
        actor = self._database.read(
            lambda db: member_actor(db, parent.org_id, parent.requester_id, "fan-out")
        )
        _, _, request = self._database.read(
            lambda db: request_again(db, self._vault, actor, parent.id)
        )
        run = self._database.read(lambda db: self._member_run(db, parent, member))
        if run.of.member.target:
            self._database.read(lambda db: require_target(db, actor, run.of.member))

        def claim(db: Connection, automation_id: str) -> None:
            now = self._clock.now()
            if not fan_outs.claim(db, member, automation_id, now):
                raise AlreadyTaken
            require_not_ended(db, parent)
            resource = f"fan-outs/{parent.id}/{member.position}"
            record_start(db, parent.org_id, resource, automation_id, now)

        starter = Starter(
            StarterKind.FAN_OUT,
            parent.id,
            parent.template,
            claim,
            depth=parent.depth,
            member=run,
        )
        try:
            self._automations.create(actor, request, starter=starter)
        except (TooManyRequests, Suspended) as error:  # it waits until the org lets more wait
            raise AlreadyTaken from error

    def _member_run(
        self, db: Connection, parent: AutomationRow, member: FanOutMemberRow
    ) -> MemberRun:
        """Return what is to run on a machine, by what the whole was bound to.

        Raises AlteredManifest where what is stored is not what was triggered.
        """
        manifest = whole_manifest(db, self._bindings, parent)
        bound = manifest.fan_out.members if manifest.fan_out else ()
        if member.position >= len(bound) or bound[member.position].name != member.name:
            raise AlteredManifest(OTHER_MACHINES)
        of = MemberOf(
            automation_id=parent.id,
            position=member.position,
            member=bound[member.position],
            plan_outputs=manifest.plan_outputs,
        )
        return MemberRun(of, calls_of(parent))

    def _end_unstarted(
        self, due: Sequence[FanOutMemberRow], state: MemberState, reason: str
    ) -> None:
        """Record that on some machines nothing is run, and why."""
        now = self._clock.now()

        def work(db: Connection) -> None:
            for each in due:
                if fan_outs.end_unstarted(db, each, state, reason, now):
                    data = {"machine": each.name, "reason": reason}
                    resource = f"automations/{each.parent_id}"
                    audit.append(
                        db, now, each.org_id, SystemActor(), "refuse_start", resource, data
                    )

        self._database.write(work)

    def _end(self, parent: AutomationRow) -> None:
        """End an automation all of whose machines are over."""
        changes = GroupChanges()

        def work(db: Connection) -> None:
            row = automations.get(db, parent.org_id, parent.id)
            ending = ending_of(db, self._bindings, row, self._clock.now())
            if not automation_transitions.finish(db, row.id, row.id, ending):
                return
            resource, data = f"automations/{row.id}", {"state": ending.state}
            audit.append(db, ending.at, row.org_id, SystemActor(), "finish", resource, data)
            self._outbox.post_finished(db, row.org_id, row.id, ending.state)
            self._lease_service.groups.advance(db, changes)

        self._database.write(work)
        self._lease_service.groups.announce(changes)
        self._pubsub.changed(automation_topic(parent.id), org_topic(parent.org_id))


def _log_failure(row: FanOutRow, reason: str) -> None:
    log.error(
        "an automation on several machines cannot go on",
        extra={"automation": row.id, "reason": reason},
    )


def _states(
    members: Sequence[FanOutMemberRow],
) -> list[tuple[MemberState, AutomationState]]:
    return [(each.state, shown_state(each.state, each.automation_state)) for each in members]
