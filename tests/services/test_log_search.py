"""Searching logs finds the lines that match, all of them, and nothing that is not for who asks."""

from __future__ import annotations

import random
import re
import time
from functools import partial

import gevent
import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import InvalidInput, NotFound, TooManyRequests
from opsicle.domain.patterns import BadPattern, SearchPattern
from opsicle.domain.rights import Rights, grants_of
from opsicle.domain.rules import parse_rule
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.log_pages import LineRange
from opsicle.server.logs import search
from opsicle.server.logs.org_search import LogsFilter
from opsicle.server.logs.search import (
    LineQuery,
    LogSearch,
    SearchBudget,
    SearchPosition,
    SearchResult,
)
from opsicle.server.store import whole_logs
from opsicle.server.store.database import Connection
from opsicle.wire.jobs import Outcome
from opsicle.wire.log_api import FoundLogLine, FoundLogLines
from opsicle.wire.worker_api import Chunk, FinishRequest, LogRequest
from tests.services.core import HELLO, Core

JOB = "job"


def budget(hits: int = 50, seconds: float = 600) -> SearchBudget:
    return SearchBudget(time.monotonic() + seconds, hits)


def sought(text: str, **options: bool) -> LineQuery:
    return LineQuery(SearchPattern(text, **options))


def in_job(core: Core, wanted: LineQuery, hits: int, job: str = JOB) -> list[int]:
    """Return the numbers of all lines found, a page of so many after the other."""
    numbers: list[int] = []
    position: SearchPosition | None = SearchPosition()
    while position is not None:
        searched = SearchResult()
        search_on = partial(_run, job, wanted, searched, position, hits)
        position = core.logs_database.read_long(search_on)
        numbers += [hit.line.number for hit in searched.hits]
    return numbers


def _run(
    job: str,
    wanted: LineQuery,
    searched: SearchResult,
    position: SearchPosition,
    hits: int,
    db: Connection,
) -> SearchPosition | None:
    return LogSearch(db, job, wanted, searched).run(position, budget(hits))


def printed(core: Core, actor: Actor, *contents: bytes, template: str = "hello") -> str:
    """Run a template whose job prints this, each piece in a request of its own."""
    worker = core.worker(actor.org_id, f"w{time.monotonic_ns()}")
    automation = core.run(actor, template)
    [work] = worker.poll().work
    worker.start(work)
    offset = 0
    for content in contents:
        at_ms = int(core.clock.now().timestamp() * 1000)
        chunk = (offset, 0, 1, at_ms, content)
        core.jobs.log(worker.actor, work.job_id, LogRequest(fence=work.fence, chunks=(chunk,)))
        offset += len(content)
    core.jobs.finish(worker.actor, work.job_id, _finished(work.fence, offset))
    core.clock.advance(60)
    return automation.id


def _finished(fence: int, size: int) -> FinishRequest:
    outcome = Outcome(state="succeeded", phases=(), exit_code=0)
    return FinishRequest(fence=fence, outcome=outcome, log_bytes=size)


@pytest.mark.parametrize("seed", range(4))
def test_every_line_that_matches_is_found_once_however_it_was_torn_apart(
    core: Core, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = random.Random(seed)
    if seed % 2:
        monkeypatch.setattr(search, "PIECE_BYTES", 40)
        monkeypatch.setattr(search, "OVERLAP_BYTES", 20)
    lines: dict[int, bytes] = {}
    open_lines: dict[tuple[int, int], int] = {}
    offset = 0
    for _ in range(80):
        some: list[Chunk] = []
        for _ in range(source.randint(1, 3)):
            content = bytes(
                source.choices(b"abc\n\0\r", (5, 5, 5, 1, 1, 1), k=source.randint(1, 30))
            )
            channel = (source.randint(0, 1), source.choice((1, 2)))
            some.append((offset, *channel, 0, content))
            offset += len(content)
            for byte in content:
                number = open_lines.setdefault(channel, len(lines) + 1)
                lines[number] = lines.get(number, b"") + bytes([byte])
                if byte == 0x0A:
                    del open_lines[channel]
        core.job_logs.append(JOB, some, org_id="acme")

    for pattern in ("ab", "a.?b{2}", "^b", "\\0ca" if seed % 2 else "c$"):
        for hits in (1, 7, 1000):
            wanted = sought(pattern, is_regex=True)
            expected = [
                number
                for number, content in sorted(lines.items())
                if re.search(pattern.encode(), content.removesuffix(b"\n"))
            ]
            assert sorted(in_job(core, wanted, hits)) == expected, (pattern, hits)


# In the logs of an org


def found(core: Core, actor: Actor, text: str, **options: object) -> FoundLogLines:
    wanted = LogsFilter(str(options.pop("template", "")))
    cursor, hits = str(options.pop("cursor", "")), int(options.pop("hits", 50))
    return core.services.logs.search(actor, sought(text, **options), wanted, cursor, budget(hits))


def lines(items: list[FoundLogLine]) -> list[tuple[str, int, str]]:
    return [(line.automation_id, line.line, line.text) for line in items]


def test_what_was_printed_is_found_with_its_automation_and_line_the_newest_first(
    core: Core, alice: Actor
) -> None:
    first = printed(core, alice, b"all is well\nnow Connection ref", b"used by db-1\n")
    second = printed(core, alice, b"connection refused\n")

    shown = found(core, alice, "connection refused", ignores_case=True)
    assert lines(shown.items) == [
        (second, 1, "connection refused"),
        (first, 2, "now Connection refused by db-1"),
    ]
    assert shown.items[1].text[shown.items[1].start : shown.items[1].end] == "Connection refused"
    assert (shown.searched_bytes, shown.total_bytes, shown.next_cursor) == (62, 62, "")
    assert lines(found(core, alice, "connection refused").items) == [
        (second, 1, "connection refused")
    ]


def test_a_search_that_stops_says_how_far_it_came_and_goes_on_there(
    core: Core, alice: Actor
) -> None:
    ids = [printed(core, alice, b"needle\n" * 3) for _ in range(3)]

    shown = found(core, alice, "needle", hits=4)
    assert [line.automation_id for line in shown.items] == [*[ids[2]] * 3, ids[1]]
    assert shown.searched_back_to == core.automations.get(alice, ids[2]).created_at
    assert (shown.searched_bytes, shown.total_bytes) == (42, 63)

    shown = found(core, alice, "needle", hits=50, cursor=shown.next_cursor)
    assert [line.automation_id for line in shown.items] == [*[ids[1]] * 2, *[ids[0]] * 3]
    assert (shown.total_bytes, shown.next_cursor) == (None, "")

    searched = core.services.logs.search(alice, sought("needle"), LogsFilter(), "", budget(50, 0))
    assert (searched.items, searched.searched_bytes) == ([], 0)
    assert searched.next_cursor


def test_only_lines_of_the_time_are_found_whatever_the_clock_did(core: Core, alice: Actor) -> None:
    early = core.clock.now()
    printed(core, alice, b"needle\n")
    began = core.clock.now()
    between = printed(core, alice, b"needle\n")
    ended = core.clock.now()
    printed(core, alice, b"needle\n")

    times = {
        "since_ms": round(began.timestamp() * 1000),
        "until_ms": round(ended.timestamp() * 1000),
    }
    wanted = LineQuery(SearchPattern("needle"), **times)
    shown = core.services.logs.search(alice, wanted, LogsFilter(), "", budget())
    assert [line.automation_id for line in shown.items] == [between]
    assert shown.total_bytes == 7

    core.job_logs.append(
        "of-a-worker-whose-clock-was-set-back",
        [(0, 0, 1, round(early.timestamp() * 1000) - 10**6, b"x\n"), (2, 0, 1, 0, b"y\n")],
        org_id=alice.org_id,
    )
    kept = core.logs_database.read(
        lambda db: whole_logs.find(db, "of-a-worker-whose-clock-was-set-back")
    )
    assert (kept.first_ms, kept.last_ms) == (0, round(early.timestamp() * 1000) - 10**6)


def test_nobody_finds_what_another_org_or_a_hidden_template_printed(
    core: Core, alice: Actor
) -> None:
    core.push(alice, HELLO.replace("name: hello", "name: payroll"))
    printed(core, alice, b"needle of payroll\n", template="payroll")
    shown = printed(core, alice, b"needle of hello\n")
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)
    rules = ["allow view templates", "deny view templates/payroll", "allow view automations"]
    bob = msgspec.structs.replace(
        core.person(alice.org_id, "bob", BuiltInRole.MEMBER),
        rights=Rights((grants_of([parse_rule(rule) for rule in rules], "rules"),)),
    )

    assert len(found(core, alice, "needle").items) == 2
    assert found(core, mallory, "needle").items == []
    assert found(core, mallory, "needle").total_bytes == 0
    answer = found(core, bob, "needle")
    assert [line.automation_id for line in answer.items] == [shown]
    assert answer.total_bytes is None
    with pytest.raises(NotFound):
        found(core, bob, "needle", template="payroll")
    assert [
        line.automation_id for line in found(core, alice, "needle", template="hello").items
    ] == [shown]


def test_within_one_log_lines_are_counted_beyond_those_that_are_shown(
    core: Core, alice: Actor
) -> None:
    automation = printed(core, alice, b"needle\nhay\n" * 10, b"needle\n" * 5)

    found = core.services.logs.find(alice, automation, sought("needle"), "", budget(hits=3))
    assert [match.line for match in found.items] == [1, 3, 5]
    assert (found.matches, found.searched_bytes, found.total_bytes) == (15, 145, 145)

    found = core.services.logs.find(
        alice, automation, sought("needle"), found.next_cursor, budget()
    )
    assert [match.line for match in found.items] == [7, 9, 11, 13, 15, 17, 19, *range(21, 26)]
    assert found.next_cursor == ""


@pytest.mark.parametrize("text", ["(", "a)(b", "x{1001}", "(?=a)", ""])
def test_an_expression_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        SearchPattern(text, is_regex=True)


@pytest.mark.parametrize("text", ["a[^x]b", r"a\sb", r"a\nb", "(?s)a.b", r"a\x0ab", "a(.|\\s)b"])
def test_no_match_reaches_from_one_line_into_the_next(text: str) -> None:
    assert SearchPattern(text, is_regex=True).find(b"a\nb\n", 0, 4) is None
    assert SearchPattern("b", is_regex=True).find(b"a\nb\n", 0, 4) == (2, 3)


@pytest.mark.parametrize("cursor", ["x", "a:b:c:d", "a:1:2", "a:1:99999999999999999999:", ":::"])
def test_a_cursor_of_something_else_is_refused(core: Core, alice: Actor, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        found(core, alice, "x", cursor=cursor)


def test_an_org_has_two_searches_at_once_and_one_whose_client_is_gone_ends(
    core: Core, alice: Actor
) -> None:
    printed(core, alice, b"needle\n")
    service = core.services.logs
    with service._under_way.slot(alice.org_id), service._under_way.slot(alice.org_id):
        with pytest.raises(TooManyRequests):
            found(core, alice, "needle")
        of_globex = core.person(core.org("globex"), "gina", BuiltInRole.ADMIN)
        assert found(core, of_globex, "needle").items == []

    gone = budget()
    gone.cancel()
    assert service.search(alice, sought("needle"), LogsFilter(), "", gone).items == []


def test_searches_take_turns_and_keep_nobody_from_the_lines_of_a_page(
    core: Core, alice: Actor
) -> None:
    run = printed(core, alice, b"needle\n")
    service = core.services.logs
    wanted = budget(seconds=5)
    until = wanted.until
    with service._turns.slot("globex"), service._turns.slot("globex"):
        search = gevent.spawn(service.find, alice, run, sought("needle"), "", wanted)
        gevent.idle()
        assert list(service._turns._waiting) == [alice.org_id]

        assert len(service.lines(alice, run, LineRange()).lines) == 1

        assert not search.ready()
    assert search.get(timeout=60).matches == 1
    assert wanted.until > until  # the time that it may take counts from its turn


def test_what_is_missing_from_the_server_is_said(core: Core, alice: Actor) -> None:
    printed(core, alice, b"needle\n", b"needle\n", b"needle\n")
    core.logs_database.write(lambda db: db.execute("DELETE FROM segments WHERE start = 7"))

    answer = found(core, alice, "needle")
    assert ([line.line for line in answer.items], answer.missing_bytes) == ([1, 3], 7)
