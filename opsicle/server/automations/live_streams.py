"""Live views: what changes about an automation or in an org, as it happens.

A follower is woken by a change of a topic and reads the truth from the store, so that nothing can
be missed between two looks and a slow follower sees fewer, newer states instead of a backlog. The
log has a topic of its own: a job that talks makes its followers read the new piece of the log, and
not the whole automation each time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import gevent
import msgspec

from opsicle.domain.access import Action
from opsicle.domain.automations import WAITS_FOR_WORKER, is_final
from opsicle.kit.clock import Clock
from opsicle.kit.ids import lowest_id
from opsicle.server.access.actor import Actor
from opsicle.server.automations.service import Automations
from opsicle.server.automations.shared_pieces import SharedPiece, SharedPieces
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.dispatch.log_ranges import FROM_BEGINNING, TailStart
from opsicle.server.fleet.pubsub import (
    PubSub,
    Subscription,
    automation_topic,
    end_topic,
    log_topic,
    org_topic,
)
from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import Chunk

HEARTBEAT_SECONDS = 15.0
QUEUED_CHECK_SECONDS = 5.0
LONGEST_UNSEEN_SECONDS = 15.0
"""While only its log grows, an automation is read again this often.

So that a follower who may no longer see it, or a lost part of the log, shows all the same.
"""

MIN_INTERVAL_SECONDS = 0.5
"""An org's lists change at most this often for one follower."""

READS_PER_SECOND = 100
"""Followers that read their list again in a second, at most: each costs about a millisecond."""

FIRST_LOOK_SECONDS = 0.025
"""How long the first look at an automation waits that was triggered just now, unless it ends
before. Most followers come right behind their trigger: the job's start, which is on its way then,
goes first, and of a job that does little that look shows the end."""

JUST_NOW = timedelta(seconds=1)

_MAX_INTERVAL_SECONDS = 10.0

_FEW = 20
"""Followers who may all be told in the same moment."""


class AutomationChanged(msgspec.Struct, frozen=True):
    """The automation as it is now."""

    automation: Automation


class NewOutput(msgspec.Struct, frozen=True):
    """The next piece of the newest job's log; `start` where that is not its beginning.

    `is_followed`: what comes behind it comes at once.
    """

    piece: SharedPiece
    start: TailStart = FROM_BEGINNING
    is_followed: bool = False

    @property
    def chunks(self) -> list[Chunk]:
        """Its bytes."""
        return self.piece.chunks


class Heartbeat(msgspec.Struct, frozen=True):
    """Nothing has happened for a while."""


class ListChanged(msgspec.Struct, frozen=True):
    """Something that a list of the org shows has changed: read it again."""


class AutomationEnded(msgspec.Struct, frozen=True):
    """The automation is over and all of its log has been shown."""


Event = AutomationChanged | NewOutput | Heartbeat | ListChanged | AutomationEnded


class Position(msgspec.Struct):
    """How far a follower has read: `offset` bytes of the log of `job_id`.

    Whoever has read nothing may ask for about the last `tail` lines alone.
    """

    job_id: str = ""
    offset: int = 0
    tail: int = 0


class LiveStreams:
    """Makes the streams of events that browsers and the command line show live."""

    def __init__(
        self, automations: Automations, job_logs: JobLogs, pubsub: PubSub, clock: Clock
    ) -> None:
        self._automations = automations
        self._job_logs = job_logs
        self._pieces = SharedPieces(job_logs)
        self._pubsub = pubsub
        self._clock = clock

    def automation(self, actor: Actor, automation_id: str, position: Position) -> Iterator[Event]:
        """Yield the automation whenever it changes, its log from `position`, then AutomationEnded.

        Raises NotFound before the first event.
        """
        events = self._automation(actor, automation_id, position)
        # Taken here, so that it is read once, by what watches it already.
        first = next(events)
        return _continued(first, events)

    def _automation(self, actor: Actor, automation_id: str, position: Position) -> Iterator[Event]:
        shown: Automation | None = None
        if automation_id >= lowest_id(self._clock.now() - JUST_NOW):
            with self._pubsub.watch(end_topic(automation_id)) as ended:
                ended.wait(FIRST_LOOK_SECONDS)
        with self._pubsub.watch(automation_topic(automation_id), log_topic(automation_id)) as watch:
            while True:
                now = self._automations.get(actor, automation_id)
                if shown and now.state is not shown.state:  # what came before: a plan's log
                    yield from self._output(shown, position, is_followed=True)
                if shown is None or _differs(now, shown):
                    yield AutomationChanged(now)
                shown = now
                yield from self._output(now, position, is_followed=is_final(now.state))
                if is_final(now.state):
                    yield AutomationEnded()
                    return
                yield from self._until_it_changes(watch, now, position)

    def _until_it_changes(
        self, watch: Subscription, automation: Automation, position: Position
    ) -> Iterator[Event]:
        """Tell of the log alone until there is reason to look at the automation again.

        What is queued is looked at again after a while anyway: why it waits changes with workers
        that fall silent, and nobody says so. Nor does anybody when one of its parts has begun.
        """
        changes_unsaid = automation.state in WAITS_FOR_WORKER or bool(automation.targets)
        seconds = QUEUED_CHECK_SECONDS if changes_unsaid else HEARTBEAT_SECONDS
        seen_at = self._clock.monotonic()
        only_log = {log_topic(automation.id)}

        while (changed := watch.wait(seconds)) <= only_log:
            if not changed:
                yield Heartbeat()
                if changes_unsaid:
                    return
            elif self._clock.monotonic() - seen_at >= LONGEST_UNSEEN_SECONDS:
                return
            else:
                yield from self._output(automation, position)

    def _output(
        self, automation: Automation, position: Position, *, is_followed: bool = False
    ) -> Iterator[Event]:
        if not automation.jobs:
            return
        newest = automation.jobs[-1].id
        if position.job_id != newest and any(job.id == position.job_id for job in automation.jobs):
            rest = self._output_of(position.job_id, position, is_followed=is_followed)
            yield from rest  # of the one before
        start = FROM_BEGINNING
        if position.job_id != newest:
            if position.tail and not position.job_id:
                start = self._job_logs.ranges.tail_start(newest, position.tail)
                position.offset = start.offset
            elif position.job_id:
                position.offset = 0
            position.job_id = newest
        # What has ended prints nothing more: whoever has all of it need not look again.
        until = automation.log_bytes if is_final(automation.state) else None
        yield from self._output_of(newest, position, start, is_followed=is_followed, until=until)

    def _output_of(
        self,
        job_id: str,
        position: Position,
        start: TailStart = FROM_BEGINNING,
        *,
        is_followed: bool,
        until: int | None = None,
    ) -> Iterator[Event]:
        for piece in self._pieces.read(job_id, position.offset, until):
            position.offset = piece.end
            yield NewOutput(piece, start, is_followed)
            start = FROM_BEGINNING

    def org(self, actor: Actor) -> Iterator[Event]:
        """Yield `ListChanged` whenever a list of the actor's org would look different."""
        actor.require(Action.AUTOMATIONS_VIEW)
        return self._org(actor.org_id)

    def _org(self, org_id: str) -> Iterator[Event]:
        with self._pubsub.watch(org_topic(org_id)) as watch:
            yield ListChanged()
            while True:
                if not watch.wait(HEARTBEAT_SECONDS):
                    yield Heartbeat()
                    continue
                interval, spread = refresh_interval(self._pubsub.count(org_topic(org_id)))
                gevent.sleep(random.uniform(0, spread))  # noqa: S311 - whose turn is first is no secret
                yield ListChanged()
                gevent.sleep(interval)


def _continued(first: Event, events: Iterator[Event]) -> Iterator[Event]:
    """Yield what was taken already, then the rest; to close it closes that too."""
    yield first
    yield from events


def refresh_interval(followers: int) -> tuple[float, float]:
    """Return how long a follower rests after a change, and how far a change is spread.

    Both are in seconds, and grow with the number of followers.

    500 open pages that read their lists anew in the moment of each change would have the server for
    themselves.
    """
    interval = min(max(MIN_INTERVAL_SECONDS, followers / READS_PER_SECOND), _MAX_INTERVAL_SECONDS)
    return interval, 0.0 if followers <= _FEW else interval


def _differs(now: Automation, before: Automation) -> bool:
    """Return whether anything but the length of the log has changed: that shows by itself."""
    now_bytes, now.log_bytes = now.log_bytes, before.log_bytes
    has_changed = now != before
    now.log_bytes = now_bytes
    return has_changed
