"""What was triggered is what is leased, or nothing; and every lease goes with a signed order."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, LeaseLost
from opsicle.domain.manifest_formats import SUPPORTED_FORMATS
from opsicle.domain.manifests import Manifest, WorkOrder, canonical, commitment, digest
from opsicle.server.access.actor import Actor
from opsicle.server.store.audit import Entry
from opsicle.server.store.rows import fetch_all
from opsicle.server.workers.service import Workers
from opsicle.wire.worker_api import RefuseRequest
from tests.services.core import Core

SECRETIVE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: secretive}
spec:
  variables: [{id: pin-code, type: secret}, {id: who, type: string, default: world}]
  template:
    phases: [{name: greet, commands: ["true"]}]
"""


def execute(core: Core, *statements: str) -> None:
    """Change the database behind the server's back."""

    def work(db) -> None:
        for statement in statements:
            db.execute(statement)

    core.database.write(work)


def entries(core: Core, verb: str) -> list[Entry]:
    sql = """
        SELECT seq, at, actor_kind, actor_id, actor_name, channel, address, verb, resource, data
          FROM audit_entries WHERE verb = :verb
    """
    return core.database.read(lambda db: fetch_all(db, sql, {"verb": verb}, Entry))


# The order


def test_work_brings_its_manifest_and_an_order_signed_for_this_worker_and_lease(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w")
    automation = core.run(alice, who="bob")

    (work,) = worker.poll().work

    assert core.order_key.public.has_signed(work.order, work.signature)

    order, manifest = (
        msgspec.json.decode(work.order, type=WorkOrder),
        msgspec.json.decode(work.manifest, type=Manifest),
    )
    assert (canonical(order), canonical(manifest)) == (work.order, work.manifest)
    assert order.manifest_digest == digest(work.manifest)
    assert (order.org_id, order.worker_id, order.automation_id) == (
        alice.org_id,
        worker.actor.worker_id,
        automation.id,
    )
    assert (order.job_id, order.fence, order.policy_digest, order.decisions) == (
        work.job_id,
        work.fence,
        "",
        (),
    )
    assert order.issued_at == core.clock.now()
    assert (order.expires_at - order.issued_at).total_seconds() == 60
    assert (manifest.values, manifest.phases) == ({"who": "bob"}, work.phases)
    assert (manifest.requester_id, manifest.requester) == (alice.user_id, alice.email)


@pytest.mark.parametrize(("spoken", "expected"), [((1,), 1), ((2, 3), 2), ((1, 2), 2)])
def test_work_is_ordered_in_the_newest_format_that_the_worker_reads(
    core: Core, alice: Actor, spoken: tuple[int, ...], expected: int
) -> None:
    worker = core.worker(alice.org_id, "w")
    worker.formats = spoken
    core.run(alice)
    (work,) = worker.poll().work

    order, manifest = (
        msgspec.json.decode(work.order, type=WorkOrder),
        msgspec.json.decode(work.manifest, type=Manifest),
    )

    assert (order.format, manifest.format) == (expected, expected)
    assert order.manifest_digest == digest(work.manifest)
    assert (canonical(order), canonical(manifest)) == (work.order, work.manifest)


def test_a_worker_that_reads_no_format_of_ours_gets_nothing_and_holds_nothing_up(
    core: Core, alice: Actor
) -> None:
    newer, worker = core.worker(alice.org_id, "newer"), core.worker(alice.org_id, "w")
    newer.formats = (98, 99)

    automation = core.run(alice)

    assert newer.poll().work == ()
    assert core.state(alice, automation) == "queued"
    assert [work.automation_id for work in worker.poll().work] == [automation.id]


def test_a_worker_that_reads_no_format_of_ours_is_why_what_it_could_take_waits(
    core: Core, alice: Actor
) -> None:
    newer = core.worker(alice.org_id, "newer")
    newer.formats = (98, 99)
    automation = core.run(alice)

    told = newer.poll().withheld

    assert told == "it speaks manifest formats 98, 99; this server needs one of 1, 2"
    waits = core.automations.get(alice, automation.id)
    assert waits.waiting_reason == f"newer is given no work: {told}"
    shown = Workers(core.database, core.fleet, core.step_up, core.clock).get(alice, "newer")
    assert (shown.formats, shown.withheld) == ([98, 99], told)


def test_the_server_says_which_formats_it_writes(core: Core, alice: Actor) -> None:
    assert core.worker(alice.org_id, "w").poll().formats == SUPPORTED_FORMATS


def test_every_lease_has_an_order_of_its_own_for_the_same_manifest(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w")
    core.run(alice)
    (first,) = worker.poll().work
    worker.held.clear()

    (second,) = worker.poll().work

    assert (first.manifest, first.fence + 1) == (second.manifest, second.fence)

    one, two = (msgspec.json.decode(work.order, type=WorkOrder) for work in (first, second))
    assert (one.nonce, one.job_id) != (two.nonce, two.job_id)
    assert one.manifest_digest == two.manifest_digest


def test_a_manifest_commits_to_secret_values_and_shows_nothing_of_them(
    core: Core, alice: Actor
) -> None:
    core.push(alice, SECRETIVE)
    worker = core.worker(alice.org_id, "w", slots=2)
    for _ in range(2):
        core.run(alice, "secretive", **{"pin-code": "swordfish"})

    works = worker.poll().work

    manifests = [msgspec.json.decode(work.manifest, type=Manifest) for work in works]
    for work, manifest in zip(works, manifests, strict=True):
        assert manifest.secret_variables == {"pin-code": commitment(work.secret_salt, "swordfish")}
        assert manifest.values == {"who": "world"}
        assert b"swordfish" not in work.manifest + work.order
        assert len(work.secret_salt) == 32
    assert manifests[0].secret_variables != manifests[1].secret_variables

    stored = b"".join(path.read_bytes() for path in core.folder.glob("opsicle.db*"))
    assert works[0].secret_salt not in stored


# What was altered


DROP = "DROP TRIGGER template_versions_are_immutable"
ALTERATIONS = {
    "a value": ["""UPDATE automations SET values_json = '{"who":"mallory"}'"""],
    "a value that is gone": ["UPDATE automations SET values_json = '{}'"],
    "values that are no JSON": ["UPDATE automations SET values_json = '{'"],
    "a command": [
        DROP,
        "UPDATE template_versions SET document = replace(document, 'echo hello', 'rm -rf')",
    ],
    "a time limit": [
        DROP,
        "UPDATE template_versions SET document = json_set(document, '$.timeout', 5)",
    ],
    "what approval is asked": [
        DROP,
        "UPDATE template_versions"
        " SET document = json_set(document, '$.approval_policy', json('{}'))",
    ],
    "a document that is no template": [DROP, "UPDATE template_versions SET document = '[]'"],
    "the requester": [
        "UPDATE automations SET requester_id = (SELECT id FROM users WHERE name = 'bob')"
    ],
    "the requester's address": ["UPDATE users SET email = 'ceo@example.com' WHERE name = 'alice'"],
    "the reason": ["UPDATE automations SET reason = 'asked by the CEO'"],
    "the template's name": ["UPDATE automations SET template = 'harmless'"],
    "the version": [
        "INSERT INTO template_versions"
        " SELECT org_id, template_id, 2, digest, source, document, pushed_by, pushed_at, message"
        "   FROM template_versions WHERE version = 1",
        "UPDATE automations SET version = 2",
    ],
    "what becomes of it with a lost worker": ["UPDATE automations SET on_worker_lost = 'requeue'"],
    "which workers may have it": [
        """UPDATE automations SET requirements = '{"image_phase":"","labels":{},"runtimes":[]}'"""
    ],
    "the worker that was chosen": [
        """UPDATE automations SET only_worker = '{"name":"w","worker_id":"w"}'"""
    ],
    "a chosen worker that is no JSON": ["UPDATE automations SET only_worker = 'any'"],
    "requirements that are no JSON": ["UPDATE automations SET requirements = 'any'"],
    "the digest": [
        "DROP TRIGGER automations_stay_bound",
        "UPDATE automations SET manifest_digest = 'x'",
    ],
    "no digest": [
        "DROP TRIGGER automations_stay_bound",
        "UPDATE automations SET manifest_digest = ''",
    ],
}


@pytest.mark.parametrize("is_known", [False, True], ids=["", "template known to the server"])
@pytest.mark.parametrize("statements", ALTERATIONS.values(), ids=ALTERATIONS)
def test_what_was_altered_in_the_database_does_not_run_and_says_why(
    core: Core, alice: Actor, statements: list[str], is_known: bool
) -> None:
    core.person(alice.org_id, "bob", BuiltInRole.MEMBER)
    worker = core.worker(alice.org_id, "w", slots=3)
    if is_known:
        core.run(alice)
        (work,) = worker.poll().work
        worker.start(work)
        worker.finish(work)
    automation = core.run(alice, who="bob")
    execute(core, *statements)

    core.jobs.refresh_queue()

    assert worker.poll().work == ()

    state, explanation, job = core.database.read(
        lambda db: db.execute(
            "SELECT state, explanation, job_id FROM automations WHERE id = ?", (automation.id,)
        ).fetchone()
    )
    assert (state, job) == ("cancelled", None)
    assert explanation.startswith("it was not run: ")

    (entry,) = entries(core, "refuse")
    assert (entry.actor_kind, entry.resource) == ("system", f"automations/{automation.id}")
    assert worker.poll().work == ()
    assert len(entries(core, "refuse")) == 1


def test_a_swapped_commitment_does_not_run(core: Core, alice: Actor) -> None:
    core.push(alice, SECRETIVE)
    automation = core.run(alice, "secretive", **{"pin-code": "swordfish"})

    execute(core, """UPDATE sealed_values SET commitments = '{"pin-code":"00"}'""")

    assert core.worker(alice.org_id, "w").poll().work == ()
    assert core.state(alice, automation) == "cancelled"


def test_what_was_altered_holds_nothing_up_behind_it(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w", slots=2)
    bad = [core.run(alice) for _ in range(7)]

    execute(core, """UPDATE automations SET values_json = '{"who":"mallory"}'""")

    good = [core.run(alice, who=str(number)) for number in range(3)]
    assert [work.automation_id for work in worker.poll().work] == [
        automation.id for automation in good[:2]
    ]
    assert {core.state(alice, automation) for automation in bad} == {"cancelled"}
    assert core.state(alice, good[2]) == "queued"


def test_what_an_automation_is_bound_to_never_changes(core: Core, alice: Actor) -> None:
    core.run(alice)
    with pytest.raises(Exception, match="never changes"):
        execute(core, "UPDATE automations SET manifest_digest = 'other'")


# What a worker refuses


def test_a_refused_order_ends_the_automation_and_stands_in_the_record(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w")
    automation, next_one = core.run(alice), core.run(alice)
    (work,) = worker.poll().work

    request = RefuseRequest(work.fence, "the signature is forged")

    assert core.jobs.refuse(worker.actor, work.job_id, request).state == "returned"

    ended = core.automations.get(alice, automation.id)
    assert (ended.state, ended.explanation) == (
        "cancelled",
        "worker w refused to run it: the signature is forged",
    )

    (entry,) = entries(core, "refuse_order")
    assert (entry.actor_id, entry.resource) == (
        worker.actor.worker_id,
        f"automations/{automation.id}",
    )
    assert msgspec.json.decode(entry.data) == {
        "job": work.job_id,
        "reason": "the signature is forged",
    }

    worker.held.clear()
    assert [work.automation_id for work in worker.poll().work] == [next_one.id]
    with pytest.raises(LeaseLost):
        core.jobs.refuse(worker.actor, work.job_id, request)
    assert len(entries(core, "refuse_order")) == 1


def _begun(core: Core, worker, work) -> None:
    worker.start(work)


def _expired(core: Core, worker, work) -> None:
    core.clock.advance(31)
    core.jobs.expire()


@pytest.mark.parametrize(("meanwhile", "error"), [(_begun, Conflict), (_expired, LeaseLost)])
def test_what_has_begun_or_passed_on_cannot_be_refused(
    core: Core, alice: Actor, meanwhile: Callable[..., None], error: type[Exception]
) -> None:
    worker = core.worker(alice.org_id, "w")
    automation = core.run(alice)
    (work,) = worker.poll().work
    meanwhile(core, worker, work)
    state = core.state(alice, automation)

    with pytest.raises(error):
        core.jobs.refuse(worker.actor, work.job_id, RefuseRequest(work.fence, "late"))
    assert core.state(alice, automation) == state
    assert entries(core, "refuse_order") == []


def test_another_worker_cannot_refuse_it(core: Core, alice: Actor) -> None:
    worker, other = core.worker(alice.org_id, "w"), core.worker(alice.org_id, "other")
    automation = core.run(alice)
    (work,) = worker.poll().work

    with pytest.raises(LeaseLost):
        core.jobs.refuse(other.actor, work.job_id, RefuseRequest(work.fence, "mine"))
    assert core.state(alice, automation) == "queued"
