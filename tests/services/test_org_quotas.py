"""No org passes what the server's operators let it use; whoever is refused is told why."""

from __future__ import annotations

import io
import os

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.artifacts import MIB
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, TooManyRequests
from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import Outcome, Work
from opsicle.wire.operation_api import ChangeQuotasRequest, DayOfUsage, OrgUsage
from opsicle.wire.worker_api import FinishRequest, LogRequest
from tests.services.core import Core, TestWorker
from tests.services.operating import server_operator
from tests.services.test_artifacts import ask, part

HOUR = 3600


@pytest.fixture
def oscar(core: Core) -> Actor:
    return server_operator(core)


def allow(core: Core, oscar: Actor, **quotas: int | None) -> None:
    core.services.org_operations.change_quotas(oscar, "acme", ChangeQuotasRequest(**quotas))


def usage(core: Core, oscar: Actor) -> OrgUsage:
    return core.services.org_operations.get(oscar, "acme").usage


def test_twenty_at_once_never_pass_the_quota_and_the_rest_hear_when_there_is_room(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    allow(core, oscar, automations_an_hour=5)
    core.run(alice)
    core.clock.advance(600)

    tried = [gevent.spawn(_outcome, core, alice) for _ in range(20)]
    gevent.joinall(tried, timeout=60)

    refused = [each.value for each in tried if isinstance(each.value, TooManyRequests)]
    assert len(refused) == 16
    assert "quota of 5 automations an hour is used up" in refused[0].message
    assert HOUR - 605 <= refused[0].retry_after <= HOUR - 590
    assert usage(core, oscar).automations_last_hour == 5

    core.clock.advance(refused[0].retry_after)
    core.run(alice)
    with pytest.raises(TooManyRequests):
        core.run(alice)


def _outcome(core: Core, alice: Actor) -> object:
    try:
        return core.run(alice)
    except TooManyRequests as refused:
        return refused


def test_a_quota_is_that_orgs_alone_and_outlasts_a_restart(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    gina = core.person(core.org("globex"), "gina", BuiltInRole.OPERATOR)
    core.push(gina)
    allow(core, oscar, automations_an_hour=1, log_mib=1)
    core.run(alice)

    again = core.restart()
    try:
        with pytest.raises(TooManyRequests):
            again.run(alice)
        again.run(gina)
        quotas = again.job_logs.quotas
        assert quotas is not None
        assert (quotas.of(alice.org_id), quotas.of(gina.org_id)) == (MIB, None)
    finally:
        again.close()


def test_a_log_beyond_the_quota_takes_the_oldest_logs_place_and_is_truncated_for_all_to_see(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    allow(core, oscar, log_mib=1)
    worker = core.worker(alice.org_id, "w", slots=2)
    noise = os.urandom(MIB // 2)
    old, running = core.run(alice), core.run(alice)
    first, second = worker.poll().work
    for work in (first, second):
        worker.start(work)
    _log(core, worker, first, 0, noise)
    _finish(core, worker, first, len(noise))
    core.clock.advance(60)

    _log(core, worker, second, 0, noise)
    _log(core, worker, second, len(noise), noise)

    assert "the logs of the org may take 1 MiB" in core.automations.get(alice, old.id).log_remark
    assert core.automations.get(alice, running.id).log_remark == ""

    core.clock.advance(60)
    _log(core, worker, second, 2 * len(noise), noise)
    _log(core, worker, second, 3 * len(noise), b"the end")
    end = 3 * len(noise) + len(b"the end")
    _finish(core, worker, second, end)

    shown = core.automations.get(alice, running.id)
    assert (shown.state, shown.log_bytes) == ("succeeded", end)
    assert shown.log_remark == (
        f"its log is truncated at byte {2 * len(noise):,}: the org's log quota is used up"
    )
    tail = b"".join(
        chunk[4] for part in core.job_logs.read(second.job_id, end - 7) for chunk in part
    )
    assert tail == b"[not ke"
    assert usage(core, oscar).log_bytes < MIB + 64 * 1024
    assert _recorded(core, alice, "truncate") == [f"automations/{running.id}"]


def _log(core: Core, worker: TestWorker, work: Work, start: int, data: bytes) -> None:
    chunks = tuple(
        (start + at, 0, 1, 0, data[at : at + 60_000]) for at in range(0, len(data), 60_000)
    )
    reply = core.jobs.log(worker.actor, work.job_id, LogRequest(fence=work.fence, chunks=chunks))
    assert reply.durable_to == start + len(data)


def _finish(core: Core, worker: TestWorker, work: Work, log_bytes: int) -> None:
    outcome = Outcome(state="succeeded", phases=(), exit_code=0)
    request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=log_bytes)
    core.jobs.finish(worker.actor, work.job_id, request)


def _recorded(core: Core, actor: Actor, verb: str) -> list[str]:
    return core.database.read(
        lambda db: [
            resource
            for (resource,) in db.execute(
                "SELECT resource FROM audit_entries WHERE org_id = ? AND verb = ?",
                (actor.org_id, verb),
            )
        ]
    )


def test_artifacts_beyond_the_quota_are_refused_by_name_however_many_come_at_once(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    allow(core, oscar, artifact_mib=1)
    worker = core.worker(alice.org_id, "w", slots=4)
    runs = [core.run(alice) for _ in range(4)]
    files = [bytes([n]) * (MIB * 2 // 5) for n in range(4)]
    works = worker.poll().work
    for work in works:
        worker.start(work)
    half = MIB // 5

    for offset in (0, half):  # all have asked before any is kept
        for work, data in zip(works, files, strict=True):
            ask(worker, work, part(work, data, "out.bin", offset=offset, data=data[offset:][:half]))

    shown = [core.automations.get(alice, run.id) for run in runs]
    assert [len(each.artifacts) for each in shown] == [1, 1, 0, 0]
    for each in shown[2:]:
        [missing] = each.artifacts_missing
        assert missing.path == "out.bin"
        assert "take all of its 1 MiB" in missing.problem
    assert usage(core, oscar).artifact_bytes <= MIB


def test_uploads_beyond_the_quota_are_refused_by_name_however_many_come_at_once(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    gina = core.person(core.org("globex"), "gina", BuiltInRole.OPERATOR)
    allow(core, oscar, artifact_mib=1)
    contents = [bytes([n]) * (MIB * 2 // 5) for n in range(4)]

    tried = [gevent.spawn(_uploaded, core, alice, content) for content in contents]
    gevent.joinall(tried, timeout=60)

    refused = [each.value for each in tried if isinstance(each.value, Conflict)]
    assert len(refused) == 2
    assert all("of this org take all of its 1 MiB" in each.message for each in refused)
    assert usage(core, oscar).artifact_bytes == 2 * (MIB * 2 // 5)
    kept = contents[[isinstance(each.value, Conflict) for each in tried].index(False)]
    assert not isinstance(_uploaded(core, alice, kept), Conflict), "it takes no more room"
    assert not isinstance(_uploaded(core, gina, b"x" * MIB), Conflict), "another org's affair"
    allow(core, oscar, artifact_mib=2)
    assert not isinstance(_uploaded(core, alice, b"x" * MIB), Conflict)


def _uploaded(core: Core, actor: Actor, content: bytes) -> object:
    read = io.BytesIO(content).read
    try:
        return core.services.files.upload(actor, "in.csv", len(content), read)
    except Conflict as refused:
        return refused


def test_only_who_runs_the_server_sets_quotas_and_the_orgs_managers_see_them(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    with pytest.raises(NotAllowed):
        core.services.org_operations.change_quotas(
            carol, "acme", ChangeQuotasRequest(automations_an_hour=9)
        )
    with pytest.raises(InvalidInput, match="between 1 and"):
        allow(core, oscar, automations_an_hour=0)
    allow(core, oscar, automations_an_hour=9)
    core.run(alice)

    own = core.services.org_operations.own_usage(carol)

    assert (own.usage.automations_last_hour, own.quotas.automations_an_hour) == (1, 9)
    assert own.days == [DayOfUsage(day=core.clock.now().date(), automations=1)]
    with pytest.raises(NotAllowed):
        core.services.org_operations.own_usage(alice)
    assert _recorded(core, alice, "update") == ["orgs/acme/quotas"]


def test_size_and_activity_follow_what_comes_and_goes(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    for _ in range(3):
        core.run(alice)
    core.clock.advance(3 * 24 * HOUR)
    core.run(alice)

    seen = usage(core, oscar)

    assert (seen.automations, seen.automations_last_hour, seen.automations_last_day) == (4, 1, 1)
    assert (seen.automations_last_30_days, seen.member_count, seen.worker_count) == (4, 1, 0)
    assert seen.last_activity_at == core.clock.now()
    core.clock.advance(40 * 24 * HOUR)
    core.run(alice)
    assert usage(core, oscar).automations_last_30_days == 1
    hours = "SELECT count(*) FROM automation_hours WHERE org_id = ?"
    assert core.database.read(lambda db: db.execute(hours, (alice.org_id,)).fetchall()) == [(1,)]


def test_the_days_of_a_month_are_counted_each_and_those_of_another_org_are_not(
    core: Core, alice: Actor
) -> None:
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    core.run(alice)
    core.clock.advance(31 * 86_400)
    first = core.clock.now().date()
    core.run(alice)
    core.run(alice)
    core.clock.advance(86_400)
    core.run(alice)

    days = core.services.org_operations.own_usage(carol).days
    mallory = core.person(core.org("globex"), "mallory", BuiltInRole.ADMIN)

    assert [(day.day, day.automations) for day in days] == [
        (first, 2),
        (core.clock.now().date(), 1),
    ]
    assert core.services.org_operations.own_usage(mallory).days == []
