"""What holds in every world, and the search through all of them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tests.services.lease_model import Automation, Server
from tests.services.lease_world import EXECUTING, GOING_ON, Bounds, World, steps

ENDS = {"succeeded", "failed", "cancelled"}


class Broken(AssertionError):
    """A promise does not hold; the message says which, and the history that led there."""


class Explored(NamedTuple):
    """How much was looked at."""

    worlds: int
    steps: int


def explore(automations: tuple[Automation, ...], bounds: Bounds) -> Explored:
    """Look at every world that can come to be. Raises Broken.

    The shortest history is found first.
    """
    search = Search(bounds)
    search.find(World(Server(automations), executed=tuple((0, 0) for _ in automations)), None, "")
    while search.waiting:
        search.look_beyond(search.waiting.popleft())
    search.look_for_ways_out()
    return Explored(len(search.found), search.steps)


class Search:
    """`found` says how each world came to be, `before` from which worlds a step leads to it.

    `has_way_out` are those that are quiet, or from which a step leads beyond the bounds.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.found: dict[World, tuple[World | None, object]] = {}
        self.before: dict[World, list[World]] = {}
        self.has_way_out: set[World] = set()
        self.waiting: deque[World] = deque()
        self.steps = 0

    def find(self, world: World, origin: World | None, label: object) -> None:
        """Keep a world that has not been seen before."""
        self.found[world] = (origin, label)
        self.before[world] = []
        self.waiting.append(world)
        if broken := _broken_in(world):
            raise Broken(self.told(broken, world))
        if is_quiet(world):
            self.has_way_out.add(world)

    def look_beyond(self, world: World) -> None:
        """Take every step that leads on from a world."""
        for label, after in steps(world, self._bounds):
            self.steps += 1
            if after is None:
                self.has_way_out.add(world)
                continue
            if after not in self.found:
                self.find(after, world, label)
            if broken := _broken_between(world.server, after.server):
                raise Broken(self.told(f"{broken} by {label}", world))
            self.before[after].append(world)

    def look_for_ways_out(self) -> None:
        """Raise Broken for a world from which no way leads to an end that everybody knows."""
        waiting = list(self.has_way_out)
        while waiting:
            fresh = set(self.before[waiting.pop()]) - self.has_way_out
            self.has_way_out |= fresh
            waiting += fresh
        for world in self.found:
            if world not in self.has_way_out:
                raise Broken(self.told("no way leads to an end that all know", world))

    def told(self, problem: str, world: World | None) -> str:
        """Return a problem with the history that led to it."""
        history: list[str] = []
        while world is not None:
            world, label = self.found[world]
            history.append(str(label))
        return "\n  ".join([problem, *reversed(history)])


def is_quiet(world: World) -> bool:
    """Return whether everything is over, and every worker knows that the server knows."""
    is_over = all(each.state in {*ENDS, "unknown"} for each in world.server.automations)
    return is_over and not any(world.workers)


def _broken_in(world: World) -> str:
    """Return which promise a world breaks, or nothing."""
    for number, automation in enumerate(world.server.automations):
        jobs = [job for job in world.server.jobs if job.automation == number]
        lost = sum(job.state == "unknown" for job in jobs) if automation.is_requeued else 0
        if max(world.executed[number]) > 1 + lost:
            return f"automation {number} ran twice"
        if automation.state in ENDS - {"cancelled"} and not any(
            (automation.job, automation.state) == end[:2] for end in world.ends
        ):
            return f"automation {number} is shown as {automation.state}, and was not"

    entries = [entry for worker in world.workers for entry in worker if entry.stage in EXECUTING]
    newest = [e for e in entries if e.fence == _automation(world, e.job).fence]
    if len({world.server.jobs[entry.job].automation for entry in newest}) < len(newest):
        return "two workers run an automation by its newest lease"
    if any(e.stage == GOING_ON and not world.server.jobs[e.job].is_decided for e in entries):
        return "a job goes on of which nobody has decided"
    return _unacknowledged(world)


def _unacknowledged(world: World) -> str:
    """Return how an end was lost that no worker will say any more."""
    for number, end, is_kept in world.ends:
        job = world.server.jobs[number]
        automation = world.server.automations[job.automation]
        is_said = any(entry.job == number for worker in world.workers for entry in worker)
        if is_kept and automation.job == number and not is_said and automation.state not in ENDS:
            return f"the end of job {number} ({end}) is lost, and it is {automation.state}"
    return ""


def _broken_between(before: Server, after: Server) -> str:
    """Return which promise a step of the server breaks, or nothing."""
    for old, new in zip(before.automations, after.automations, strict=True):
        if new.fence < old.fence:
            return "a fence is used again"
        if old.state in ENDS and new != old:
            return f"an automation that was {old.state} becomes {new.state}"
        if old.state == "unknown" and new.state not in {"unknown", "paused", *ENDS}:
            return f"an automation that was unknown becomes {new.state}"
    return ""


def _automation(world: World, number: int) -> Automation:
    return world.server.automations[world.server.jobs[number].automation]
