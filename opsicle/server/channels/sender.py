"""Carrying out deliveries: whose turn it is, one attempt, what became of it.

An attempt is noted before it begins. If the server dies meanwhile nobody knows whether the message
arrived, so the next start sends it again under the same id: at least once, never lost.
"""

from __future__ import annotations

import logging
from datetime import timedelta

import gevent

from opsicle.domain import stored_json
from opsicle.domain.errors import Unreadable
from opsicle.domain.notices import NoticeKind
from opsicle.kit.backoff import delay_after
from opsicle.kit.clock import Clock
from opsicle.security.master_key import CannotOpen
from opsicle.server.access.actor import SystemActor
from opsicle.server.channels.configs import config_of, kind_of
from opsicle.server.channels.egress_bounds import EgressBounds
from opsicle.server.channels.messages import (
    LEFT,
    SWITCHED_OFF,
    Fact,
    Message,
    Undelivered,
    Withheld,
    one_line,
)
from opsicle.server.channels.one_time_links import OneTimeLinks
from opsicle.server.keys.vault import Vault
from opsicle.server.public_urls import Urls
from opsicle.server.store import audit, channels, deliveries, memberships, orgs
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.deliveries import DeliveryRow
from opsicle.server.store.secrets import SealedRow

log = logging.getLogger(__name__)

MOST_AT_ONCE = deliveries.ConcurrencyShare(of_channel=4, of_org=6)
"""A channel that is down holds up no other, an org whose channels all hang no other org, and
nobody's mail server is flooded. Names are looked up by ten threads, of which one org leaves some
to others."""

ATTEMPT_SECONDS = 60
"""No attempt takes longer, however slowly the other side drips."""

SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5.0, 3600.0
MAX_ERROR_CHARACTERS = 300
_FORGOTTEN_AT_ONCE = 200
"""Deliveries removed in one unit of work: it holds the event loop."""


class DeliverySender:
    """The queue's other end.

    `carry_out` waits for the network: whoever calls it has a greenlet of their own.
    """

    def __init__(
        self, database: Database, vault: Vault, bounds: EgressBounds, urls: Urls, clock: Clock
    ) -> None:
        self._database = database
        self._vault = vault
        self._bounds = bounds
        self._urls = urls
        self._links = OneTimeLinks(database, urls, clock)
        self._clock = clock

    def recover(self) -> int:
        """Requeue, at the start, what was under way when the server ended."""
        self.catch_up()
        return self._database.write(lambda db: deliveries.requeue_all(db, self._clock.now()))

    def catch_up(self) -> None:
        """Extend what is open, after the server was away.

        Nothing is given up for time in which nobody tried, or for a clock that was ahead.

        What is open may be tried for as long as the longest wait between two attempts, twice.
        """
        now, longest = self._clock.now(), timedelta(seconds=LONGEST_WAIT_SECONDS)
        self._database.write(
            lambda db: deliveries.extend(db, now, now + 2 * longest, now + 2 * longest)
        )

    def claim(self, limit: int) -> list[str]:
        """Begin the attempts that are due, durably; the caller must carry out each of them."""
        now = self._clock.now()

        def due(db: Connection) -> list[str]:
            return deliveries.list_due(db, now, MOST_AT_ONCE, limit)

        if not self._database.read(due):
            return []
        return self._database.write(
            lambda db: [each for each in due(db) if deliveries.begin(db, each)]
        )

    def has_waiting(self) -> bool:
        """Return whether an attempt is to be made, now or later."""
        return self._database.read(deliveries.has_open)

    def carry_out(self, delivery_id: str) -> None:
        """Make one attempt that was claimed, and note what became of it."""
        row = self._database.read(lambda db: deliveries.find_sending(db, delivery_id))
        if row is None:
            return

        try:
            self._send(row)
        except Undelivered as error:
            self._note_failure(row, error)
        except Exception:
            log.exception("a delivery failed", extra={"delivery": row.id})
            self._note_failure(row, Undelivered("internal error; the server's log says more"))
        else:
            self._database.write(lambda db: deliveries.deliver(db, row, self._clock.now()))

    def prune(self, keep: timedelta) -> int:
        """Delete deliveries that ended longer ago than `keep`, in small steps."""
        until, total = self._clock.now() - keep, 0
        while gone := self._database.write(
            lambda db: deliveries.delete_finished_until(db, until, _FORGOTTEN_AT_ONCE)
        ):
            total += gone
        return total

    def _send(self, row: DeliveryRow) -> None:
        channel, sealed = self._database.read(lambda db: _channel_of(db, row))
        self._database.read(lambda db: _check_recipient(db, row))
        try:
            credential = self._vault.open_credential(sealed) if sealed else ""
        except CannotOpen as error:
            raise Undelivered(
                "the channel's credential cannot be decrypted; give it again"
            ) from error

        try:
            config = self._bounds.narrowed(config_of(channel))
        except Unreadable as error:
            raise Undelivered(error.message) from error

        transport = kind_of(channel).open(config, credential)
        message = self._message(row)
        try:
            with gevent.Timeout(ATTEMPT_SECONDS, Undelivered("the other side took too long")):
                transport.send(message)
        except Undelivered as error:
            raise Undelivered(
                _redacted(error.reason, credential), is_final=error.is_final
            ) from error

    def _message(self, row: DeliveryRow) -> Message:
        facts = stored_json.read_or(row.facts, tuple[Fact, ...], ())
        url = self._links.make(row) or f"{self._urls.url}{_page(row)}"
        org = self._database.read(lambda db: orgs.find(db, row.org_id))

        return Message(
            id=row.id,
            kind=row.kind,
            org=org.code if org else "",
            target=row.target,
            subject=row.subject,
            facts=facts,
            url=url,
            at=row.created_at,
            approval_id=row.approval_id,
            automation_id=row.automation_id,
        )

    def _note_failure(self, row: DeliveryRow, error: Undelivered) -> None:
        now = self._clock.now()
        reason = one_line(error.reason)[:MAX_ERROR_CHARACTERS]
        next_attempt_at = now + timedelta(
            seconds=delay_after(row.attempts, SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        )

        def work(db: Connection) -> None:
            if not error.is_final and next_attempt_at < row.give_up_at:
                deliveries.fail(db, row, reason, next_attempt_at)
            elif deliveries.give_up(db, row, reason, now):
                data = {"channel": row.channel, "error": reason}
                audit.append(
                    db, now, row.org_id, SystemActor(), "give_up", f"deliveries/{row.id}", data
                )

        self._database.write(work)


def _channel_of(db: Connection, row: DeliveryRow) -> tuple[ChannelRow, SealedRow | None]:
    channel = channels.find(db, row.org_id, row.channel_id)
    if channel is None or not channel.is_enabled:
        raise Withheld(SWITCHED_OFF)
    return channel, channels.find_sealed(db, row.org_id, row.channel_id)


def _check_recipient(db: Connection, row: DeliveryRow) -> None:
    """Whoever has left the org since must not hear of it any more."""
    member = memberships.find(db, row.org_id, row.user_id) if row.user_id else None
    if row.user_id and (member is None or member.is_disabled):
        raise Withheld(LEFT, is_final=True)


def _redacted(text: str, credential: str) -> str:
    for line in credential.split():
        text = text.replace(line, "***")
    return text


def _page(row: DeliveryRow) -> str:
    if row.approval_id:
        return f"/approvals/{row.approval_id}"
    if row.kind == NoticeKind.START_REFUSED:
        return "/triggers"
    return f"/automations/{row.automation_id}" if row.automation_id else "/"
