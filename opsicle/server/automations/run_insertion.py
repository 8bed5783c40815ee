"""Making a new automation in one transaction, with all that goes with it or not at all."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from opsicle.domain.automations import WAITS_FOR_WORKER, AutomationState
from opsicle.server.access.actor import Actor
from opsicle.server.access.principals import account_of
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.approvals.called import require_agreed
from opsicle.server.approvals.requests import ApprovalRequests
from opsicle.server.automations import given_files
from opsicle.server.automations.chains import insert_chain
from opsicle.server.automations.new_runs import NewRun
from opsicle.server.automations.repeated_requests import digest_of, remember
from opsicle.server.dispatch.concurrency_groups import ConcurrencyGroups, GroupChanges
from opsicle.server.dispatch.queue_limits import require_room_to_wait
from opsicle.server.dispatch.slot_reservations import SlotReservation
from opsicle.server.dispatch.work_builder import CheckedWork
from opsicle.server.keys.vault import Vault
from opsicle.server.secrets.service import require_secrets
from opsicle.server.store import audit, automations, secrets
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import AutomationRow, Turn
from opsicle.server.store.database import Connection
from opsicle.server.store.idempotency import IdempotencyRow


class RunInsertion:
    """Inserts automations. Everything here runs inside the transaction of `insert`."""

    def __init__(
        self,
        vault: Vault,
        bindings: Bindings,
        approval_requests: ApprovalRequests,
        groups: ConcurrencyGroups,
    ) -> None:
        self._vault = vault
        self._bindings = bindings
        self._approval_requests = approval_requests
        self._groups = groups

    def insert(
        self,
        db: Connection,
        actor: Actor,
        new: NewRun,
        idempotency_key: str,
        slot: SlotReservation | None,
    ) -> AutomationRow:
        """Insert an automation, and return it as it is then: it may have a worker's slot already.

        Return the one that was made by the same key before, if one was. Raises as
        `Automations.create`.
        """
        if idempotency_key and (made := self._remember(db, actor, new, idempotency_key)):
            return automations.get(db, actor.org_id, made)

        require_secrets(db, new.row.org_id, new.template)
        new.require_possible(db, actor)
        row = _with_principal(db, new.row)
        row = new.starter.start(db, row) if new.starter else row
        point = new.resumed.claim(db) if new.resumed else None

        row, asked = self._approval_of(db, row, new, point.first_phase if point else 0)
        row, bound = self._bindings.bind(row, new.template, asked, new.commitments, point)
        require_agreed(db, self._bindings, row, new.template)
        require_room_to_wait(db, row)
        self._groups.require_room(db, row, new.group_changes)
        if slot and asked is None and _waits_for_nothing(row):
            row = slot.lease(db, row, CheckedWork(new.template, bound, None))

        _insert_rows(db, actor, row, new)
        if asked:
            self._approval_requests.ask(db, row, asked)
            row = automations.get(db, row.org_id, row.id)
        return self._enter_queue(db, row, new.group_changes, slot)

    def _remember(self, db: Connection, actor: Actor, new: NewRun, key: str) -> str | None:
        """Note that this request makes this automation. Return the one that it has made before."""
        digest = digest_of(self._vault, new.request, new.row.rerun_of or "", new.resumed)
        made = IdempotencyRow(digest, new.row.id)
        return remember(db, actor, key, made, new.row.created_at)

    def _approval_of(
        self, db: Connection, row: AutomationRow, new: NewRun, first_phase: int
    ) -> tuple[AutomationRow, ApprovalRow | None]:
        """Return the row in the state in which it begins, and what is to be asked for it."""
        requests = self._approval_requests
        applicable = requests.policy_to_ask(db, row, new.template, first_phase)
        if applicable is None:
            return row, None
        if applicable.gates:
            row = replace(row, state=AutomationState.AWAITING_APPROVAL, queued_at=None)
        return row, requests.draft(db, row, applicable, row.created_at)

    def _enter_queue(
        self,
        db: Connection,
        row: AutomationRow,
        changes: GroupChanges,
        slot: SlotReservation | None,
    ) -> AutomationRow:
        """Let a new automation begin at once, if its group and a waiting worker let it."""
        if row.concurrency_key:
            self._groups.advance(db, changes)
            row = automations.get(db, row.org_id, row.id)
        if slot and row.state in WAITS_FOR_WORKER and row.turn is Turn.READY:
            slot.begin(db, row)
            self._groups.advance(db, changes)
        return row


def _with_principal(db: Connection, row: AutomationRow) -> AutomationRow:
    account = account_of(db, row.org_id, row.requester_id)
    return replace(row, principal_id=account.principal)


def _waits_for_nothing(row: AutomationRow) -> bool:
    """Return whether neither a time nor a concurrency group keeps an automation from beginning."""
    has_turn = row.concurrency_key is None or row.state is AutomationState.PLANNING
    return row.start_at is None and has_turn


def _insert_rows(db: Connection, actor: Actor, row: AutomationRow, new: NewRun) -> None:
    """Insert the automation, what it was given and what it will start, and the audit entry."""
    automations.insert(db, row, new.resumed.stored if new.resumed else None)
    given_files.keep(db, row, new.template.variables, new.request.values)
    insert_chain(db, row, new.template)
    if new.sealed:
        secrets.insert_values(db, new.sealed, msgspec.json.encode(new.commitments).decode())

    data = new.recorded(row)
    audit.append(db, row.created_at, row.org_id, actor, "run", f"automations/{row.id}", data)
