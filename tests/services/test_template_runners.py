"""Who may run a template, as its page says."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotFound
from opsicle.server.store import groups, rule_sets
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow
from tests.services.targeting import with_rules
from tests.services.team import Team


def listed(team: Team, who: str = "carol") -> dict[str, str]:
    checks = team.core.services.permission_checks
    found, cursor = {}, ""
    while True:
        page = checks.list_runners(team.people[who], "careful", cursor, 3)
        found |= {each.email.partition("@")[0]: each.why for each in page.items}
        cursor = page.next_cursor
        if not cursor:
            return found


def test_those_whose_rules_let_them_are_listed_with_the_rule_and_nobody_else(team: Team) -> None:
    before = listed(team)
    team.change("dave", is_disabled=True)
    team.change("mallory", rules='["deny execute templates/careful"]')
    team.change("bob", rules="no rules at all")
    now, rita = team.core.clock.now(), team.people["rita"].user_id
    oncall = RuleSetRow("oncall", "", '["allow execute templates/careful"]', now, now)

    def join(db: object) -> None:
        rule_sets.insert(db, RuleSetKind.GROUP, team.org_id, oncall)
        groups.add(db, team.org_id, "oncall", rita, now, 0)

    team.core.database.write(join)

    assert before.keys() == {"alice", "bob", "carol", "dave", "mallory"}
    assert before["alice"] == "role operator"
    assert listed(team) == {
        "alice": "role operator",
        "carol": "role admin",
        "rita": "group oncall",
    }


def test_who_may_run_it_is_not_said_to_those_who_may_not_see_the_template(team: Team) -> None:
    checks = team.core.services.permission_checks
    gina = team.core.person(team.core.org("globex"), "gina", BuiltInRole.ADMIN)
    kept_out = with_rules(
        team.people["alice"],
        "allow view templates",
        "allow view users",
        "deny view templates/careful",
    )

    for who in (gina, kept_out):
        with pytest.raises(NotFound):
            checks.list_runners(who, "careful", "", 10)
