"""Telling people: one durable delivery per recipient and channel, in the change's transaction.

So whatever is committed is also told, whatever becomes of the server in the next moment, and
nothing is told that was undone. Sending is `channels/sender.py`'s.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.domain.channels import DeliveryState
from opsicle.domain.notices import Notice, NoticeKind
from opsicle.domain.templates import DRAFT, Value
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access.actor import Actor
from opsicle.server.access.principals import account_of
from opsicle.server.access.stored_values import shown_values
from opsicle.server.channels import kinds
from opsicle.server.channels.kind import Reach
from opsicle.server.channels.messages import CUT, Fact
from opsicle.server.channels.recipients import named_by_template
from opsicle.server.store import (
    automations,
    channels,
    chat_links,
    deliveries,
    memberships,
    notice_preferences,
)
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Connection
from opsicle.server.store.deliveries import DeliveryRow

GIVE_UP_AFTER = timedelta(days=3)
"""A channel that is down over a long weekend loses nothing."""

MAX_FACT_CHARACTERS = 900
"""So that what asks, why, with which values and what runs fit into one message of a chat."""

MAX_VALUES = 20


class Addressee(NamedTuple):
    """Where one copy goes: `target` is an e-mail address, a chat, or "" for a webhook or a room."""

    user_id: str | None
    target: str


class Outbox:
    """Posts notices."""

    def __init__(self, clock: Clock) -> None:
        self.ended: Counter[str] = Counter()
        """How many automations of all orgs have ended in which state since the server started."""

        self._clock = clock

    def post(self, db: Connection, notice: Notice, about: Iterable[Fact] = ()) -> None:
        """Post a notice, inside a transaction.

        Queue a delivery of a notice for each recipient on each channel to them.

        Whoever is no member of the org, or has turned this kind off, gets none. A webhook gets one,
        whoever is told; a room too. `about` is what there is to say beside what every notice says
        of its automation.
        """
        self._post_to(db, channels.list_enabled(db, notice.org_id), notice, about=about)

    def _post_to(
        self,
        db: Connection,
        enabled: list[ChannelRow],
        notice: Notice,
        already_sent: Notice | None = None,
        about: Iterable[Fact] = (),
    ) -> None:
        """Queue a notice for the enabled channels that reach somebody by it.

        Whoever is reached by `already_sent`, which is posted at the same moment and says the same,
        gets no copy of this.
        """
        facts = self._facts(db, notice, about) if enabled else ()
        for channel in enabled:
            is_program = kinds.reach_of(channel.kind) is Reach.RECEIVER
            reached = (
                set()
                if already_sent is None or is_program
                else set(self._addressees(db, already_sent, channel))
            )
            for addressee in dict.fromkeys(self._addressees(db, notice, channel)):
                if addressee not in reached:
                    self.queue(db, channel, notice, addressee, facts)

    def post_finished(self, db: Connection, org_id: str, automation_id: str, state: str) -> None:
        """Post how an automation ended, inside the transaction that ends it.

        Whoever asked for it is told, and whom its template names.

        Whoever asked is told of a success only if they want to be. `state` is the one in which it
        has ended.
        """
        self.ended[state] += 1
        if enabled := channels.list_enabled(db, org_id):  # else there is nothing to be looked up
            row = automations.get(db, org_id, automation_id)
            self._post_end(db, row, enabled, (row.requester_id,))

    def post_cancelled(
        self,
        db: Connection,
        org_id: str,
        automation_id: str,
        actor: Actor,
        already_sent: Notice | None = None,
    ) -> None:
        """Post the end of an automation that somebody cancelled before it began.

        Who asked is told unless it was themselves.

        `already_sent` is what those got who were asked to approve it.
        """
        row = automations.get(db, org_id, automation_id)
        self.ended[row.state] += 1
        enabled = channels.list_enabled(db, org_id)
        asked, cancelled = (
            account_of(db, org_id, user_id) for user_id in (row.requester_id, actor.user_id)
        )
        is_own = asked.is_same_person(cancelled)
        self._post_end(
            db,
            row,
            enabled,
            () if is_own else (row.requester_id,),
            f" by {actor.email}",
            already_sent,
        )

    def post_unapproved(
        self, db: Connection, org_id: str, automation_id: str, already_sent: Notice | None = None
    ) -> None:
        """Post the end of an automation whose approval ended it.

        The requester and the deciders got `already_sent`.
        """
        row = automations.get(db, org_id, automation_id)
        self.ended[row.state] += 1
        self._post_end(db, row, channels.list_enabled(db, org_id), (), already_sent=already_sent)

    def _post_end(
        self,
        db: Connection,
        row: AutomationRow,
        enabled: list[ChannelRow],
        people: tuple[str, ...],
        by: str = "",
        already_sent: Notice | None = None,
    ) -> None:
        if row.member_of:  # how the whole ends is told
            return
        named, chats = named_by_template(db, row)
        recipients = tuple(dict.fromkeys((*people, *named)))
        if not recipients and not chats:
            return

        notice = Notice(
            kind=NoticeKind.AUTOMATION_FINISHED,
            org_id=row.org_id,
            recipients=recipients,
            of_success=tuple(set(people) - set(named))
            if row.state == AutomationState.SUCCEEDED
            else (),
            chats=chats,
            subject=f"{row.template} {row.state.replace('_', ' ')}{by}",
            automation_id=row.id,
        )
        self._post_to(db, enabled, notice, already_sent)

    def queue(
        self,
        db: Connection,
        channel: ChannelRow,
        notice: Notice,
        addressee: Addressee,
        facts: tuple[Fact, ...] = (),
    ) -> str:
        """Queue one delivery, inside a transaction, and return its id."""
        now = self._clock.now()
        row = DeliveryRow(
            id=new_id(now),
            org_id=notice.org_id,
            channel_id=channel.id,
            channel=channel.name,
            kind=notice.kind,
            user_id=addressee.user_id,
            target=addressee.target,
            subject=notice.subject,
            facts=msgspec.json.encode(facts).decode(),
            approval_id=notice.approval_id,
            automation_id=notice.automation_id,
            state=DeliveryState.QUEUED,
            next_attempt_at=now,
            give_up_at=now + GIVE_UP_AFTER,
            created_at=now,
        )
        deliveries.insert(db, row)
        return row.id

    def reach(self, db: Connection, channel: ChannelRow, user_id: str) -> Addressee | None:
        """Return where a channel reaches a member of its org.

        Return None if it cannot, or they are none or disabled.

        Of a service account, whose address is no mailbox, whoever answers for it.
        """
        reach = kinds.reach_of(channel.kind)
        if reach is None:
            return None
        if not reach.is_personal:
            return Addressee(None, "")

        member = memberships.find(db, channel.org_id, user_id)
        if member and member.owner_id:
            member = memberships.find(db, channel.org_id, member.owner_id)
        if member is None or member.is_disabled:
            return None
        if reach is Reach.ADDRESS:
            return Addressee(member.user_id, member.email)
        link = chat_links.find(db, channel.id, member.user_id)
        return Addressee(member.user_id, link.chat_id) if link else None

    def _addressees(
        self, db: Connection, notice: Notice, channel: ChannelRow
    ) -> Iterator[Addressee]:
        reach = kinds.reach_of(channel.kind)
        if reach is None:
            return
        if not reach.is_personal:
            yield Addressee(None, "")
            return

        yield from (
            Addressee(None, chat.id) for chat in notice.chats if chat.channel == channel.kind
        )
        for user_id in notice.recipients:
            addressee = self.reach(db, channel, user_id)
            kind = NoticeKind.AUTOMATION_SUCCEEDED if user_id in notice.of_success else notice.kind
            if addressee and notice_preferences.wants(
                db, addressee.user_id or user_id, channel.id, kind
            ):
                yield addressee

    def _facts(self, db: Connection, notice: Notice, about: Iterable[Fact]) -> tuple[Fact, ...]:
        row = (
            automations.find(db, notice.org_id, notice.automation_id)
            if notice.automation_id
            else None
        )
        facts = _facts_of(row, is_over=notice.kind == NoticeKind.AUTOMATION_FINISHED) if row else ()
        return tuple(Fact(fact.label, _short(fact.text)) for fact in (*facts, *about) if fact.text)


def _facts_of(row: AutomationRow, *, is_over: bool) -> tuple[Fact, ...]:
    """Return what is to be said of an automation; a secret's value is masked in its row already."""
    values = shown_values(row.values_json)
    shown = [f"{name}={_written(value)}" for name, value in list(values.items())[:MAX_VALUES]]
    shown += (
        [f"… and {len(values) - len(shown)} more: see the page"] if len(values) > len(shown) else []
    )

    which = "a draft" if row.version == DRAFT else f"version {row.version}"
    facts = (
        Fact("Asked by", f"{row.requester_name} ({row.requester_email})"),
        Fact("Template", f"{row.template}, {which}"),
        Fact("Values", "\n".join(shown)),
        Fact("Reason", row.reason),
    )
    if not is_over:
        return facts

    code = "" if row.exit_code is None else str(row.exit_code)
    return (
        *facts,
        Fact("State", row.state),
        Fact("Exit code", code),
        Fact("Explanation", row.explanation),
    )


def _written(value: Value) -> str:
    """Return a value on one line: a line break in it makes nothing that looks like another value.

    Signs come with sending.
    """
    return (
        value
        if isinstance(value, str) and value.isprintable()
        else json.dumps(value, ensure_ascii=False)
    )


def _short(text: str) -> str:
    return (
        text if len(text) <= MAX_FACT_CHARACTERS else text[: MAX_FACT_CHARACTERS - len(CUT)] + CUT
    )
