"""Files that automations are given: uploaded by whom, bound to what, handed to whom, gone when."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import (
    Conflict,
    InvalidInput,
    LeaseLost,
    NotFound,
    OpsicleError,
)
from opsicle.domain.manifests import Manifest
from opsicle.server.access.actor import Actor
from opsicle.server.automations.retention import Retention, RetentionPeriods
from opsicle.server.store import contents
from opsicle.wire.file_api import UploadedFile
from opsicle.wire.jobs import Work
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.user_api import Automation, RunRequest
from opsicle.wire.worker_api import FileRequest
from tests.services.core import Core, TestWorker
from tests.services.template_calls import Calling, caller

CONTENT = b"a;b\n" * 300_000  # more than two pieces

LOAD = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: load}
spec:
  %s
  variables:
    - {id: report, type: file, isRequired: true, pattern: '.*[.]csv', max: 2000000}
    - {id: more, type: file, multiple: true}
  template:
    phases: [{name: load, commands: ["wc -c \\"$OPSICLE_VAR_REPORT\\""]}]
"""
GATE = "{name: g, approvers: {roles: [operator]}, allowRequester: true}"
DECISION_REQUESTS = f"approvalPolicy: {{spec: {{gates: [{GATE}]}}}}"


def upload(core: Core, actor: Actor, content: bytes = CONTENT, name: str = "r.csv") -> UploadedFile:
    read = io.BytesIO(content).read
    return core.services.files.upload(actor, name, len(content), read)


def run(core: Core, actor: Actor, key: str = "", **values: object) -> Automation:
    return core.automations.create(actor, RunRequest(template="load", values=values), key)


def fetch(worker: TestWorker, work: Work, sha256: str, fence: int | None = None) -> bytes:
    content = b""
    while True:
        request = FileRequest(work.fence if fence is None else fence, sha256, len(content))
        piece = worker.core.services.job_files.read(worker.actor, work.job_id, request).data
        if not piece:
            return content
        content += piece


def stored(core: Core) -> list[str]:
    """Return the names of the files on the disk."""
    return [path.name for path in (core.folder / "artifacts").rglob("*") if path.is_file()]


def sweep(core: Core) -> None:
    core.services.files.expire()
    core.services.job_artifacts.prune()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def load(core: Core, alice: Actor) -> None:
    core.push(alice, LOAD % "")


@pytest.fixture
def worker(core: Core, alice: Actor) -> TestWorker:
    return core.worker(alice.org_id, "w", slots=9)


@pytest.mark.usefixtures("load")
def test_a_file_is_bound_by_its_manifest_and_handed_to_the_worker_whole(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    uploaded = upload(core, alice)

    made = run(core, alice, report=uploaded.id, more=[uploaded.id])

    text = f"sha256:{sha256(CONTENT)}, {len(CONTENT)} bytes, r.csv"
    assert made.values == {"report": text, "more": [text]}
    assert [(each.variable, each.name, each.size, each.sha256) for each in made.files] == [
        (variable, "r.csv", len(CONTENT), sha256(CONTENT)) for variable in ("more", "report")
    ]
    [work] = worker.poll().work
    manifest = msgspec.json.decode(work.manifest, type=Manifest)
    assert manifest.files == work.files
    assert [each.sha256 for each in work.files] == [sha256(CONTENT)] * 2
    assert manifest.values == work.environment == {}
    assert fetch(worker, work, sha256(CONTENT)) == CONTENT
    row = core.services.files.get(alice, made.files[0].id)
    assert b"".join(core.services.files.read(row, 0, row.size)) == CONTENT


@pytest.mark.usefixtures("load")
def test_an_upload_is_its_uploaders_alone_and_a_digest_gets_nobody_a_file(
    core: Core, alice: Actor
) -> None:
    bob = core.person(alice.org_id, "bob", BuiltInRole.OPERATOR)
    eve = core.person(core.org("other"), "eve", BuiltInRole.ADMIN)
    core.push(eve, LOAD % "")
    uploaded = upload(core, alice)
    run(core, alice, report=uploaded.id)
    text = f"sha256:{uploaded.sha256}, {uploaded.size} bytes, r.csv"

    refusals = set()
    for actor in (bob, eve):
        for value in (uploaded.id, text, "nothing", f"sha256:{'0' * 64}, 1 bytes, r.csv"):
            with pytest.raises(InvalidInput) as refused:
                run(core, actor, report=value)
            refusals.add(refused.value.problems)
    with pytest.raises(InvalidInput):
        run(core, alice, report=text)

    assert len(refusals) == 1  # nobody learns from the words whether there is such a file


@pytest.mark.usefixtures("load")
def test_another_org_and_whoever_may_not_see_the_automation_cannot_take_its_files(
    core: Core, alice: Actor
) -> None:
    eve = core.person(core.org("other"), "eve", BuiltInRole.ADMIN)
    made = run(core, alice, report=upload(core, alice).id)

    with pytest.raises(NotFound):
        core.services.files.get(eve, made.files[0].id)


@pytest.mark.usefixtures("load")
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "is required"),
        ({"report": None}, "is required"),
        ({"report": ["UPLOAD"]}, "must be text"),
        ({"report": "WRONG"}, "does not match the pattern"),
        ({"report": "LARGE"}, "at most 2000000 bytes large"),
        ({"report": "UPLOAD", "more": "UPLOAD"}, "must be a list"),
        ({"report": "UPLOAD", "more": ["UPLOAD"] * 20}, "20 files at most"),
        ({"report": "UPLOAD", "more": ["UPLOAD"] * 900}, "20 files at most"),
        ({"report": 7}, "is not the id of a file"),
    ],
)
def test_what_a_variable_does_not_take_is_refused_with_its_reason(
    core: Core, alice: Actor, values: dict[str, object], said: str
) -> None:
    ids = {
        "UPLOAD": upload(core, alice, b"x").id,
        "WRONG": upload(core, alice, b"x", "r.txt").id,
        "LARGE": upload(core, alice, b"x" * 2_000_001).id,
    }

    def filled(value: object) -> object:
        return [*map(filled, value)] if isinstance(value, list) else ids.get(str(value), value)

    with pytest.raises(InvalidInput) as refused:
        run(core, alice, **{name: filled(value) for name, value in values.items()})

    assert said in str(refused.value.problems)


@pytest.mark.usefixtures("load")
def test_an_upload_expires_and_an_automations_file_stays_as_long_as_that(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    used, unused = upload(core, alice, b"used"), upload(core, alice, b"unused")
    made = run(core, alice, report=used.id)

    core.clock.advance(25 * 3600)
    with pytest.raises(InvalidInput):
        run(core, alice, report=unused.id)
    sweep(core)

    assert stored(core) == [sha256(b"used")]
    [work] = worker.poll().work
    assert fetch(worker, work, sha256(b"used")) == b"used"
    worker.start(work)
    worker.finish(work)
    core.clock.advance(40 * 86400)
    keep = RetentionPeriods(timedelta(days=30), automations=timedelta(days=30))
    assert Retention(core.database, core.job_logs, core.clock).prune(keep) == 1
    sweep(core)
    assert stored(core) == []
    assert core.database.read(lambda db: contents.stored(db, alice.org_id)) == 0
    with pytest.raises(NotFound):
        core.services.files.get(alice, made.files[0].id)


@pytest.mark.usefixtures("load")
def test_a_rerun_takes_the_same_bytes_though_the_upload_has_expired(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    bob = core.person(alice.org_id, "bob", BuiltInRole.OPERATOR)
    uploaded = upload(core, alice)
    made = run(core, alice, report=uploaded.id)
    core.clock.advance(25 * 3600)
    sweep(core)

    again = core.automations.rerun(bob, made.id)

    assert again.values == made.values
    work = {each.automation_id: each for each in worker.poll().work}[again.id]
    assert fetch(worker, work, uploaded.sha256) == CONTENT


def test_one_that_goes_on_from_another_and_one_that_follows_it_take_its_files(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    follows = "onFailure: [{template: follows, values: {report: {variable: report}}}]"
    core.push(alice, LOAD.replace("name: load", "name: follows", 1) % "")
    core.push(alice, LOAD % follows)
    uploaded = upload(core, alice)
    made = run(core, alice, report=uploaded.id)
    [work] = worker.poll().work
    worker.start(work)
    worker.finish(work, "failed", 1)
    core.clock.advance(25 * 3600)
    sweep(core)

    resumed = core.services.resumes.resume(alice, made.id, ResumeRequest())
    core.services.chain_starts.turn()

    [start] = core.automations.get(alice, made.id).chained_starts
    works = {each.automation_id: each for each in worker.poll().work}
    for automation_id in (resumed.id, start.automation_id):
        again = core.automations.get(alice, automation_id)
        assert again.values == made.values
        assert fetch(worker, works[automation_id], uploaded.sha256) == CONTENT


def test_what_a_phase_calls_is_given_its_callers_file(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    core.push(alice, LOAD % "")
    call = "{template: load, values: {report: {variable: page}}}"
    source = caller(call).replace("{id: site, default: ams}", "{id: page, type: file}")
    core.push(alice, source)
    calling = Calling(core, alice)
    uploaded = upload(core, alice)
    request = RunRequest(template="caller", values={"page": uploaded.id})
    calling.automation = core.automations.create(alice, request)
    core.clock.advance(25 * 3600)
    sweep(core)

    calling.begin().call().turn()

    child = calling.child()
    assert child.values["report"] == calling.automation.values["page"]
    [work] = worker.poll().work
    assert work.automation_id == child.id
    assert fetch(worker, work, uploaded.sha256) == CONTENT


@pytest.mark.usefixtures("load")
def test_a_request_that_is_sent_again_makes_nothing_though_its_upload_has_expired(
    core: Core, alice: Actor
) -> None:
    uploaded = upload(core, alice)
    made = run(core, alice, "key", report=uploaded.id)
    core.clock.advance(25 * 3600)
    sweep(core)

    again = run(core, alice, "key", report=uploaded.id)

    assert again.id == made.id
    with pytest.raises(InvalidInput):
        run(core, alice, "another", report=uploaded.id)
    with pytest.raises(Conflict):
        run(core, alice, "key", report="another request")


def test_what_is_approved_is_what_is_in_the_file(core: Core, alice: Actor) -> None:
    core.push(alice, LOAD % DECISION_REQUESTS)
    made = run(core, alice, report=upload(core, alice).id)
    approval = core.approvals.get(alice, made.approval_id)
    assert approval.files == made.files
    assert sha256(CONTENT) in str(approval.values["report"])

    core.database.write(
        lambda db: db.execute(
            "UPDATE automations SET values_json = replace(values_json, ?, ?)",
            (sha256(CONTENT), sha256(b"another")),
        )
    )

    assert not core.approvals.get(alice, made.approval_id).is_intact


@pytest.mark.usefixtures("load")
def test_a_file_goes_to_the_worker_that_is_about_to_run_the_job_and_to_nobody_else(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    other = core.worker(alice.org_id, "other")
    uploaded, unrelated = upload(core, alice), upload(core, alice, b"unrelated")
    run(core, alice, report=uploaded.id)
    [work] = worker.poll().work

    def refusal(call: Callable[[], object]) -> type[OpsicleError]:
        with pytest.raises(OpsicleError) as refused:
            call()
        return type(refused.value)

    assert issubclass(refusal(lambda: fetch(other, work, uploaded.sha256)), LeaseLost)
    assert refusal(lambda: fetch(worker, work, uploaded.sha256, work.fence + 1)) is LeaseLost
    assert refusal(lambda: fetch(worker, work, unrelated.sha256)) is NotFound
    assert fetch(worker, work, uploaded.sha256) == CONTENT
    worker.start(work)
    assert refusal(lambda: fetch(worker, work, uploaded.sha256)) is LeaseLost


@pytest.mark.usefixtures("load")
def test_a_file_that_the_server_has_lost_is_said_to_be(
    core: Core, alice: Actor, worker: TestWorker
) -> None:
    uploaded = upload(core, alice)
    run(core, alice, report=uploaded.id)
    [work] = worker.poll().work
    path = core.services.contents.path(alice.org_id, uploaded.sha256)

    path.write_bytes(CONTENT[:-1])
    with pytest.raises(NotFound, match="lost the end"):
        fetch(worker, work, uploaded.sha256)
    path.unlink()
    with pytest.raises(NotFound, match="has lost this file"):
        fetch(worker, work, uploaded.sha256)


@pytest.mark.usefixtures("load")
def test_a_schedule_of_a_template_that_takes_a_file_is_refused_when_it_is_pushed(
    core: Core, alice: Actor
) -> None:
    source = """
apiVersion: v1
type: Schedule
metadata: {name: nightly}
spec: {template: load, every: 1h, values: {more: ["anything"]}}
"""

    with pytest.raises(InvalidInput) as refused:
        core.services.schedules.push(alice, source)

    assert [problem.path for problem in refused.value.problems] == [
        "spec.values.report",
        "spec.values.more",
    ]
    assert "nothing that starts by itself has one to give" in refused.value.problems[0].message
