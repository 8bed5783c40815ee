"""Running what jobs have called, and ending what nobody waits for any more.

A call is written down in the transaction in which its job comes to wait, and used up in the one
that makes the automation: whatever dies in between, it is made once.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from opsicle.domain.calls import Call, CalledBy, CallState
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.template_parser import digest
from opsicle.domain.templates import When
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor, SystemActor
from opsicle.server.access.document_lookup import get_document
from opsicle.server.access.member_actors import member_actor
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.passed_calls import require_passed
from opsicle.server.approvals.record_of_ends import record_start, require_waiting
from opsicle.server.automations.attempts import AlreadyTaken, Attempts
from opsicle.server.automations.service import Automations
from opsicle.server.automations.starters import CalledRun, Starter
from opsicle.server.automations.values_for_starts import PassingOn, note_secrets_of, values_for
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.pubsub import PubSub, automation_topic
from opsicle.server.keys.vault import Vault
from opsicle.server.store import approvals, audit, automations, calls
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.calls import CalledRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.starts import StarterKind
from opsicle.wire.user_api import RunRequest

MOST_AT_ONCE = 10_000
"""Calls looked at in one turn: more than ever run at once."""

NOT_WANTED = "what has called it was cancelled, or is over"


class _DueCall(NamedTuple):
    """A call that is to be made: by which automation, of what, and with which values."""

    caller: AutomationRow
    call: Call
    called: CalledRun
    request: RunRequest


class CallStarts:
    """What a turn of the server's loop does for calls. Two turns at once do no harm."""

    def __init__(  # noqa: PLR0913, PLR0917 - what starts touch
        self,
        database: Database,
        automations: Automations,
        bindings: Bindings,
        vault: Vault,
        fleet: Fleet,
        pubsub: PubSub,
        clock: Clock,
    ) -> None:
        self._database = database
        self._automations = automations
        self._bindings = bindings
        self._vault = vault
        self._fleet = fleet
        self._pubsub = pubsub
        self._clock = clock
        self._attempts = Attempts(clock)
        self._open: dict[tuple[str, int], CalledRow] = {}

    def turn(self) -> int:
        """Run what is due, end what is wanted no more, and wake workers of jobs that may go on.

        Nothing is run while the queue is held, as after a restore. Return for how many calls
        something was to be done.
        """
        rows = self._database.read(lambda db: calls.list_pending(db, MOST_AT_ONCE))
        for row in rows:
            key = f"{row.caller_id}/{row.wait_id}/{row.position}"
            refuse = partial(self._refuse, row)
            if row.state is CallState.DUE and not row.is_wanted:
                self._refuse(row, NOT_WANTED)
            elif row.state is CallState.DUE and not self._fleet.held:
                self._attempts.attempt(key, partial(self._start, row), refuse)
            elif row.state is CallState.STARTED and not row.is_wanted:
                self._attempts.attempt(key, partial(self._end, row), refuse)
        self._announce()
        return len(rows)

    def _announce(self) -> None:
        """Tell followers of callers what has changed since the turn before, and their workers."""
        rows = self._database.read(lambda db: calls.list_open(db, MOST_AT_ONCE))
        now = {(row.wait_id, row.position): row for row in rows}
        before, self._open = self._open, now
        for key in before.keys() | now.keys():
            if before.get(key) == now.get(key):
                continue
            row = now.get(key) or before[key]
            self._pubsub.changed(automation_topic(row.caller_id))
            if key not in now and (presence := self._fleet.find(row.worker_id)):
                presence.wake()

    def _start(self, row: CalledRow) -> None:
        def query(db: Connection) -> tuple[_DueCall, Actor]:
            due = _due_call(db, self._bindings, self._vault, row)
            return due, member_actor(db, row.org_id, due.caller.requester_id, "call")

        due, actor = self._database.read(query)
        caller = due.caller

        def claim(db: Connection, automation_id: str) -> None:
            now = self._clock.now()
            if not calls.claim(db, row.wait_id, row.position, automation_id, now):
                raise AlreadyTaken
            require_waiting(db, automations.get(db, row.org_id, caller.id), row.wait_id)
            resource = f"calls/{row.wait_id}/{row.position}"
            record_start(db, row.org_id, resource, automation_id, now)
            note_secrets_of(db, due.call, row.org_id, automation_id, now)

        starter = Starter(
            StarterKind.CALL,
            caller.id,
            caller.template,
            claim,
            depth=caller.depth + 1,
            called=due.called,
        )
        self._automations.create(actor, due.request, starter=starter)

    def _end(self, row: CalledRow) -> None:
        caller = self._database.read(lambda db: automations.get(db, row.org_id, row.caller_id))
        self._automations.cancel_called(caller, row.automation_id or "")

    def _refuse(self, row: CalledRow, reason: str) -> None:
        """Record that something was not run, so that its caller goes on with that."""
        now = self._clock.now()

        def work(db: Connection) -> None:
            if calls.refuse(db, row.wait_id, row.position, reason, now):
                data = {"template": row.template, "phase": row.phase, "reason": reason}
                resource = f"automations/{row.caller_id}"
                audit.append(db, now, row.org_id, SystemActor(), "refuse_start", resource, data)

        self._database.write(work)


def _due_call(db: Connection, bindings: Bindings, vault: Vault, row: CalledRow) -> _DueCall:
    """Return a call that is to be made, by what is stored and by what its caller was bound to.

    Raises AlteredManifest where what is stored is not what was triggered, or people have not let it
    come so far; NotFound for a template that is there no more, InvalidInput for values that are not
    passed on or do not fit.
    """
    caller = automations.get(db, row.org_id, row.caller_id)
    template = template_of(db, caller.template_id, caller.version)
    approval = approvals.find_of_automation(db, caller.id) if caller.approval_id else None
    manifest = bindings.check(db, caller, template, approval).manifest
    wait = calls.find_wait(db, row.wait_id)
    bound = next(
        (
            each
            for each in manifest.calls
            if (each.phase, each.position) == (row.phase, row.position)
        ),
        None,
    )
    if wait is None or bound is None or bound.template != row.template:
        raise AlteredManifest("what is stored of its calls is not what it was bound to call")
    if template.phases[row.phase].when is When.SUCCESS:  # clean-up runs wherever it had come to
        require_passed(db, bindings, caller, template, manifest.first_phase, row.phase)

    version = get_document(db, DocumentKind.TEMPLATE, row.org_id, row.template, bound.version)
    target = decode_template(version.document)
    if (version.document_id, digest(target)) != (bound.template_id, bound.digest):
        raise AlteredManifest(f"another template is called {row.template} now")

    call = template.phases[row.phase].calls[row.position]
    at = CalledBy(automation_id=caller.id, fence=wait.fence, phase=row.phase, position=row.position)
    values = values_for(db, vault, PassingOn(caller, template, manifest), call, target)
    request = RunRequest(
        template=row.template, version=bound.version, values=values, reason=caller.reason
    )
    return _DueCall(caller, call, CalledRun(at, bound), request)
