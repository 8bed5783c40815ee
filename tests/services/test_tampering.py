"""Whoever alters the database, but has no key file, gets nothing to run that nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from opsicle.domain.errors import OpsicleError
from opsicle.domain.manifests import canonical, digest
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.manifests import rebuild
from opsicle.server.store import approvals, automations
from opsicle.wire.user_api import Automation, RunRequest
from opsicle.wire.worker_api import RefuseRequest
from tests.services.approving import Office, template_source
from tests.services.core import Core

Tamper = Callable[[Office, Automation], None]

UNBOUND = """
    DROP TRIGGER IF EXISTS automations_stay_bound;
    DROP TRIGGER IF EXISTS automations_stay_authentic;
"""
UNDECIDED = """
    DROP TRIGGER IF EXISTS approvals_stay;
    DROP TRIGGER IF EXISTS approval_decisions_are_immutable;
    DROP TRIGGER IF EXISTS approval_decisions_stay;
    DROP TRIGGER IF EXISTS approval_decisions_stay_authentic;
"""
OTHER_VALUES = '{"target":"other"}'
MALLORY = "(SELECT id FROM users WHERE name = 'mallory')"


def sql(script: str) -> Tamper:
    return lambda office, _asked: office.tamper(script)


def digest_alike(office: Office, asked: Automation) -> None:
    """Alter what is to run, and every digest of it that the database holds."""
    office.tamper(UNBOUND)
    office.tamper(
        "UPDATE automations SET values_json = :values WHERE id = :id",
        values=OTHER_VALUES,
        id=asked.id,
    )

    def work(db: object) -> None:
        row = automations.get(db, office.org_id, asked.id)
        approval = approvals.find_of_automation(db, asked.id)
        manifest = rebuild(db, row, template_of(db, row.template_id, row.version), approval)
        written = digest(canonical(manifest.in_format(row.manifest_format)))
        db.execute("UPDATE automations SET manifest_digest = ? WHERE id = ?", (written, asked.id))
        db.execute(
            "UPDATE approvals SET manifest_digest = ? WHERE automation_id = ?", (written, asked.id)
        )

    office.core.database.write(work)


def format_before(office: Office, asked: Automation) -> None:
    """Leave it as if a version without codes had triggered it, under a policy of nobody's."""
    office.tamper(
        UNBOUND + "UPDATE automations SET manifest_format = 1, mac = '';"
        "UPDATE approvals SET policy = json_set(policy, '$.gates', json('[]'))"
    )
    digest_alike(office, asked)


def as_of_another(office: Office, asked: Automation) -> None:
    """Give it the digest and the code of an automation that nobody has to approve."""
    office.core.push(
        office.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    office.core.run(office.people["alice"], "plain")
    columns = ("manifest_digest", "manifest_format", "mac")
    taken = ", ".join(
        f"{column} = (SELECT {column} FROM automations WHERE template = 'plain')"
        for column in columns
    )
    office.tamper(f"{UNBOUND} UPDATE automations SET {taken} WHERE id = '{asked.id}'")


ALTERED: dict[str, Tamper] = {
    "a value": sql('UPDATE automations SET values_json = \'{"target":"other"}\''),
    "a value, with each digest of it": digest_alike,
    "the manifest's format, and its code": format_before,
    "all that binds it": as_of_another,
    "a command": sql("""
        DROP TRIGGER template_versions_are_immutable;
        UPDATE template_versions SET document = replace(document, 'echo hi', 'rm -rf /')
    """),
    "the worker's labels": sql("""
        DROP TRIGGER template_versions_are_immutable;
        UPDATE template_versions
           SET document = json_set(document, '$.runs_on', json('{"site":"x"}'))
    """),
    "a document that is no template": sql("""
        DROP TRIGGER template_versions_are_immutable;
        UPDATE template_versions SET document = '[]' WHERE document LIKE '%careful%'
    """),
    "the template": sql("UPDATE automations SET template = 'other'"),
    "who asked": sql(f"UPDATE automations SET requester_id = {MALLORY}"),
    "who stands behind": sql(f"{UNBOUND} UPDATE automations SET principal_id = {MALLORY}"),
    "why": sql("UPDATE automations SET reason = 'urgent'"),
    "what happens when the worker is lost": sql(
        "UPDATE automations SET on_worker_lost = 'requeue'"
    ),
    "a secret value": sql("UPDATE sealed_values SET commitments = '{}'"),
    "the code": sql(f"{UNBOUND} UPDATE automations SET mac = ''"),
    "a code that is no text of ours": sql(f"{UNBOUND} UPDATE automations SET mac = 'ö'"),
    "a format that nobody knows": sql(f"{UNBOUND} UPDATE automations SET manifest_format = 99"),
    "who asked for approval": sql(f"UPDATE approvals SET requester_id = {MALLORY}"),
    "who asked, in both places": sql(
        f"UPDATE approvals SET requester_id = {MALLORY};"
        f"UPDATE automations SET requester_id = {MALLORY}"
    ),
    "a policy that lets anybody agree": sql("""
        UPDATE approvals
           SET policy = json_set(policy, '$.gates[0].allow_requester', json('true'),
                                 '$.gates[0].approvers', json('{"roles":["operator"]}'))
    """),
    "a policy without gates whose time has come": sql("""
        UPDATE approvals
           SET policy = json_set(policy, '$.gates', json('[]')),
               next_at = '2000-01-01T00:00:00.000000Z'
    """),
    "a policy that is no JSON": sql(
        "UPDATE approvals SET policy = '{', next_at = '2000-01-01T00:00:00.000000Z'"
    ),
    "a policy of nobody's": sql("UPDATE approvals SET policy_id = ''"),
    "the policy's name": sql("UPDATE approvals SET policy_name = 'q'"),
    "the policy's version": sql("UPDATE approvals SET policy_version = 99"),
    "the policy's digest": sql("UPDATE approvals SET policy_digest = 'sha256:00'"),
    "when it was asked": sql("UPDATE approvals SET asked_at = '2999-01-01T00:00:00.000000Z'"),
    "after which entry it was asked": sql("UPDATE approvals SET asked_seq = 999999"),
    "the digest that was approved": sql("UPDATE approvals SET manifest_digest = 'x'"),
    "the row of the approval": sql(
        f"{UNDECIDED} DELETE FROM approval_decisions; DELETE FROM approvals"
    ),
}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office(Core(tmp_path))
    office.core.push(office.people["alice"], template_source("careful"))
    office.core.push(office.people["alice"], template_source("other"))
    office.policy()
    return office


def require_refused(office: Office, asked: Automation) -> None:
    """Check that whatever is done to let it run, it does not, and says why."""
    office.tamper("UPDATE automations SET state = 'queued' WHERE state = 'awaiting_approval'")
    handed = [
        work.automation_id for work in office.core.worker(office.org_id, "w", slots=9).poll().work
    ]
    assert asked.id not in handed
    row = office.core.database.read(lambda db: automations.get(db, office.org_id, asked.id))
    assert row.state == "cancelled"
    assert row.explanation.startswith("it was not run: ")


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_before_anybody_decided_can_be_agreed_to_by_nobody(
    office: Office, tamper: Tamper
) -> None:
    asked = office.ask(password="hunter2-hunter2")

    tamper(office, asked)

    for who in ("bob", "alice", "mallory"):
        with pytest.raises(OpsicleError):
            office.approve(who, asked)
    require_refused(office, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_runs_not_when_its_time_comes_either(
    office: Office, tamper: Tamper
) -> None:
    asked = office.ask(password="hunter2-hunter2")

    tamper(office, asked)
    office.tamper("UPDATE approvals SET next_at = '2000-01-01T00:00:00.000000Z'")
    office.core.approvals.keep_time()

    require_refused(office, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_after_it_was_approved_does_not_run(
    office: Office, tamper: Tamper
) -> None:
    asked = office.ask(password="hunter2-hunter2")
    office.approve("bob", asked)

    tamper(office, asked)

    require_refused(office, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_one_altered_approval_holds_up_no_list(office: Office, tamper: Tamper) -> None:
    asked = office.ask(password="hunter2-hunter2")

    tamper(office, asked)
    other = office.ask("other")

    shown = office.core.approvals.inbox(office.people["bob"], "", 50)
    assert [each.id for each in shown.items] == [other.approval_id]


FORGED = {
    "one that nobody made": """
        INSERT INTO approval_decisions (approval_id, gate, user_id, org_id, principal, verdict,
                                        reason, with_mfa, elapsed_seconds, decided_at)
        SELECT p.id, 'boss', b.id, p.org_id, b.id, 'approve', '', 1, 0, p.asked_at
          FROM approvals p, users b WHERE b.name = 'bob' AND p.automation_id = :id;
        UPDATE approvals SET state = 'approved' WHERE automation_id = :id
    """,
    "one that was made on another approval": f"""
        {UNDECIDED}
        UPDATE approval_decisions
           SET approval_id = (SELECT id FROM approvals WHERE automation_id = :id);
        UPDATE approvals SET state = 'approved' WHERE automation_id = :id
    """,
}


@pytest.mark.parametrize("script", FORGED.values(), ids=FORGED)
def test_a_decision_that_nobody_made_on_it_lets_nothing_run(office: Office, script: str) -> None:
    other, asked = office.ask(), office.ask()
    office.approve("bob", other)

    for statement in script.split(";"):
        office.tamper(statement.replace(":id", f"'{asked.id}'"))

    assert [work.automation_id for work in office.core.worker(office.org_id, "v").poll().work] in (
        [],
        [other.id],
    )
    require_refused(office, asked)
    assert "is not as it was made" in office.why(asked)


CHANGED = {
    "the verdict": "verdict = 'reject'",
    "who decided": f"user_id = {MALLORY}",
    "who stands behind": f"principal = {MALLORY}",
    "the reason": "reason = 'other'",
    "with a code": "with_mfa = 1",
    "when": "decided_at = '2000-01-01T00:00:00.000000Z'",
    "how long the gate had been open": "elapsed_seconds = 100000",
    "on which gate": "gate = 'other'",
    "the code": "mac = ''",
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_decision_that_was_changed_counts_for_nothing(office: Office, change: str) -> None:
    asked = office.ask()
    office.approve("bob", asked)

    office.tamper(f"{UNDECIDED} UPDATE approval_decisions SET {change}")

    require_refused(office, asked)
    assert "is not as it was made" in office.why(asked)


def test_a_rejection_that_was_turned_round_lets_nothing_run(office: Office) -> None:
    asked = office.ask()
    office.reject("bob", asked)

    office.tamper(f"{UNDECIDED} UPDATE approval_decisions SET verdict = 'approve'")
    office.tamper(
        "UPDATE approvals SET state = 'approved'; UPDATE automations SET state = 'queued'"
    )

    require_refused(office, asked)


def cancelled(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    office.core.automations.cancel(office.people["alice"], asked.id)


def cancelled_before_it_was_approved(office: Office, asked: Automation) -> None:
    office.core.automations.cancel(office.people["alice"], asked.id)
    office.tamper(
        "UPDATE approvals SET state = 'pending'; UPDATE automations SET state = 'awaiting_approval'"
    )
    office.approve("bob", asked)


def withdrawn(office: Office, asked: Automation) -> None:
    office.core.approvals.withdraw(office.people["alice"], asked.approval_id or "")
    office.tamper(
        "UPDATE approvals SET state = 'pending'; UPDATE automations SET state = 'awaiting_approval'"
    )
    office.approve("bob", asked)


def carried_out(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work)


def begun(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)


def lost(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work, "unknown", None)


def refused_by_a_worker(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    office.core.jobs.refuse(worker.actor, work.job_id, RefuseRequest(work.fence, "no"))


ENDED = [
    cancelled,
    cancelled_before_it_was_approved,
    withdrawn,
    carried_out,
    begun,
    lost,
    refused_by_a_worker,
]


@pytest.mark.parametrize("end", ENDED, ids=lambda end: end.__name__)
def test_what_had_ended_and_is_put_back_does_not_run(office: Office, end: Tamper) -> None:
    asked = office.ask()
    end(office, asked)

    office.tamper(
        "PRAGMA defer_foreign_keys = 1; UPDATE automations SET job_id = NULL; DELETE FROM jobs"
    )
    office.tamper("""
        UPDATE automations
           SET state = 'queued', fence = 0, finished_at = NULL, explanation = '',
               exit_code = NULL, started_at = NULL, cancel_requested_at = NULL,
               cancel_requested_by = NULL;
        UPDATE approvals SET state = 'approved'
    """)

    require_refused(office, asked)
    assert "by the record it " in office.why(asked)


def test_what_nobody_had_to_approve_runs_no_second_time(office: Office) -> None:
    office.core.push(
        office.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    asked = office.core.run(office.people["alice"], "plain")
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work)

    office.tamper("UPDATE automations SET state = 'queued', job_id = NULL, finished_at = NULL")

    require_refused(office, asked)
    assert office.why(asked) == "it was not run: by the record it was carried out before"


def test_a_policy_that_cannot_be_read_any_more_keeps_no_worker_from_its_answer(
    office: Office,
) -> None:
    office.policy()
    asked = office.ask()
    office.approve("bob", asked)
    office.tamper(
        "DROP TRIGGER policy_versions_are_immutable; UPDATE policy_versions SET document = '{}'"
    )

    require_refused(office, asked)
    assert "is not what was pushed" in office.why(asked)


def test_a_rejection_that_was_removed_lets_nothing_run(office: Office) -> None:
    office.policy("{name: g, approvers: {roles: [manager, approver, admin]}, rejectionsToEnd: 2}")
    asked = office.ask()
    office.reject("dave", asked)
    office.tamper(f"{UNDECIDED} DELETE FROM approval_decisions")
    office.approve("bob", asked)

    require_refused(office, asked)
    assert "a decision that is no longer stored" in office.why(asked)


def test_what_nobody_had_to_approve_is_bound_as_well(office: Office) -> None:
    """The automation and its digest are altered alike: the database alone would fit together."""
    office.core.push(
        office.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    asked = office.core.run(office.people["alice"], "plain")

    digest_alike(office, asked)

    require_refused(office, asked)


def test_an_approval_cannot_be_taken_away_where_an_older_version_had_none(office: Office) -> None:
    office.core.push(
        office.people["alice"],
        template_source("two").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    office.core.push_again(office.people["carol"], template_source("two", command="echo two"))
    asked = office.core.automations.create(
        office.people["alice"], RunRequest(template="two", version=1)
    )
    assert asked.state == "awaiting_approval"

    ALTERED["the row of the approval"](office, asked)

    require_refused(office, asked)
