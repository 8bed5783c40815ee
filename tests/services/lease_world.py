"""Two workers and an unreliable network around the model of the server, explored whole.

A request may be lost, come twice, come late and out of order; an answer may be lost; either side
may die at any moment and come back with what was durable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from tests.services import lease_model as model
from tests.services.lease_model import Automation, Server, Work

T = TypeVar("T")

WORKERS = (0, 1)
ENDS = ("succeeded", "failed")

STARTING, RUNNING, NOT_BEGUN = "starting", "running", "not begun"
PAUSING, KEPT = "pausing", "kept"
RESUMING, GOING_ON, NOT_RESUMED = "resuming", "going on", "not resumed"
ENDED = "ended "
LOST, RECALLED, RECALLED_RESUMING = "lost", "recalled", "recalled while resuming"

AFTER_CRASH = {
    STARTING: LOST,
    RUNNING: LOST,
    NOT_BEGUN: LOST,
    PAUSING: RECALLED,
    KEPT: RECALLED,
    RESUMING: RECALLED_RESUMING,
    GOING_ON: RECALLED_RESUMING,
    NOT_RESUMED: RECALLED_RESUMING,
}
"""What a worker makes of its journal. It cannot tell whether an answer came before it died."""

EXECUTING = (RUNNING, GOING_ON)


class Entry(NamedTuple):
    """A job in a worker's journal. `paused_at` is the fence under which it came to wait."""

    job: int
    fence: int
    stage: str
    paused_at: int = 0


class Request(NamedTuple):
    """One request about a job, as it is under way."""

    worker: int
    kind: str
    job: int
    fence: int


class Bounds(NamedTuple):
    """How much may go wrong in one history, and how far the fence of each automation may go."""

    fences: tuple[int, ...]
    worker_crashes: int = 0
    late_requests: int = 0
    lapses: int = 0


class World(NamedTuple):
    """`executed` counts, for each automation, how often its first and its second half began.

    `answers` are polls' answers under way to each worker; `late` are copies of requests that may
    still come, as often as they like, until another takes their place. `ends` says how jobs ended
    in truth, and whether that stands in a journal.
    """

    server: Server
    workers: tuple[tuple[Entry, ...], ...] = ((), ())
    answers: tuple[model.PollAnswer | None, ...] = (None, None)
    late: tuple[Request, ...] = ()
    crashes: int = 0
    lapses: int = 0
    executed: tuple[tuple[int, int], ...] = ((0, 0), (0, 0))
    ends: frozenset[tuple[int, str, bool]] = frozenset()


PAUSES, REQUEUED = Automation(has_pause=True), Automation(is_requeued=True)

Step = tuple[tuple[object, ...], World | None]
"""What happens, and the world after it; None beyond the bounds."""


def steps(world: World, bounds: Bounds) -> Iterator[Step]:
    """Yield everything that can happen next.

    The workers are alike, so the first job of all goes to the first one: what follows if the other
    one takes it is the same with both exchanged.
    """
    for worker in WORKERS if world.server.jobs else WORKERS[:1]:
        yield from _poll(world, worker, bounds)
        yield from _take_answer(world, worker)
        for entry in world.workers[worker]:
            yield from _go_on(world, worker, entry, bounds)
        if world.crashes < bounds.worker_crashes and world.workers[worker]:
            yield ("crash", worker), _crash(world, worker)
    yield from _deliver_late(world)
    yield from _decide_and_lapse(world, bounds)
    if any(world.answers):
        yield ("server crash",), world._replace(answers=(None, None))


def _poll(world: World, worker: int, bounds: Bounds) -> Iterator[Step]:
    entries = world.workers[worker]
    held = tuple((entry.job, entry.fence) for entry in entries if entry.stage != KEPT)
    paused = tuple((entry.job, entry.paused_at) for entry in entries if entry.stage == KEPT)
    server, answer = model.poll(world.server, worker, held, paused)
    if _is_beyond(server, bounds):
        yield ("poll", worker, held, paused), None
        return
    if server == world.server and not (answer.work or answer.drop):
        return
    yield (
        ("poll", worker, held, paused),
        world._replace(server=server, answers=_put(world.answers, worker, answer)),
    )


def _take_answer(world: World, worker: int) -> Iterator[Step]:
    answer = world.answers[worker]
    if answer is None:
        return
    world = world._replace(answers=_put(world.answers, worker, None))
    yield ("answer lost", worker), world

    for number in answer.drop:
        world = _without(world, worker, number)
    for work in answer.work:
        world = _take_work(world, worker, work)
    yield ("answer", worker), world


def _take_work(world: World, worker: int, work: Work) -> World:
    entry = _find(world, worker, work.job)
    if entry is None and not work.goes_on_from:
        return _with(world, worker, Entry(work.job, work.fence, STARTING))
    if entry is None:
        server, _ = model.refuse(world.server, worker, work.job, work.fence)
        return world._replace(server=server)
    if entry.stage == KEPT and entry.paused_at == work.goes_on_from:
        return _with(world, worker, Entry(work.job, work.fence, RESUMING, entry.paused_at))
    return world  # it is held already


def _go_on(world: World, worker: int, entry: Entry, bounds: Bounds) -> Iterator[Step]:
    """Yield what a worker does next about one job: run on, or ask until it is answered."""
    if entry.stage == RUNNING and _automation(world, entry.job).has_pause:
        paused = Entry(entry.job, entry.fence, PAUSING, entry.fence)
        yield ("comes to a pause", worker), _with(world, worker, paused)
    elif entry.stage in EXECUTING:
        for end in ENDS:
            yield ("ends", worker, end), _end(world, worker, entry, end)

    request = _request(worker, entry)
    if request is None:
        return
    world_after, answer = _serve(world, request)
    for late in _copies(world_after.late, request, bounds):
        heard = world_after._replace(late=late)
        yield ("ask", request), _hear(heard, worker, entry, answer)
        if heard.server != world.server:
            yield ("ask, answer lost", request), heard
    if bounds.late_requests and request not in world.late:
        yield ("ask late", request), world._replace(late=_copied(world.late, request, bounds))


def _request(worker: int, entry: Entry) -> Request | None:
    if entry.stage in {STARTING, RESUMING}:
        return Request(worker, "start", entry.job, entry.fence)
    if entry.stage in {PAUSING, RECALLED, RECALLED_RESUMING}:
        return Request(worker, "pause", entry.job, entry.paused_at)
    if entry.stage == LOST:
        return Request(worker, "unknown", entry.job, entry.fence)
    if entry.stage in {NOT_BEGUN, NOT_RESUMED}:
        return Request(worker, "failed", entry.job, entry.fence)
    if entry.stage.startswith(ENDED):
        return Request(worker, entry.stage.removeprefix(ENDED), entry.job, entry.fence)
    return None


def _serve(world: World, request: Request) -> tuple[World, str]:
    worker, kind, number, fence = request
    if kind == "start":
        server, answer = model.start(world.server, worker, number, fence)
    elif kind == "pause":
        server, answer = model.pause(world.server, worker, number, fence)
    else:
        server, answer = model.finish(world.server, worker, number, fence, kind)
    return world._replace(server=server), answer


def _hear(world: World, worker: int, entry: Entry, answer: str) -> World:
    """Return the world in which a worker has had its answer."""
    stage, kept = entry.stage, entry._replace(stage=KEPT)
    if answer == "go":
        return _executing(world, worker, entry, RUNNING if stage == STARTING else GOING_ON)
    if stage in {STARTING, RESUMING}:  # nothing of it was run; does the server know?
        world = world._replace(ends=world.ends | {(entry.job, "failed", False)})
        stage = NOT_BEGUN if stage == STARTING else NOT_RESUMED
        return _with(world, worker, entry._replace(stage=stage))
    if stage == NOT_RESUMED:
        return _drop(world, entry) if answer == "done" else _with(world, worker, kept)
    if answer == "paused":
        return _with(world, worker, kept)
    if stage == PAUSING:  # it cannot wait: it ends here, and says so
        return _end(world, worker, entry, "cancelled")
    if stage == RECALLED_RESUMING:  # it may have gone on
        return _with(world, worker, entry._replace(stage=LOST))
    return _drop(world, entry)


def _executing(world: World, worker: int, entry: Entry, stage: str) -> World:
    number = world.server.jobs[entry.job].automation
    half = EXECUTING.index(stage)
    counts = list(world.executed[number])
    counts[half] += 1
    world = world._replace(executed=_put(world.executed, number, tuple(counts)))
    return _with(world, worker, entry._replace(stage=stage))


def _deliver_late(world: World) -> Iterator[Step]:
    for request in world.late:
        after, _ = _serve(world, request)
        if after != world:
            yield ("comes late", request), after


def _decide_and_lapse(world: World, bounds: Bounds) -> Iterator[Step]:
    for number, job in enumerate(world.server.jobs):
        if job.state == "paused" and not job.is_decided:
            yield ("decide", number), world._replace(server=model.decide(world.server, number))
        if job.state in model.OPEN:
            server = model.lose(world.server, number)
            lapsed = world._replace(server=server, lapses=world.lapses + 1)
            is_beyond = world.lapses == bounds.lapses or _is_beyond(server, bounds)
            yield ("lapse", number), None if is_beyond else lapsed


def _is_beyond(server: Server, bounds: Bounds) -> bool:
    pairs = zip(server.automations, bounds.fences, strict=True)
    return any(automation.fence > most for automation, most in pairs)


def _crash(world: World, worker: int) -> World:
    entries = tuple(
        entry._replace(stage=AFTER_CRASH.get(entry.stage, entry.stage))
        for entry in world.workers[worker]
    )
    return world._replace(
        workers=_put(world.workers, worker, entries),
        answers=_put(world.answers, worker, None),
        crashes=world.crashes + 1,
    )


def _copies(
    late: tuple[Request, ...], request: Request, bounds: Bounds
) -> tuple[tuple[Request, ...], ...]:
    """Return what may be under way after a request came: as before, or a copy of it as well."""
    if not bounds.late_requests or request in late:
        return (late,)
    return late, _copied(late, request, bounds)


def _copied(late: tuple[Request, ...], request: Request, bounds: Bounds) -> tuple[Request, ...]:
    return tuple(sorted((*late, request)[-bounds.late_requests :]))


def _automation(world: World, number: int) -> Automation:
    return world.server.automations[world.server.jobs[number].automation]


def _find(world: World, worker: int, number: int) -> Entry | None:
    return next((entry for entry in world.workers[worker] if entry.job == number), None)


def _with(world: World, worker: int, entry: Entry) -> World:
    others = (each for each in world.workers[worker] if each.job != entry.job)
    return world._replace(workers=_put(world.workers, worker, tuple(sorted((*others, entry)))))


def _without(world: World, worker: int, number: int) -> World:
    others = tuple(each for each in world.workers[worker] if each.job != number)
    return world._replace(workers=_put(world.workers, worker, others))


def _end(world: World, worker: int, entry: Entry, end: str) -> World:
    world = world._replace(ends=world.ends | {(entry.job, end, True)})
    return _with(world, worker, entry._replace(stage=ENDED + end))


def _drop(world: World, entry: Entry) -> World:
    return _without(world, world.server.jobs[entry.job].worker, entry.job)


def _put(items: tuple[T, ...], index: int, item: T) -> tuple[T, ...]:
    return (*items[:index], item, *items[index + 1 :])
