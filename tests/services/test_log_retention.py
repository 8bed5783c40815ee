"""Logs go whole, the oldest first, never one of what has not ended; it is said when and why."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import gevent
import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.artifacts import MIB
from opsicle.domain.errors import Gone
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.job_logs import LogBounds
from opsicle.server.dispatch.log_pages import LineRange
from opsicle.server.store import logs
from opsicle.wire.jobs import Outcome, Work
from opsicle.wire.org_api import UpdateOrgRequest
from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import FinishRequest, LogRequest
from tests.services.core import Core, TestWorker

DAY = timedelta(days=1)
LOG = 10_000


@pytest.fixture
def worker(core: Core, alice: Actor) -> TestWorker:
    return core.worker(alice.org_id, "w", slots=100)


def begin(core: Core, actor: Actor, worker: TestWorker) -> tuple[Automation, Work]:
    """Run something that prints so much that cannot be packed."""
    automation = core.run(actor)
    [work] = worker.poll().work
    worker.start(work)
    request = LogRequest(fence=work.fence, chunks=((0, 0, 1, 0, os.urandom(LOG)),))
    core.jobs.log(worker.actor, work.job_id, request)
    return automation, work


def end(core: Core, worker: TestWorker, work: Work) -> None:
    outcome = Outcome(state="succeeded", phases=(), exit_code=0)
    request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=LOG)
    core.jobs.finish(worker.actor, work.job_id, request)
    worker.held.pop(work.job_id, None)


def ended(core: Core, actor: Actor, worker: TestWorker) -> Automation:
    automation, work = begin(core, actor, worker)
    end(core, worker, work)
    core.clock.advance(60)
    return automation


def sizes(core: Core, actor: Actor, *automations: Automation) -> list[int]:
    return [core.automations.get(actor, each.id).log_bytes for each in automations]


def used(core: Core, org_id: str) -> int:
    return core.job_logs.usage().get(org_id, 0)


def test_logs_of_what_ended_long_ago_go_and_it_is_said_when_and_why(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    old, running = ended(core, alice, worker), begin(core, alice, worker)
    core.clock.advance(31 * 86_400)
    young = ended(core, alice, worker)
    removed_at = core.clock.now()

    assert core.services.log_retention.prune(30 * DAY) == 1

    assert sizes(core, alice, old, running[0], young) == [0, LOG, LOG]
    said = f"its log was removed on {removed_at:%Y-%m-%d at %H:%M} UTC: logs are kept for 30 days"
    assert core.automations.get(alice, old.id).log_remark == said
    for ask in (
        lambda: core.services.logs.lines(alice, old.id, LineRange()),
        lambda: core.job_logs.require_kept(core.automations.get(alice, old.id).jobs[-1].id),
    ):
        with pytest.raises(Gone, match="logs are kept for 30 days"):
            ask()

    [entry] = core.database.read(
        lambda db: db.execute(
            "SELECT resource, data FROM audit_entries WHERE verb = 'prune' AND org_id = ?",
            (alice.org_id,),
        ).fetchall()
    )
    job_id = core.automations.get(alice, old.id).jobs[-1].id
    assert entry[0] == "logs"
    assert json.loads(entry[1]) | {"bytes": 0} == {
        "logs": 1,
        "bytes": 0,
        "first": job_id,
        "last": job_id,
        "rule": "logs are kept for 30 days",
    }
    assert core.services.log_retention.prune(30 * DAY) == 0


def test_an_orgs_oldest_logs_go_when_they_are_too_much_and_nobody_elses(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    core.job_logs.bounds = LogBounds(org_bytes=25_000)
    gina = core.person(core.org("globex"), "gina", BuiltInRole.OPERATOR)
    core.push(gina)
    theirs = ended(core, gina, core.worker(gina.org_id, "g"))
    first, running = ended(core, alice, worker), begin(core, alice, worker)
    others = [ended(core, alice, worker) for _ in range(3)]

    assert core.services.log_retention.shrink() == 3

    assert sizes(core, alice, first, running[0], *others) == [0, LOG, 0, 0, LOG]
    assert sizes(core, gina, theirs) == [LOG]
    assert used(core, alice.org_id) < 25_000
    assert "the logs of the org may take" in core.automations.get(alice, first.id).log_remark
    assert core.services.log_retention.shrink() == 0


def test_what_runs_stays_though_it_alone_is_too_much(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    core.job_logs.bounds = LogBounds(org_bytes=5_000)
    running, work = begin(core, alice, worker)
    core.clock.advance(100 * 86_400)

    assert core.services.log_retention.prune(30 * DAY) == 0
    assert sizes(core, alice, running) == [LOG]

    end(core, worker, work)
    core.clock.advance(60)
    assert core.services.log_retention.prune(30 * DAY) == 1


def test_an_org_may_keep_less_than_the_server_and_not_more(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    carol = msgspec.structs.replace(
        core.person(alice.org_id, "carol", BuiltInRole.ADMIN), org_code="acme"
    )
    old = ended(core, alice, worker)
    core.clock.advance(5 * 86_400)

    def limit(**limits: int | None) -> None:
        core.services.orgs.update(carol, "acme", UpdateOrgRequest(**limits))

    limit(log_retention_days=400, max_log_mib=10**6)
    assert core.services.log_retention.prune(6 * DAY) == 0
    limit(log_retention_days=4)
    assert core.services.log_retention.prune(6 * DAY) == 1
    assert "kept for 4 days" in core.automations.get(alice, old.id).log_remark

    limit(log_retention_days=None, max_log_mib=1)
    core.job_logs.bounds = LogBounds(org_bytes=10 * MIB)
    many = [ended(core, alice, worker) for _ in range(2)]
    core.job_logs.append(
        many[0].id,
        [(at, 0, 1, 0, os.urandom(65_536)) for at in range(0, MIB, 65_536)],
        org_id=alice.org_id,
    )
    assert core.services.log_retention.shrink() >= 1
    assert used(core, alice.org_id) <= MIB


def test_a_removal_amid_which_the_server_died_is_finished(
    core: Core, alice: Actor, worker: TestWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ended(core, alice, worker)
    core.clock.advance(40 * 86_400)

    def die(*_: object) -> None:
        raise gevent.GreenletExit

    with monkeypatch.context() as patch:
        patch.setattr(core.job_logs.removals, "_delete", die)
        with pytest.raises(gevent.GreenletExit):
            core.services.log_retention.prune(30 * DAY)
    assert used(core, alice.org_id) >= LOG
    with pytest.raises(Gone):
        core.services.logs.lines(alice, old.id, LineRange())

    core.services.log_retention.prune(30 * DAY)

    assert used(core, alice.org_id) == 0
    left = core.logs_database.read(
        lambda db: [
            db.execute(f"SELECT count(*) FROM {table}").fetchall()
            for table in ("segments", "segment_lines")
        ]
    )
    assert left == [[(0,)], [(0,)]]


def test_what_ended_unknown_keeps_its_log_while_its_worker_may_come_back(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    lost, _ = begin(core, alice, worker)
    core.database.write(
        lambda db: db.execute("UPDATE automations SET state = 'unknown', finished_at = created_at")
    )
    core.database.write(
        lambda db: db.execute("UPDATE jobs SET state = 'unknown', finished_at = leased_at")
    )
    core.clock.advance(5 * 86_400)

    assert core.services.log_retention.prune(DAY) == 0
    assert sizes(core, alice, lost) == [LOG]

    core.clock.advance(3 * 86_400)
    assert core.services.log_retention.prune(DAY) == 1


def test_logs_of_before_there_were_shares_or_jobs_still_go_by_age(core: Core) -> None:
    core.job_logs.append("0-old", [(0, 0, 1, 0, b"abc")])
    core.job_logs.append("0-of-acme", [(0, 0, 1, 0, b"abc")], org_id="acme")

    assert core.services.log_retention.prune(90 * DAY) == 2

    assert core.logs_database.read(logs.list_usage) == [
        logs.Usage("", 0),
        logs.Usage("acme", 0),
    ]
