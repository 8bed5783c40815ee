"""A draft is tried without becoming a template, by those who could as well push and run it."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsicle.server.access.actor import Actor
from opsicle.wire.user_api import Automation, RunRequest
from tests.services.core import HELLO
from tests.services.fanning import Fanning, each_source
from tests.services.tampering import require_refused
from tests.services.targeting import with_rules
from tests.services.team import Team, template_source

TRIED = HELLO.replace("echo", "printf")


def tried(team: Team, who: str = "alice", source: str = TRIED, name: str = "hello") -> Automation:
    actor = team.people[who]
    draft = team.core.services.drafts.keep(actor, source)
    return team.core.automations.create(actor, RunRequest(template=name, draft=draft.id))


def names(team: Team) -> list[str]:
    listed = team.core.services.templates.list_templates(team.people["carol"], "", 100).items
    return [each.name for each in listed]


def test_what_is_tried_runs_as_it_was_written_and_no_template_is_there_or_changed(
    team: Team,
) -> None:
    worker = team.core.worker(team.org_id, "w")
    on_purpose = HELLO.replace("name: hello", "name: hello-trial")
    for source in (HELLO, on_purpose):
        team.core.push_again(team.people["carol"], source)

    made = tried(team)
    new = tried(team, source=TRIED.replace("name: hello", "name: new"), name="new")
    of_trial = tried(team, source=on_purpose.replace("echo", "printf"), name="hello-trial")

    for each in (made, new, of_trial):
        [work] = worker.poll().work
        assert (work.automation_id, work.template, each.version) == (each.id, each.template, 0)
        assert "printf" in str(work.phases)
        worker.start(work)
        worker.finish(work)
    assert names(team) == ["careful", "hello", "hello-trial"]
    assert team.core.services.templates.get(team.people["carol"], "hello").version == 1
    assert not team.core.automations.recent.of_template(team.people["carol"], "hello").runs
    assert team.core.services.drafts.get(team.people["alice"], made.draft).source == TRIED


def test_a_draft_is_tried_again_as_it_was_and_on_each_machine(team: Team) -> None:
    fanning = Fanning(team.core, team.people["alice"]).push()
    source = each_source().replace('"true"', '"tried"')
    first = tried(team, source=source, name="patch")

    again = team.core.automations.rerun(team.people["alice"], first.id)
    fanning.turn()

    assert (again.draft, again.version) == (first.draft, 0)
    parts = team.core.automations.get(team.people["alice"], first.id).targets
    assert [part.name for part in parts if part.automation_id] == ["e1", "e2", "e3"]


@pytest.mark.parametrize("verb", ["create", "execute"])
def test_who_may_not_push_it_or_may_not_run_it_tries_nothing(team: Team, verb: str) -> None:
    draft = team.core.services.drafts.keep(team.people["alice"], TRIED)
    allowed = [f"allow {each} templates" for each in ("view", "create", "execute")]
    kept_out = with_rules(team.people["alice"], *allowed, f"deny {verb} templates/hello")

    with pytest.raises(NotAllowed):
        team.core.automations.create(kept_out, RunRequest(template="hello", draft=draft.id))
    with pytest.raises(NotAllowed):
        team.core.services.drafts.keep(team.people["mallory"], TRIED)


def test_a_draft_is_nothing_to_those_of_another_org_and_under_another_name(team: Team) -> None:
    gina = team.core.person(team.core.org("globex"), "gina", BuiltInRole.ADMIN)
    draft = team.core.services.drafts.keep(team.people["alice"], TRIED)

    def run(actor: Actor, name: str) -> None:
        team.core.automations.create(actor, RunRequest(template=name, draft=draft.id))

    with pytest.raises(NotFound):
        team.core.services.drafts.get(gina, draft.id)
    with pytest.raises(NotFound):
        run(gina, "hello")
    with pytest.raises(InvalidInput, match="names a template"):
        run(team.people["alice"], "other")


def test_a_draft_is_approved_as_its_template_is_and_frees_nobody_of_that(team: Team) -> None:
    worker = team.core.worker(team.org_id, "w")
    team.policy()
    team.change("carol", manager_id=team.people["bob"].user_id)
    team.core.push_again(team.people["carol"], template_source("careful"))
    changed = template_source("careful", command="echo tried")

    asked = tried(team, source=changed, name="careful")
    freed = changed.replace("  approvalPolicy: {policyRef: p}\n", "")
    with pytest.raises(NotAllowed, match="who must approve"):
        team.core.services.drafts.keep(team.people["alice"], freed)
    by_carol = tried(team, "carol", freed, "careful")

    assert {team.state(each) for each in (asked, by_carol)} == {"awaiting_approval"}
    assert worker.poll().work == ()
    team.approve("bob", asked)
    assert [work.automation_id for work in worker.poll().work] == [asked.id]
    with pytest.raises(NotAllowed, match="who must approve"):
        team.core.automations.rerun(team.people["alice"], by_carol.id)


def test_a_draft_is_not_run_once_whoever_tries_it_may_push_it_no_longer(team: Team) -> None:
    worker = team.core.worker(team.org_id, "w")
    team.policy()
    team.core.push_again(team.people["carol"], template_source("careful"))
    asked = tried(team, source=template_source("careful", command="tried"), name="careful")
    pushed = team.ask()

    team.change("alice", rules='["deny create templates"]')
    for each in (asked, pushed):
        team.approve("bob", each)

    assert [work.automation_id for work in worker.poll().work] == [pushed.id]
    assert "may no longer push careful" in team.why(asked)


def test_a_draft_that_was_altered_behind_the_servers_back_is_not_run(team: Team) -> None:
    draft = team.core.services.drafts.keep(team.people["alice"], TRIED)
    waits = tried(team)
    team.tamper(
        "DROP TRIGGER template_versions_are_immutable; "
        "UPDATE template_versions SET document = replace(document, 'printf', 'rm')"
    )

    with pytest.raises(Conflict, match="not what was pushed"):
        team.core.automations.create(
            team.people["alice"], RunRequest(template="hello", draft=draft.id)
        )
    require_refused(team, waits)


def test_a_draft_that_was_put_in_use_behind_the_servers_back_is_not_run_by_its_name(
    team: Team,
) -> None:
    source = TRIED.replace("name: hello", "name: new")
    draft = team.core.services.drafts.keep(team.people["alice"], source)
    team.tamper("UPDATE templates SET deleted_at = NULL WHERE id = :id", id=draft.id)

    for version in (None, 0):
        with pytest.raises(Conflict, match="not what was pushed"):
            team.core.automations.create(
                team.people["alice"], RunRequest(template="new", version=version)
            )


def test_a_draft_that_nobody_kept_is_not_run(team: Team) -> None:
    team.tamper(
        """
        INSERT INTO templates
        SELECT 'forged', org_id, name, 0, created_at, updated_at, updated_at FROM templates;
        INSERT INTO template_versions
        SELECT org_id, 'forged', 0, digest, source, document, pushed_by, pushed_at, ''
          FROM template_versions;
        """
    )

    with pytest.raises(Conflict, match="the record does not know"):
        team.core.automations.create(
            team.people["alice"], RunRequest(template="hello", draft="forged")
        )


def test_people_are_told_of_a_draft_as_of_one(team: Team) -> None:
    team.policy()
    team.change("carol", manager_id=team.people["bob"].user_id)
    team.core.push_again(team.people["carol"], template_source("careful"))

    tried(team, source=template_source("careful", command="echo tried"), name="careful")

    [(subject, facts)] = team.deliveries("approval_requested", "subject, facts", "email")
    assert subject == "alice@example.com asks to run a draft of careful"
    assert "careful, a draft" in facts
