"""Automations: trigger, list, show, cancel, rerun, resume, and their logs and live events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import chain

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.automations import AutomationState, is_final
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.kit.ids import lowest_id
from opsicle.server.automations import live_streams
from opsicle.server.automations.live_streams import LiveStreams, Position
from opsicle.server.automations.log_queries import asks_for_lines, line_range
from opsicle.server.automations.order_trails import OrderTrails
from opsicle.server.automations.releases import GroupReleases
from opsicle.server.automations.resumes import Resumes
from opsicle.server.automations.service import Automations
from opsicle.server.automations.shared_pieces import SharedPiece
from opsicle.server.automations.shown_targets import targets_log
from opsicle.server.automations.target_automations import TargetAutomations
from opsicle.server.automations.target_last_runs import TargetLastRunReader, WantedLastRuns
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.dispatch.log_pages import MAX_LINES, LinePage
from opsicle.server.dispatch.log_ranges import FROM_BEGINNING, TailStart
from opsicle.server.http.event_stream import ServerSentEvent, event_stream
from opsicle.server.http.lists import list_reply, newest_before
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.store.automations import AutomationFilter
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.endpoints import targets as target_endpoints
from opsicle.wire.endpoints import workers as worker_endpoints
from opsicle.wire.log_api import LogChannel, LogEvent
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.user_api import RunRequest
from opsicle.wire.worker_api import Chunk

_SENT_TOGETHER = 64 * 1024
_OFFSET = re.compile(r"[0-9]{1,15}")


def routes(  # noqa: PLR0913, PLR0917 - all that is done with automations
    automations: Automations,
    resumes: Resumes,
    releases: GroupReleases,
    job_logs: JobLogs,
    live: LiveStreams,
    on_targets: TargetAutomations,
    target_last_runs: TargetLastRunReader,
    order_trails: OrderTrails,
) -> list[Route]:
    """Return the routes of automations."""
    view, create = Action.AUTOMATIONS_VIEW, Action.AUTOMATIONS_CREATE
    return [
        Route(endpoints.RUN, partial(run, automations), create),
        serve(endpoints.PREVIEW, automations.previews.preview, create),
        Route(endpoints.LIST_AUTOMATIONS, partial(list_automations, automations), view),
        serve(endpoints.PLANNED, automations.planned.list_next, view),
        serve(endpoints.RECENT_RUNS, automations.recent.list_by_template, view),
        serve(worker_endpoints.LIST_JOBS, automations.recent.of_worker, view),
        Route(endpoints.TEMPLATE_RUNS, partial(template_runs, automations), view),
        serve(endpoints.SHOW, automations.get, view),
        serve(endpoints.ORDERS, order_trails.get, view),
        serve(endpoints.CANCEL, automations.cancel, view),
        serve(endpoints.RELEASE, releases.release, view),
        Route(endpoints.RERUN, partial(rerun, automations), create),
        Route(endpoints.RESUME, partial(resume, resumes), create),
        serve(target_endpoints.LIST_AUTOMATIONS, on_targets.list_newest, view),
        Route(target_endpoints.LIST_LAST_RUNS, partial(list_last_runs, target_last_runs), view),
        serve(target_endpoints.CHECK, on_targets.check, Action.TARGETS_USE),
        Route(endpoints.LOG, partial(log, automations, job_logs), view),
        Route(endpoints.EVENTS, partial(events, live), view),
        Route(endpoints.ORG_EVENTS, partial(org_events, live), view),
    ]


def run(automations: Automations, request: Request) -> Reply:
    """Trigger an automation of a template. `Idempotency-Key` makes it safe to send again."""
    return Reply(
        201, automations.create(request.actor, request.body(RunRequest), request.idempotency_key)
    )


def list_automations(automations: Automations, request: Request) -> Reply:
    """List the org's automations, newest first.

    `state` may be several, with commas between them;
    `requester` is an e-mail address or an id; `since` and `until`, between which they were
    triggered, times as RFC 3339 has them, or dates in UTC.
    """
    state = request.query("state")
    unknown = set(state.split(",")).difference(AutomationState, [""])
    if unknown or state.count(",") >= len(AutomationState):
        known = ", ".join(AutomationState)
        raise InvalidInput(
            f"there is no state {min(unknown, default=state)!r}",
            hint=f"The states are {known}.",
            problems=(Problem("query.state", "unknown"),),
        )
    since, until = request.query_time("since"), request.query_time("until")
    since_id = lowest_id(since) if since else ""
    wanted = AutomationFilter(
        state, request.query("template"), request.query("requester"), since_id
    )
    return list_reply(
        request,
        lambda actor, cursor, limit: automations.list_newest(
            actor, wanted, newest_before(cursor, until), limit
        ),
    )


def template_runs(automations: Automations, request: Request, name: str) -> Reply:
    """Show how the newest automations of one template went, 100 at most.

    `since` and `until`, between which they were triggered, are times as RFC 3339 has them, or dates
    in UTC; `cursor` is where an earlier answer ended.
    """
    since, until = request.query_time("since"), request.query_time("until")
    before = newest_before(request.query("cursor"), until)
    since_id = lowest_id(since) if since else ""
    return Reply(200, automations.recent.of_template(request.actor, name, before, since_id))


def list_last_runs(target_last_runs: TargetLastRunReader, request: Request) -> Reply:
    """List which version of each template last succeeded on which target, by target.

    `target` and `template` name the one that is asked for; with `attention` only what is behind
    the newest version or did not succeed last.
    """
    wanted = WantedLastRuns(
        request.query("target"), request.query("template"), request.query_bool("attention")
    )
    return list_reply(
        request,
        lambda actor, cursor, limit: target_last_runs.list_by_target(actor, wanted, cursor, limit),
    )


def rerun(automations: Automations, request: Request, automation_id: str) -> Reply:
    """Trigger a new automation of the same version with the same values."""
    return Reply(201, automations.rerun(request.actor, automation_id, request.idempotency_key))


def resume(resumes: Resumes, request: Request, automation_id: str) -> Reply:
    """Trigger an automation that goes on where another one has failed, with its values."""
    wanted = request.body(ResumeRequest)
    return Reply(201, resumes.resume(request.actor, automation_id, wanted, request.idempotency_key))


def log(automations: Automations, job_logs: JobLogs, request: Request, automation_id: str) -> Reply:
    """Return the newest job's log from `offset` to its end now, exactly as it was written.

    With `plan` that of the newest plan, as it stays beside what has run after it.
    One that runs on several machines has no job but that of its plan: its log is how each of them
    has ended so far.
    Or lines of it: up to `lines` from number `from_line` on, or the last `tail`; of one `stream`
    alone if that is `stdout` or `stderr`; and only such as began from `from` to before `to`, by
    the worker's clock. Lines come whole, in the order in which they begin.
    """
    of_plan = request.query_bool("plan")
    job = automations.newest_job(request.actor, automation_id, of_plan=of_plan)
    offset = request.query_int("offset", 0)
    wanted = line_range(request) if asks_for_lines(request) else None
    if job is None:
        text = targets_log(automations.get(request.actor, automation_id).targets).encode()
        return Reply(200, raw=text[offset:], headers=(("Opsicle-Log-Size", str(len(text))),))
    job_logs.require_kept(job.id)
    if wanted is not None:
        pages = job_logs.ranges.read_on(job.id, wanted, request.actor.org_id)
        first = next(pages)  # what is wrong is said before anything is sent
        return Reply(200, stream=_lines(chain([first], pages)), headers=(("Opsicle-Job", job.id),))
    headers = (("Opsicle-Log-Size", str(job_logs.size(job.id))), ("Opsicle-Job", job.id))
    return Reply(200, stream=_bytes(job_logs.read(job.id, offset)), headers=headers)


def events(live: LiveStreams, request: Request, automation_id: str) -> Reply:
    """Return the automation as it changes and its log as it grows.

    `automation`, `log` and, when all is over, `end`. With `tail` of a log that is there already
    only about so many lines at its end; its first `log` event says how many lines are before.

    An event's id is `JOB:OFFSET`; sent back as `Last-Event-ID`, the stream goes on from there.
    """
    position = _position(request)
    stream = live.automation(request.actor, automation_id, position)
    return event_stream(request, (_event(event) for event in stream))


def org_events(live: LiveStreams, request: Request) -> Reply:
    """Stream `changed` whenever a list of the org's automations or workers would look different."""
    return event_stream(request, (_event(event) for event in live.org(request.actor)))


def _position(request: Request) -> Position:
    job_id, _, offset = request.header("Last-Event-ID").rpartition(":")
    if job_id and _OFFSET.fullmatch(offset):
        return Position(job_id, int(offset))
    return Position(
        offset=request.query_int("offset", 0), tail=request.query_int("tail", 0, high=MAX_LINES)
    )


def _event(event: live_streams.Event) -> ServerSentEvent:
    match event:
        case live_streams.AutomationChanged(automation):
            return ServerSentEvent("automation", automation, is_followed=is_final(automation.state))
        case live_streams.NewOutput(piece, start, is_followed):
            position = f"{piece.job_id}:{piece.end}"
            return ServerSentEvent("log", _shown(piece, start), position, is_followed)
        case live_streams.ListChanged():
            return ServerSentEvent("changed", {})
        case live_streams.AutomationEnded():
            return ServerSentEvent("end", {}, is_followed=True)
        case live_streams.Heartbeat():
            return ServerSentEvent("")


def _shown(piece: SharedPiece, start: TailStart) -> LogEvent | msgspec.Raw:
    if start is FROM_BEGINNING:
        return piece.encoded
    event = piece.shown
    event.lines_before = start.lines_before
    event.open_lines = [LogChannel(line.phase, line.stream) for line in start.open_lines]
    return event


def _lines(pages: Iterator[LinePage]) -> Iterator[bytes]:
    for page in pages:
        yield b"".join(line.content for line in page.lines)


def _bytes(pieces: Iterator[list[Chunk]]) -> Iterator[bytes]:
    """Yield a log in pieces that are small: whoever is slow to take one holds it in memory."""
    for chunks in pieces:
        held, size = [], 0
        for chunk in chunks:
            held.append(chunk[4])
            size += len(chunk[4])
            if size >= _SENT_TOGETHER:
                yield b"".join(held)
                held, size = [], 0
        yield b"".join(held)
