"""Leases, fences, starts, pauses and ends: all that can happen, in a model and in the services."""

from __future__ import annotations

import pytest

from tests.services import lease_model as model
from tests.services import lease_world
from tests.services.lease_model import Automation, Server
from tests.services.lease_promises import Broken, explore
from tests.services.lease_replay import Event, RealServer, apply, edges
from tests.services.lease_world import PAUSES, REQUEUED, Bounds
from tests.services.team import Team
from tests.support import SCALE

RESTART_EVERY = max(1, round(10 / SCALE))

SMALL = [
    ((PAUSES,), Bounds((3,), worker_crashes=1, late_requests=1, lapses=1)),
    ((REQUEUED,), Bounds((4,), worker_crashes=1, lapses=1)),
    ((PAUSES, REQUEUED), Bounds((2, 3), late_requests=1)),
]
LARGE = [
    ((PAUSES, REQUEUED), Bounds((2, 3), worker_crashes=1)),
    ((REQUEUED,), Bounds((4,), worker_crashes=1, late_requests=1, lapses=1)),
    ((PAUSES, REQUEUED), Bounds((2, 3), lapses=1)),
    ((PAUSES, REQUEUED), Bounds((2, 3), worker_crashes=1, lapses=1)),
]


@pytest.mark.parametrize(("automations", "bounds"), SMALL + (LARGE if SCALE > 1 else []))
def test_every_promise_holds_whatever_is_lost_repeated_late_or_dead(
    automations: tuple[Automation, ...], bounds: Bounds
) -> None:
    explored = explore(automations, bounds)
    assert explored.worlds > 9_000


def _lease_of_anybody(server: Server, job: model.Job, fence: int) -> bool:
    return True


def _requeue_all(server: Server, number: int) -> Server:
    automation = server.jobs[number].automation
    lost = _true_lose(model._with_automation(server, automation, is_requeued=True), number)
    return model._with_automation(lost, automation, is_requeued=False)


def _begin_whatever_was_lost(
    server: Server, worker: int, number: int, fence: int
) -> tuple[Server, str]:
    job = server.jobs[number]
    if job.state == "returned":
        server = model._with_job(server, number, state="running")
        return model._with_automation(server, job.automation, state="running"), "go"
    return _true_start(server, worker, number, fence)


_true_lose, _true_start, _true_pause = model.lose, model.start, model.pause

WRONG: dict[str, tuple[object, str, object, Automation]] = {
    "a fence is not compared": (model, "_is_newest", _lease_of_anybody, REQUEUED),
    "a job that ran waits again": (model, "lose", _requeue_all, PAUSES),
    "a lease that lapsed still begins": (model, "start", _begin_whatever_was_lost, REQUEUED),
    "a kept job that is unknown is kept": (
        model,
        "_may_go_on",
        lambda server, worker, number: server.jobs[number].worker == worker,
        PAUSES,
    ),
    "a worker begins again what it may have begun": (
        lease_world,
        "AFTER_CRASH",
        {**lease_world.AFTER_CRASH, lease_world.RUNNING: lease_world.STARTING},
        PAUSES,
    ),
    "a pause of an earlier lease counts": (
        model,
        "pause",
        lambda server, worker, number, _fence: _true_pause(
            server, worker, number, server.jobs[number].fence
        ),
        PAUSES,
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_search_finds_each_mistake(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, name, mistake, automation = WRONG[wrong]
    monkeypatch.setattr(place, name, mistake)

    with pytest.raises(Broken):
        explore((automation,), Bounds((3,), worker_crashes=1, late_requests=1, lapses=1))


@pytest.mark.parametrize("automation", [PAUSES, REQUEUED])
def test_the_services_do_what_the_model_says(team: Team, automation: Automation) -> None:
    real, graph = RealServer(team), edges(automation, most_fences=3 if SCALE > 1 else 2)

    for number, (server, way) in enumerate(_shortest_ways(graph).items()):
        outgoing = graph[server]
        still = [event for event, after in outgoing.items() if after == server]
        moving = [event for event, after in outgoing.items() if after != server]
        _replay(real, automation, [*way, *still])
        if number % RESTART_EVERY == 0:
            real.restart()
            assert real.shown() == server
        for event in moving:
            _replay(real, automation, [*way, event])


def test_a_paused_job_whose_answer_was_lost_is_on_lease_again_and_lapses(team: Team) -> None:
    poll, lapse = Event("poll"), Event("lapse")
    paused = [poll, Event("start", fence=1), Event("pause", fence=1), Event("decide")]

    _replay(RealServer(team), PAUSES, [*paused, poll, poll, lapse])


def _shortest_ways(graph: dict[Server, dict[Event, Server]]) -> dict[Server, list[Event]]:
    """Return how each state is reached, from the first one."""
    ways: dict[Server, list[Event]] = {next(iter(graph)): []}
    for server, outgoing in graph.items():  # in the order in which they were found
        for event, after in outgoing.items():
            ways.setdefault(after, [*ways[server], event])
    return ways


def _replay(real: RealServer, automation: Automation, history: list[Event]) -> None:
    real.begin((automation,))
    server = Server((automation,))
    for number, event in enumerate(history):
        server, answer = apply(server, event)
        assert (real.apply(event), real.shown()) == (answer, server), history[: number + 1]
