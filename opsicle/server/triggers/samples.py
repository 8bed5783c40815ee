"""Trying a trigger with a body that somebody has written, signed as its sender would sign it.

What comes of it is seen by those who may manage triggers. No signature of it is ever shown: whoever
had one could send that message in the name of whoever the trigger runs as. So only those may have a
sample start something who would be given the trigger's secret.
"""

from __future__ import annotations

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.domain.triggers import CallOutcome
from opsicle.kit.clock import Clock
from opsicle.security import webhook_signatures
from opsicle.security.master_key import CannotOpen
from opsicle.server.access.actor import Actor
from opsicle.server.keys.vault import Vault
from opsicle.server.store import audit
from opsicle.server.store.database import Database
from opsicle.server.triggers.calls import IncomingCall
from opsicle.server.triggers.found_triggers import find_trigger
from opsicle.server.triggers.hooks import Hooks
from opsicle.server.triggers.service import Triggers
from opsicle.wire.trigger_api import SampleCall, SampleOutcome


class SampleMessage(msgspec.Struct, frozen=True):
    """A sample as the trigger's sender would send it, and the headers that prove it, by name."""

    incoming: IncomingCall
    headers: tuple[str, ...]


class SampleCalls:
    """Sends samples to the triggers of an org."""

    def __init__(
        self, database: Database, vault: Vault, triggers: Triggers, hooks: Hooks, clock: Clock
    ) -> None:
        self._database = database
        self._vault = vault
        self._triggers = triggers
        self._hooks = hooks
        self._clock = clock

    def send(self, actor: Actor, name: str, sample: SampleCall) -> SampleOutcome:
        """Return what a sample starts, or would start.

        Raises NotAllowed for a real one of somebody who would not be given the trigger's secret;
        NotFound; Conflict where nobody could call the trigger; TooManyRequests and Unavailable as
        for any call.
        """
        actor.require(Action.TRIGGERS_MANAGE)
        self._triggers.get(actor, name)
        if sample.is_real:
            self._triggers.require_own(actor, name)
        body = sample.body.encode()
        message = self._signed(actor, name, body)
        try:
            if sample.is_real:
                return self._send(actor, name, message)
            return self._preview(actor, name, message)
        except InvalidInput as error:
            return SampleOutcome(
                outcome=CallOutcome.INVALID,
                is_real=sample.is_real,
                reason=error.message,
                problems=list(error.problems),
                headers=list(message.headers),
            )

    def _preview(self, actor: Actor, name: str, message: SampleMessage) -> SampleOutcome:
        found = self._hooks.preview(actor.org_code, name, message.incoming)
        outcome = SampleOutcome(
            outcome=found.outcome,
            is_real=False,
            reason=found.reason,
            headers=list(message.headers),
            automation_id=found.automation_id,
        )
        if found.start:
            outcome.template = found.start.request.template
            outcome.version = found.start.request.version
            outcome.values = found.start.shown
        return outcome

    def _send(self, actor: Actor, name: str, message: SampleMessage) -> SampleOutcome:
        resource, now = f"triggers/{name}", self._clock.now()
        self._database.write(
            lambda db: audit.append(db, now, actor.org_id, actor, "send_sample", resource)
        )
        reply = self._hooks.call(actor.org_code, name, message.incoming)
        nothing = CallOutcome.DUPLICATE if reply.automation else CallOutcome.SKIPPED
        return SampleOutcome(
            outcome=nothing if reply.skipped else CallOutcome.STARTED,
            is_real=True,
            reason=reply.skipped,
            headers=list(message.headers),
            automation_id=reply.automation or None,
        )

    def _signed(self, actor: Actor, name: str, body: bytes) -> SampleMessage:
        target = self._database.read(lambda db: find_trigger(db, actor.org_code, name))
        if target is None or target.sealed is None:
            raise Conflict((target.problem if target else "") or "the trigger has no secret")
        try:
            secret = self._vault.open_trigger_secret(target.sealed)
        except CannotOpen as error:
            raise Conflict(
                "the server cannot open the trigger's secret", hint="Give it a new one."
            ) from error
        headers = webhook_signatures.sign(target.trigger.verify, secret, body, self._clock.now())
        known = {header.lower(): value for header, value in headers.items()}
        address = f"sample of {actor.email}"
        incoming = IncomingCall(lambda header: known.get(header.lower(), ""), body, address)
        return SampleMessage(incoming, tuple(headers))
