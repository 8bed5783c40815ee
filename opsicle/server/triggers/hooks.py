"""What a call of a trigger's webhook does: who sends it, whether to start, with what, just once.

Whoever does not know the secret learns whether there is such a trigger, and nothing else: not that
it is paused, nor what was wrong. What a call has started, what it is known by, and the call itself
are made in one transaction: whatever dies in between, a sender that tries again starts it once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import gevent
import msgspec

from opsicle.domain.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    OpsicleError,
    TooManyRequests,
    Unavailable,
)
from opsicle.domain.notices import Notice, NoticeKind
from opsicle.domain.secrets import masked
from opsicle.domain.source_networks import source_network
from opsicle.domain.trigger_mapping import (
    decode_body,
    deduplication_key,
    mapped_values,
    unmet_condition,
)
from opsicle.domain.triggers import CallOutcome
from opsicle.kit.clock import Clock
from opsicle.security import webhook_signatures
from opsicle.security.master_key import CannotOpen
from opsicle.security.webhook_signatures import Proof, SignedCall
from opsicle.server.access.actor import SystemActor
from opsicle.server.access.member_actors import member_actor
from opsicle.server.automations.runnable import runnable_version
from opsicle.server.automations.service import Automations
from opsicle.server.automations.starters import Starter
from opsicle.server.channels.messages import Fact
from opsicle.server.channels.outbox import Outbox
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.keys.vault import Vault
from opsicle.server.public_urls import Urls
from opsicle.server.store import audit, trigger_calls, triggers
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.trigger_calls import CallRow
from opsicle.server.store.triggers import NewReceipt
from opsicle.server.threads import run_in
from opsicle.server.triggers.call_rates import CallRates
from opsicle.server.triggers.calls import IncomingCall, keep
from opsicle.server.triggers.found_triggers import (
    FoundTrigger,
    PreparedStart,
    StartPreview,
    find_trigger,
)
from opsicle.server.triggers.large_bodies import LargeBodies
from opsicle.wire.starts import StarterKind
from opsicle.wire.trigger_api import HookReply
from opsicle.wire.user_api import RunRequest

_LONG_BODY_BYTES = 64 * 1024
"""A longer body is decoded in a thread, as it would hold the event loop."""

_MESSAGE, _MEANING = "message ", "meaning "
"""Begin the keys of receipts: for a message that comes again, and for one that means the same."""


class _VerifiedCall(msgspec.Struct, frozen=True):
    """A call of somebody who knew the secret."""

    target: FoundTrigger
    incoming: IncomingCall
    proof: Proof
    now: datetime

    def row(
        self, outcome: CallOutcome, reason: str = "", automation_id: str | None = None
    ) -> CallRow:
        """Return what is kept of it."""
        return self.incoming.row(self.target.row, self.now, outcome, reason, automation_id)


class _AlreadyStarted(Exception):
    """The same call, or one that means the same, has started an automation already."""

    def __init__(self, automation_id: str, *, is_same_message: bool) -> None:
        super().__init__(automation_id)
        self.automation_id = automation_id
        self.is_same_message = is_same_message


class Hooks:
    """Takes the calls of all orgs' triggers."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a call touches
        self,
        database: Database,
        vault: Vault,
        automations: Automations,
        throttle: LoginThrottle,
        outbox: Outbox,
        urls: Urls,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._automations = automations
        self._throttle = throttle
        self._outbox = outbox
        self._urls = urls
        self._clock = clock
        self._rates = CallRates(clock.monotonic)
        self.large_bodies = LargeBodies()

    def call(self, org_code: str, name: str, incoming: IncomingCall) -> HookReply:
        """Start what a trigger says, or say why nothing was started; durable on return.

        Raises NotFound where there is no such trigger, NotAuthenticated for whoever does not know
        the secret; TooManyRequests for who tries either again and again, and where calls come too
        fast; NotFound for one that is paused; InvalidInput for a body that does not fit;
        Conflict where the trigger may not start its template; Unavailable.
        """
        now = self._clock.now()
        target = self._database.read(lambda db: find_trigger(db, org_code, name))
        proof = self._verify(target, incoming.signed(now))
        if target is None or isinstance(proof, str):
            raise self._refuse_unverified(target, incoming, now, str(proof))

        call = _VerifiedCall(target, incoming, proof, now)
        if target.row.is_paused:
            self._note(call.row(CallOutcome.SKIPPED, "it is paused"))
            raise NotFound("this trigger is paused", hint="`opsicle triggers resume` ends that.")
        try:
            self._rates.take(target.row.id, target.trigger.rate)
        except TooManyRequests as error:
            if self._rates.should_record(target.row.id):
                self._note(call.row(CallOutcome.LIMITED, error.message))
            raise
        return self._answer(call)

    def preview(self, org_code: str, name: str, incoming: IncomingCall) -> StartPreview:
        """Return what a call would start now. It starts nothing, and is not noted.

        Raises as `call`, save that what keeps it from starting says so itself.
        """
        now = self._clock.now()
        target = self._database.read(lambda db: find_trigger(db, org_code, name))
        proof = self._verify(target, incoming.signed(now))
        if target is None or isinstance(proof, str):
            raise Conflict(f"the trigger does not take its own signature: {proof}")
        call = _VerifiedCall(target, incoming, proof, now)
        if target.row.is_paused:
            return StartPreview(outcome=CallOutcome.SKIPPED, reason="it is paused")
        body = _decoded(incoming.body)
        if reason := unmet_condition(target.trigger, body):
            return StartPreview(outcome=CallOutcome.SKIPPED, reason=reason)
        try:
            self._require_new(call, list(_receipts(call, body)))
            start = self._prepared(call, body)
        except _AlreadyStarted as repeated:
            reason = "this has started an automation already"
            return StartPreview(
                outcome=CallOutcome.DUPLICATE, reason=reason, automation_id=repeated.automation_id
            )
        except InvalidInput:
            raise
        except OpsicleError as error:
            return StartPreview(outcome=CallOutcome.REFUSED, reason=error.message)
        return StartPreview(outcome=CallOutcome.STARTED, start=start)

    def _verify(self, target: FoundTrigger | None, call: SignedCall) -> Proof | str:
        """Return the proof, or why there is none, which only the trigger's org is to know."""
        if target is None or target.sealed is None:
            return (target.problem or "the trigger has no secret") if target else ""
        try:
            secret = self._vault.open_trigger_secret(target.sealed)
        except CannotOpen:
            return "the server cannot open the trigger's secret; it needs a new one"
        method = target.trigger.verify
        proof = webhook_signatures.verify(method, secret, call)
        return proof or f"{method}: {webhook_signatures.why_refused(method, call)}"

    def _refuse_unverified(
        self, target: FoundTrigger | None, incoming: IncomingCall, now: datetime, reason: str
    ) -> OpsicleError:
        """Note the attempt, and return the error, which is the same for whatever is unverified.

        Only those who fail are held back, by address: others behind the same one go on.
        """
        source = f"webhooks of {source_network(incoming.address)}"
        try:
            self._throttle.check_address(source)
        except TooManyRequests as error:
            return error

        def work(db: Connection) -> None:
            self._throttle.note_refusal(db, source)
            if target:
                keep(db, incoming.row(target.row, now, CallOutcome.UNVERIFIED, reason))

        self._database.write(work)
        if target is None:
            return NotFound(
                "there is no such trigger",
                hint="`opsicle triggers list` shows those of an org, each with its URL.",
            )
        return NotAuthenticated(
            "the trigger's secret was not shown as it wants",
            hint="See docs/triggers.md for how each kind of sender does; "
            "the trigger's calls say what came in.",
        )

    def _answer(self, call: _VerifiedCall) -> HookReply:
        trigger = call.target.trigger
        try:
            body = _decoded(call.incoming.body)
            if reason := unmet_condition(trigger, body):
                self._note(call.row(CallOutcome.SKIPPED, reason))
                return HookReply(skipped=reason)
            return self._start(call, body, list(_receipts(call, body)))
        except _AlreadyStarted as repeated:
            return self._answer_again(call, repeated)
        except InvalidInput as error:
            self._note(call.row(CallOutcome.INVALID, error.message))
            raise
        except (TooManyRequests, Unavailable):
            raise  # the sender is to try again
        except OpsicleError as error:
            self._refuse(call, error.message)
            raise Conflict(
                "the trigger could not start its template",
                hint=f"`opsicle triggers calls {trigger.name}` says why, to people of its org.",
            ) from error

    def _start(self, call: _VerifiedCall, body: object, receipts: list[NewReceipt]) -> HookReply:
        row = call.target.row
        self._require_new(call, receipts)
        start = self._prepared(call, body)
        shown = msgspec.json.encode(start.shown)

        def claim(db: Connection, automation_id: str) -> None:
            if not triggers.is_current(db, row):
                raise Unavailable("the trigger has just been changed", hint="Send it again.")
            triggers.delete_receipts_until(db, row.id, call.now)
            for receipt in receipts:
                if not triggers.put_receipt(db, row.id, receipt, automation_id, call.now):
                    earlier = triggers.find_receipt(db, row.id, receipt.key, call.now)
                    raise _already_started(receipt, earlier or "")
            row_of_call = call.row(CallOutcome.STARTED, automation_id=automation_id)
            keep(db, msgspec.structs.replace(row_of_call, mapped=shown.decode()))

        starter = Starter(StarterKind.TRIGGER, row.id, row.name, claim)
        return self._started(
            self._automations.create(start.actor, start.request, starter=starter).id
        )

    def _require_new(self, call: _VerifiedCall, receipts: list[NewReceipt]) -> None:
        """Raise _AlreadyStarted for what has started something."""

        def check(db: Connection) -> None:
            for receipt in receipts:
                if earlier := triggers.find_receipt(db, call.target.row.id, receipt.key, call.now):
                    raise _already_started(receipt, earlier)

        self._database.read(check)

    def _prepared(self, call: _VerifiedCall, body: object) -> PreparedStart:
        """Return what a call starts, with whose rights, and with which values."""
        row, trigger = call.target.row, call.target.trigger
        actor = self._database.read(
            lambda db: member_actor(db, row.org_id, trigger.principal_id, "trigger")
        )
        request = RunRequest(template=trigger.template)
        version, template, _ = self._database.read(lambda db: runnable_version(db, actor, request))
        values = mapped_values(trigger, template.variables, body)
        # Of this version, as the values were read for it.
        request = RunRequest(template=template.name, version=version.version, values={**values})
        return PreparedStart(actor, request, masked(template.variables, values))

    def _answer_again(self, call: _VerifiedCall, repeated: _AlreadyStarted) -> HookReply:
        """Answer the same message as before, and say of one that means the same that it does."""
        automation_id = repeated.automation_id
        what = "the same message" if repeated.is_same_message else "this"
        reason = f"{what} has started an automation already"
        self._note(call.row(CallOutcome.DUPLICATE, reason, automation_id))
        reply = self._started(automation_id)
        return reply if repeated.is_same_message else msgspec.structs.replace(reply, skipped=reason)

    def _started(self, automation_id: str) -> HookReply:
        url = f"{self._urls.url}/automations/{automation_id}"
        return HookReply(automation=automation_id, url=url)

    def _refuse(self, call: _VerifiedCall, reason: str) -> None:
        """Record that a call started nothing, and tell whoever the trigger runs as: once of each.

        What is refused again for the same reason stands among the calls alone.
        """
        row, version = call.target.row, call.target.version
        refused = call.row(CallOutcome.REFUSED, reason)

        def work(db: Connection) -> None:
            last = trigger_calls.find_newest(db, row.id)
            keep(db, refused)
            if last and (last.outcome, last.reason) == (refused.outcome, refused.reason):
                return
            data = {"reason": refused.reason}
            resource = f"triggers/{row.name}"
            audit.append(db, call.now, row.org_id, SystemActor(), "refuse", resource, data)
            notice = Notice(
                kind=NoticeKind.START_REFUSED,
                org_id=row.org_id,
                recipients=tuple({version.pusher_id, call.target.trigger.principal_id}),
                subject=f"the trigger {row.name} could not start anything",
            )
            self._outbox.post(db, notice, [Fact("Explanation", refused.reason)])

        self._database.write(work)

    def _note(self, row: CallRow) -> None:
        self._database.write(lambda db: keep(db, row))


def _decoded(body: bytes) -> object:
    if len(body) < _LONG_BODY_BYTES:
        return decode_body(body)
    return run_in(gevent.get_hub().threadpool, decode_body, body)


def _receipts(call: _VerifiedCall, body: object) -> Iterator[NewReceipt]:
    """Return what a call is known by, so that it starts nothing twice."""
    if call.proof.identity:
        until = call.now + timedelta(seconds=call.proof.remember_seconds)
        yield NewReceipt(_MESSAGE + _digest(call.proof.identity.encode()), until)
    if dedupe := call.target.trigger.dedupe:
        until = call.now + timedelta(seconds=dedupe.window)
        yield NewReceipt(_MEANING + _digest(deduplication_key(dedupe, body)), until)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _already_started(receipt: NewReceipt, automation_id: str) -> _AlreadyStarted:
    return _AlreadyStarted(automation_id, is_same_message=receipt.key.startswith(_MESSAGE))
