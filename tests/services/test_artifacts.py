"""Files that jobs leave behind, as the server keeps them: from honest workers and from others."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.artifacts import MAX_ARTIFACTS, ArtifactLimits
from opsicle.domain.errors import InvalidInput, LeaseLost, NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.automations.retention import Retention, RetentionPeriods
from opsicle.server.dispatch.job_artifacts import ArtifactBounds
from opsicle.server.store import audit, contents
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import ArtifactReply, ArtifactRequest
from tests.services.core import Core, TestWorker

DAY = timedelta(days=1)
PIECE = 100


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def begun(core: Core, alice: Actor, worker: TestWorker) -> Work:
    """Return a job that runs."""
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    return work


def part(work: Work, content: bytes, path: str = "r.txt", **more: object) -> ArtifactRequest:
    facts = {"fence": work.fence, "size": len(content), "sha256": sha256(content)}
    facts |= {"data": content[:PIECE], **more}
    return ArtifactRequest(phase=0, path=path, **facts)


def ask(worker: TestWorker, work: Work, request: ArtifactRequest) -> ArtifactReply:
    return worker.core.services.job_artifacts.receive(worker.actor, work.job_id, request)


def send(worker: TestWorker, work: Work, content: bytes, path: str = "r.txt") -> None:
    """Send a whole file, as a worker does."""
    offset = 0
    while True:
        piece = content[offset : offset + PIECE]
        reply = ask(worker, work, part(work, content, path, offset=offset, data=piece))
        if reply.is_settled:
            return
        assert reply.received > offset
        offset = reply.received


def stored(core: Core) -> list[Path]:
    """Return the files on the disk."""
    return [path for path in (core.folder / "artifacts").rglob("*") if path.is_file()]


@pytest.fixture
def worker(core: Core, alice: Actor) -> TestWorker:
    return core.worker(alice.org_id, "w", slots=300)


def test_a_file_that_came_in_pieces_is_there_whole(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    work, content = begun(core, alice, worker), bytes(range(256)) * 3

    send(worker, work, content)

    [artifact] = core.automations.get(alice, work.automation_id).artifacts
    assert (artifact.path, artifact.size, artifact.sha256) == ("r.txt", 768, sha256(content))
    row = core.services.artifacts.get(alice, artifact.id)
    assert b"".join(core.services.artifacts.read(row, 0, row.size)) == content
    assert b"".join(core.services.artifacts.read(row, 5, 9)) == content[5:9]


def test_the_record_of_a_jobs_end_binds_what_it_left_behind(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    work, plain = begun(core, alice, worker), begun(core, alice, worker)
    send(worker, work, b"report", "out/r.txt")
    send(worker, work, b"before", "a b")
    send(worker, work, b"after", "a b")

    worker.finish(work)
    worker.finish(plain)

    printed = f"{sha256(b'after')}  a b\n{sha256(b'report')}  out/r.txt\n"
    data = recorded_end(core, alice, work)
    assert data["artifacts"] == {"count": 2, "sha256": sha256(printed.encode())}
    assert "artifacts" not in recorded_end(core, alice, plain)


def recorded_end(core: Core, actor: Actor, work: Work) -> dict[str, object]:
    """Return what the record says of a job's end."""
    wanted = audit.AuditFilter(resource=f"automations/{work.automation_id}")
    entries = core.database.read(
        lambda db: audit.list_entries(db, actor.org_id, wanted, 2**53, 100)
    )
    [end] = [entry for entry in entries if entry.verb == "finish"]
    found: dict[str, object] = json.loads(end.data)
    return found


def test_an_empty_file_is_kept(core: Core, alice: Actor, worker: TestWorker) -> None:
    work = begun(core, alice, worker)

    send(worker, work, b"")

    [artifact] = core.automations.get(alice, work.automation_id).artifacts
    assert (artifact.size, artifact.sha256) == (0, sha256(b""))


def test_a_server_that_comes_back_goes_on_where_the_file_broke_off(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    work, content = begun(core, alice, worker), b"x" * 250
    assert ask(worker, work, part(work, content)).received == PIECE

    core = core.restart()
    worker = TestWorker(core, worker.actor, worker.slots, worker.labels, dict(worker.held))
    again = ask(worker, work, part(work, content))
    send(worker, work, content)

    assert again.received == PIECE
    assert ask(worker, work, part(work, content)).is_settled
    assert len(core.automations.get(alice, work.automation_id).artifacts) == 1
    core.close()


def test_what_is_not_the_file_that_was_announced_is_not_kept(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    work = begun(core, alice, worker)

    reply = ask(worker, work, part(work, b"y" * 50, data=b"z" * 50))

    assert reply == ArtifactReply(0, is_settled=False)
    assert core.automations.get(alice, work.automation_id).artifacts == []
    assert stored(core) == []
    send(worker, work, b"y" * 50)
    assert len(core.automations.get(alice, work.automation_id).artifacts) == 1


def test_a_stale_fence_changes_nothing(core: Core, alice: Actor, worker: TestWorker) -> None:
    work = begun(core, alice, worker)
    other = core.worker(alice.org_id, "other")

    with pytest.raises(LeaseLost):
        ask(worker, work, part(work, b"late", fence=work.fence + 1))
    with pytest.raises(LeaseLost):
        ask(other, work, part(work, b"another's"))
    worker.finish(work)
    with pytest.raises(LeaseLost):
        ask(worker, work, part(work, b"after the end"))

    assert core.automations.get(alice, work.automation_id).artifacts == []
    assert stored(core) == []


@pytest.mark.parametrize(
    "path", ["../up", "/etc/passwd", "a//b", "a/../b", "", "a\nb", "a\x1b[31m", "x" * 501, "./a"]
)
def test_a_path_that_is_none_is_refused(
    core: Core, alice: Actor, worker: TestWorker, path: str
) -> None:
    work = begun(core, alice, worker)

    with pytest.raises(InvalidInput):
        ask(worker, work, part(work, b"x", path))

    with pytest.raises(InvalidInput):
        ask(worker, work, part(work, b"x", size=0))


def test_a_later_file_of_the_same_path_takes_the_place_of_the_earlier(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    work = begun(core, alice, worker)
    send(worker, work, b"before")

    send(worker, work, b"after")
    core.services.content_sweep.turn()

    [artifact] = core.automations.get(alice, work.automation_id).artifacts
    assert artifact.sha256 == sha256(b"after")
    assert [path.name for path in stored(core)] == [sha256(b"after")]


def test_the_limits_of_file_automation_and_count_are_said_by_the_automation(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    core.services.job_artifacts.bounds = ArtifactBounds(ArtifactLimits(1000, 2500))
    work = begun(core, alice, worker)

    send(worker, work, b"1" * 1001, "large")
    send(worker, work, b"2" * 1000, "one")
    send(worker, work, b"3" * 1000, "two")
    send(worker, work, b"4" * 1000, "three")
    for number in range(MAX_ARTIFACTS):
        send(worker, work, b"", f"n{number}")

    shown = core.automations.get(alice, work.automation_id)
    assert len(shown.artifacts) == MAX_ARTIFACTS
    missing = {each.path: each.problem for each in shown.artifacts_missing}
    assert "larger than" in missing["large"]
    assert "together" in missing["three"]
    assert f"{MAX_ARTIFACTS} artifacts" in missing[f"n{MAX_ARTIFACTS - 1}"]


def test_old_files_make_room_in_an_orgs_share_and_young_ones_do_not(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    core.services.job_artifacts.bounds = ArtifactBounds(org_bytes=1000)
    old = begun(core, alice, worker)
    send(worker, old, b"o" * 600)
    worker.finish(old)

    young = begun(core, alice, worker)
    send(worker, young, b"y" * 600)
    refused = core.automations.get(alice, young.automation_id)
    core.clock.advance(8 * 86400)
    late = begun(core, alice, worker)
    send(worker, late, b"l" * 600)

    assert "take all of its" in refused.artifacts_missing[0].problem
    assert len(core.automations.get(alice, late.automation_id).artifacts) == 1
    [gone] = core.automations.get(alice, old.automation_id).artifacts_missing
    assert "room for newer" in gone.problem
    assert [path.name for path in stored(core)] == [sha256(b"l" * 600)]


def test_the_same_file_is_there_once_in_an_org_and_once_more_in_another(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    gina = core.person(core.org("globex"), "gina", BuiltInRole.OPERATOR)
    core.push(gina)
    other = core.worker(gina.org_id, "theirs")
    first, second = begun(core, alice, worker), begun(core, alice, worker)
    theirs = begun(core, gina, other)

    send(worker, first, b"same" * 50)
    send(worker, second, b"same" * 50)
    # Who has the same file elsewhere is not told so: all of it is asked for.
    begins = ask(other, theirs, part(theirs, b"same" * 50))
    send(other, theirs, b"same" * 50)

    assert begins == ArtifactReply(PIECE, is_settled=False)
    assert len(stored(core)) == 2
    used = [core.database.read(lambda db, o=o: contents.stored(db, o)) for o in
            (alice.org_id, gina.org_id)]  # fmt: skip
    assert used == [200, 200]
    [artifact] = core.automations.get(alice, first.automation_id).artifacts
    with pytest.raises(NotFound):
        core.services.artifacts.get(gina, artifact.id)


def test_a_file_goes_when_the_last_that_names_it_has_gone(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    first = begun(core, alice, worker)
    send(worker, first, b"kept by two")
    worker.finish(first)
    core.clock.advance(300 * 86400)
    second = begun(core, alice, worker)
    send(worker, second, b"kept by two")
    worker.finish(second)

    core.clock.advance(80 * 86400)
    year = RetentionPeriods(logs=90 * DAY, automations=365 * DAY)
    assert Retention(core.database, core.job_logs, core.clock).prune(year) == 1
    core.services.job_artifacts.prune()
    after_the_first = len(stored(core))
    core.clock.advance(11 * 86400)
    core.services.job_artifacts.prune()

    assert after_the_first == 1
    assert stored(core) == []
    [gone] = core.automations.get(alice, second.automation_id).artifacts_missing
    assert gone.problem == "it was kept for 90 days"
    assert core.database.read(lambda db: contents.stored(db, alice.org_id)) == 0


def test_a_file_that_is_named_is_never_removed(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    work = begun(core, alice, worker)
    send(worker, work, b"named")

    removed = core.services.contents.remove_unused(alice.org_id, sha256(b"named"))

    assert not removed
    assert len(stored(core)) == 1


def test_what_a_crash_has_left_between_file_and_row_is_swept_away(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    work = begun(core, alice, worker)
    send(worker, work, b"good")
    orphan = core.services.contents.path(alice.org_id, sha256(b"orphan"))
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"orphan")
    core.database.write(
        lambda db: contents.put(db, alice.org_id, sha256(b"lost"), 4, core.clock.now())
    )
    ask(worker, work, part(work, b"d" * 200, "draft"))
    core.services.job_artifacts.prune()
    while_it_runs = {path.name for path in stored(core)}

    worker.finish(work)
    core.services.job_artifacts.prune()

    assert while_it_runs == {sha256(b"good"), f"{work.job_id}.{sha256(b'd' * 200)}"}
    assert [path.name for path in stored(core)] == [sha256(b"good")]
    assert core.database.read(lambda db: contents.stored(db, alice.org_id)) == 4


@pytest.mark.parametrize("harm", ["altered", "cut off", "gone"])
def test_a_file_that_was_lost_or_altered_behind_the_servers_back_is_named(
    core: Core, alice: Actor, worker: TestWorker, harm: str
) -> None:
    work = begun(core, alice, worker)
    send(worker, work, b"good")
    [path] = stored(core)
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"evil" if harm == "altered" else b"goo")
    core.clock.advance(2 * 86400)

    wrong = core.services.content_sweep.verify()

    [artifact] = core.automations.get(alice, work.automation_id).artifacts
    assert wrong == 1
    assert artifact.problem
    assert core.services.status.remarks.shown == [f"an artifact is damaged: {artifact.problem}"]
    send(worker, begun(core, alice, worker), b"good")
    assert core.automations.get(alice, work.automation_id).artifacts[0].problem == ""
