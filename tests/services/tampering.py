"""Ways to alter what is to run behind the server's back, and the check that it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opsicle.domain.manifests import canonical, digest
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.manifests import rebuild
from opsicle.server.store import approvals, automations
from opsicle.wire.user_api import Automation
from tests.services.core import Core
from tests.services.team import Team, template_source

Tamper = Callable[[Team, Automation], None]

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
    return lambda team, _asked: team.tamper(script)


def digest_alike(team: Team, asked: Automation) -> None:
    """Alter what is to run, and every digest of it that the database holds."""
    team.tamper(UNBOUND)
    team.tamper(
        "UPDATE automations SET values_json = :values WHERE id = :id",
        values=OTHER_VALUES,
        id=asked.id,
    )

    def work(db: object) -> None:
        row = automations.get(db, team.org_id, asked.id)
        approval = approvals.find_of_automation(db, asked.id)
        manifest = rebuild(db, row, template_of(db, row.template_id, row.version), approval)
        written = digest(canonical(manifest.in_format(row.manifest_format)))
        db.execute("UPDATE automations SET manifest_digest = ? WHERE id = ?", (written, asked.id))
        db.execute(
            "UPDATE approvals SET manifest_digest = ? WHERE automation_id = ?", (written, asked.id)
        )

    team.core.database.write(work)


def format_before(team: Team, asked: Automation) -> None:
    """Leave it as if a version without codes had triggered it, under a policy of nobody's."""
    team.tamper(
        UNBOUND + "UPDATE automations SET manifest_format = 1, mac = '';"
        "UPDATE approvals SET policy = json_set(policy, '$.gates', json('[]'))"
    )
    digest_alike(team, asked)


def as_of_another(team: Team, asked: Automation) -> None:
    """Give it the digest and the code of an automation that nobody has to approve."""
    team.core.push(
        team.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    team.core.run(team.people["alice"], "plain")
    columns = ("manifest_digest", "manifest_format", "mac")
    taken = ", ".join(
        f"{column} = (SELECT {column} FROM automations WHERE template = 'plain')"
        for column in columns
    )
    team.tamper(f"{UNBOUND} UPDATE automations SET {taken} WHERE id = '{asked.id}'")


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
def team(tmp_path: Path) -> Iterator[Team]:
    team = Team(Core(tmp_path))
    team.core.push(team.people["alice"], template_source("careful"))
    team.core.push(team.people["alice"], template_source("other"))
    team.policy()
    yield team
    team.core.close()


def require_refused(team: Team, asked: Automation) -> None:
    """Check that whatever is done to let it run, it does not, and says why."""
    team.tamper("UPDATE automations SET state = 'queued' WHERE state = 'awaiting_approval'")
    handed = [
        work.automation_id for work in team.core.worker(team.org_id, "w", slots=9).poll().work
    ]
    assert asked.id not in handed
    row = team.core.database.read(lambda db: automations.get(db, team.org_id, asked.id))
    assert row.state == "cancelled"
    assert row.explanation.startswith("it was not run: ")


def carried_out(team: Team, asked: Automation) -> None:
    team.approve("bob", asked)
    worker = team.core.worker(team.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work)
