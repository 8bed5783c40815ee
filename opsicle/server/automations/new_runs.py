"""An automation that is about to be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from opsicle.domain.automations import AutomationState
from opsicle.domain.bound_fan_outs import BoundFanOut
from opsicle.domain.concurrency import QueuePlace, queue_place
from opsicle.domain.manifests import commitment
from opsicle.domain.secrets import masked, only_secret
from opsicle.domain.templates import Template, Value
from opsicle.domain.variables import as_text
from opsicle.domain.workers import Requirements, requirements
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.manifests import machine_of
from opsicle.server.automations.given_files import named_by_content
from opsicle.server.automations.resumed_runs import ResumedRun
from opsicle.server.automations.starters import MemberRun, Starter
from opsicle.server.dispatch.concurrency_groups import Settled
from opsicle.server.keys.vault import HiddenValues, Vault, new_salt
from opsicle.server.store.automations import AutomationRow, Turn
from opsicle.server.store.database import Connection
from opsicle.server.store.secrets import SealedRow
from opsicle.wire.user_api import RunRequest


class Origin(NamedTuple):
    """What a new automation comes from: what it repeats, what starts it, or what it goes on from.

    Nothing of these for one that somebody asks for.
    """

    rerun_of: str
    starter: Starter | None
    resumed: ResumedRun | None

    @property
    def member(self) -> MemberRun | None:
        """Of what it is a part."""
        return self.starter.member if self.starter else None

    @property
    def source(self) -> str:
        """The automation whose files a new one may take, "" if there is none.

        That is the one which it repeats or goes on from, which calls it or of which it is a part,
        or whose end starts it.
        """
        if self.resumed:
            return self.resumed.point.automation_id
        return (self.starter.parent_id if self.starter else "") or self.rerun_of


@dataclass(frozen=True, slots=True)
class NewRun:
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
    settled: Settled = field(default_factory=Settled)

    def require_files(self, db: Connection, actor: Actor) -> None:
        """Raise InvalidInput if an upload has expired since it was looked for."""
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
            **({"started_by": self.starter.shown} if self.starter else {}),
            **({"resumed_from": self.resumed.recorded} if self.resumed else {}),
        }


class Placing(NamedTuple):
    """What a new automation asks of its worker, and where it stands in the queue."""

    asked: Requirements
    queue: QueuePlace
    state: AutomationState

    @property
    def turn(self) -> Turn:
        """Whether its concurrency group is yet to look at it."""
        is_new = self.queue.concurrency_key and self.state is AutomationState.QUEUED
        return Turn.NEW if is_new else Turn.READY


def placing_of(
    template: Template,
    values: Mapping[str, Value],
    origin: Origin,
    fan_out: BoundFanOut | None,
) -> Placing:
    """Return where a new automation stands, before it is known whether people must agree."""
    member, resumed = origin.member, origin.resumed
    plans = bool(template.plan) and member is None
    asked = requirements(
        template,
        resumed.point.workspace if resumed else None,
        machine_of(member.of if member else None, fan_out),
        is_fan_out=fan_out is not None and not plans,
    )
    queue = queue_place(template, values, is_member=member is not None)
    return Placing(asked, queue, AutomationState.PLANNING if plans else AutomationState.QUEUED)


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
