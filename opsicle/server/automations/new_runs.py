"""An automation that is about to be made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundFanOut, BoundMember
from opsicle.domain.concurrency import QueuePlace, queue_place
from opsicle.domain.manifests import commitment
from opsicle.domain.secrets import masked, only_secret
from opsicle.domain.templates import DRAFT, Template, Value
from opsicle.domain.values import as_text
from opsicle.domain.workers import Requirements, encoded, requirements
from opsicle.kit.clock import to_text
from opsicle.kit.ids import new_id
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.manifests import machine_of
from opsicle.server.automations.bound_calls import bound_calls
from opsicle.server.automations.given_files import named_by_content
from opsicle.server.automations.resumed_runs import ResumedRun
from opsicle.server.automations.starters import CalledRun, MemberRun, Starter
from opsicle.server.dispatch.concurrency_groups import GroupChanges
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.keys.vault import HiddenValues, Vault, new_salt
from opsicle.server.store.automations import AutomationRow, Turn
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import VersionRow
from opsicle.server.store.secrets import SealedRow
from opsicle.wire.user_api import RunRequest


class Origin(NamedTuple):
    """What a new automation comes from: what it repeats, what starts it, or what it goes on from.

    Nothing of these for one that somebody asks for. `only` is the one target among those of its
    template that it is for, "" if it is for all.
    """

    rerun_of: str
    starter: Starter | None
    resumed: ResumedRun | None
    only: str = ""

    @property
    def member(self) -> MemberRun | None:
        """What it is a part of, and on which machine; None for one that is no part."""
        return self.starter.member if self.starter else None

    @property
    def called(self) -> CalledRun | None:
        """What its caller is bound to call; None for one that was not called."""
        return self.starter.called if self.starter else None

    @property
    def source(self) -> str:
        """The automation whose files a new one may take, "" if there is none.

        That is the one which it repeats or goes on from, which calls it or of which it is a part,
        or whose end starts it.
        """
        if self.resumed:
            return self.resumed.point.automation_id
        return (self.starter.parent_id if self.starter else "") or self.rerun_of


class CheckedRun(msgspec.Struct, frozen=True):
    """A version of a template with values that fit it, which somebody may run."""

    version: VersionRow
    template: Template
    request: RunRequest
    values: dict[str, Value]
    origin: Origin

    def bound_calls(
        self, db: Connection, fleet: Fleet, actor: Actor, fan_out: BoundFanOut | None
    ) -> tuple[BoundCall, ...]:
        """Return what its phases will call. Raises as the function of that name."""
        resumed = self.origin.resumed
        first_phase = resumed.point.first_phase if resumed else 0
        starter = self.origin.starter
        times = len(fan_out.members) if fan_out else 1
        return bound_calls(
            db, fleet, actor, self.template, self.values, starter, first_phase, times
        )

    def row(
        self,
        actor: Actor,
        placing: Placing,
        calls: tuple[BoundCall, ...],
        fan_out: BoundFanOut | None,
        now: datetime,
    ) -> AutomationRow:
        """Return the row of the new automation, as far as it needs no transaction."""
        template, resumed = self.template, self.origin.resumed
        return AutomationRow(
            id=new_id(now),
            org_id=actor.org_id,
            template_id=self.version.document_id,
            template=template.name,
            version=self.version.version,
            values_json=msgspec.json.encode(masked(template.variables, self.values)).decode(),
            requirements=encoded(placing.asked),
            on_worker_lost=template.on_worker_lost,
            state=placing.state,
            requester_id=actor.user_id,
            requester_email=actor.email,
            requester_name=actor.name,
            reason=self.request.reason,
            rerun_of=self.origin.rerun_of or None,
            resumed_from=resumed.point.automation_id if resumed else None,
            created_at=now,
            queued_at=now,
            turn=placing.turn,
            start_at=placing.start_at,
            not_before=placing.start_at,
            calls=msgspec.json.encode(calls).decode() if calls else "",
            fan_out=msgspec.json.encode(fan_out).decode() if fan_out else "",
            only_worker=msgspec.json.encode(only).decode() if (only := placing.only_worker) else "",
            **placing.queue._asdict(),
        )


class NewRun(msgspec.Struct, frozen=True):
    """What is to be made: the row as people see it, and beside it what only a worker gets.

    `given` are the values of the request, with files named by what is in them; `commitments` is
    what the manifest says of each secret variable; `with_mfa`: whoever asked has shown a code.
    `starter`: what starts it, if not the requester. `resumed`: what it goes on from, if it does not
    begin.
    """

    row: AutomationRow
    template: Template
    request: RunRequest
    given: Mapping[str, Value | None]
    sealed: SealedRow | None
    commitments: dict[str, str]
    with_mfa: bool
    starter: Starter | None
    resumed: ResumedRun | None = None
    group_changes: GroupChanges = msgspec.field(default_factory=GroupChanges)

    def require_possible(self, db: Connection, actor: Actor) -> None:
        """Raise InvalidInput for an upload that has expired, or a start whose time has passed.

        Not where the same request has been answered before, for which that does not matter.
        """
        if self.row.start_at and self.row.start_at <= self.row.created_at:
            raise validators.invalid(
                "start_at", "has passed", hint="Leave it out to have it begin at once."
            )
        source = Origin(self.row.rerun_of or "", self.starter, self.resumed).source
        at = self.row.created_at
        named_by_content(db, actor, self.template.variables, self.request.values, source, at)

    def recorded(self, row: AutomationRow) -> dict[str, object]:
        """Return what the record says of the start; `row` is what became of it."""
        given = {name: value for name, value in self.given.items() if value is not None}
        return {
            "template": row.template,
            "version": row.version,
            "values": masked(self.template.variables, given),
            "rerun_of": row.rerun_of,
            "manifest": row.manifest_digest,
            "with_mfa": self.with_mfa,
            **({"draft": row.template_id} if row.version == DRAFT else {}),
            **({"worker": self.request.worker} if self.request.worker else {}),
            **({"start_at": to_text(row.start_at)} if row.start_at else {}),
            **({"started_by": self.starter.shown} if self.starter else {}),
            **({"resumed_from": self.resumed.recorded} if self.resumed else {}),
        }


class Placing(NamedTuple):
    """What a new automation asks of its worker, and where it stands in the queue."""

    asked: Requirements
    queue: QueuePlace
    state: AutomationState
    only_worker: BoundMember | None = None
    start_at: datetime | None = None

    @property
    def turn(self) -> Turn:
        """Whether its time has not come, or its concurrency group is yet to look at it."""
        if self.start_at and self.state is AutomationState.QUEUED:
            return Turn.EARLY
        is_new = self.queue.concurrency_key and self.state is AutomationState.QUEUED
        return Turn.NEW if is_new else Turn.READY


def placing_of(
    template: Template,
    values: Mapping[str, Value],
    origin: Origin,
    fan_out: BoundFanOut | None,
    only_worker: BoundMember | None,
    start_at: datetime | None = None,
) -> Placing:
    """Return where a new automation stands, before it is known whether people must agree."""
    member, resumed = origin.member, origin.resumed
    plans = bool(template.plan) and member is None
    asked = requirements(
        template,
        resumed.point.workspace if resumed else None,
        machine_of(member.of if member else None, fan_out) or only_worker,
        is_fan_out=fan_out is not None and not plans,
    )
    queue = queue_place(template, values, is_member=member is not None)
    state = AutomationState.PLANNING if plans else AutomationState.QUEUED
    return Placing(asked, queue, state, only_worker, start_at)


def sealed_values(
    vault: Vault, row: AutomationRow, template: Template, values: Mapping[str, Value]
) -> tuple[SealedRow | None, dict[str, str]]:
    """Return the values of secret variables, sealed, and what the manifest says of each."""
    hidden = HiddenValues(new_salt(), only_secret(template.variables, values))
    if not hidden.values:
        return None, {}
    commitments = {
        name: commitment(hidden.salt, as_text(value)) for name, value in hidden.values.items()
    }
    return vault.seal_values(row.org_id, row.id, hidden), commitments
