"""Whom the engine of approvals sees.

Those whom a gate can name, judged as anywhere else, in an org of any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.approvers import ApprovalRequester, ApproverPerson
from opsicle.domain.errors import NotAllowed
from opsicle.domain.policies import Policy
from opsicle.domain.rights import Rights
from opsicle.domain.template_parser import parse_policy, parse_template
from opsicle.kit.ids import new_id
from opsicle.server.access.principals import NOW
from opsicle.server.access.rights import OrgRights, rights_of
from opsicle.server.approvals.approvers import ApproverDirectory, requester_of
from opsicle.server.approvals.cases import load
from opsicle.server.store import approvals, groups, memberships, rule_sets, users
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow
from tests.services.core import Core
from tests.services.team import MANAGER, Team, policy_source, template_source

EVERY_WAY = """{name: all,
    approvers: {manager: true, users: [rita@example.com], groups: [sre], roles: [auditor]},
    escalate: [{after: 60, to: {users: [carol@example.com]}}]}"""
TEMPLATE = parse_template(template_source("careful").encode())
GROUPS = {"sre": ["allow execute approvals"], "barred": ["deny execute approvals"], "plain": []}
OWN_RULES = ([], ["allow execute approvals"], ["deny execute approvals"])


@dataclass
class Member:
    """Somebody to add; with an `owner`, a service account."""

    name: str
    role: str
    group: str = ""
    owner: str = ""
    rules: tuple[str, ...] | list[str] = ()


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    team = Team(Core(tmp_path))
    team.core.push(team.people["alice"], template_source("careful"))
    team.core.database.write(lambda db: _prepare(db, team))
    yield team
    team.core.close()


def _prepare(db: Any, team: Team) -> None:
    """Make groups that allow and deny, a role of the org's own, and one that adds to a built-in."""
    now, allowing = team.core.clock.now(), '["allow execute approvals"]'
    for name, rules in GROUPS.items():
        rule_sets.insert(
            db,
            RuleSetKind.GROUP,
            team.org_id,
            RuleSetRow(name, "", msgspec.json.encode(rules).decode(), now, now),
        )
    for role in ("auditor", "reporter"):
        rule_sets.insert(
            db, RuleSetKind.ROLE, team.org_id, RuleSetRow(role, "", allowing, now, now)
        )


def add(team: Team, *members: Member) -> None:
    team.core.database.write(lambda db: [_insert(db, team, member) for member in members])


def _insert(db: Any, team: Team, member: Member) -> None:
    now, user_id, email = (
        team.core.clock.now(),
        new_id(team.core.clock.now()),
        f"{member.name}@example.com",
    )
    users.insert(db, users.UserRow(user_id, email, member.name, "-"), now)
    row = memberships.MemberRow(user_id, email, member.name, member.role, None, None, False, now)
    owner_id = team.people[member.owner].user_id if member.owner else None
    rules = msgspec.json.encode(list(member.rules)).decode()
    memberships.insert(
        db, team.org_id, msgspec.structs.replace(row, owner_id=owner_id, rules=rules)
    )
    if member.group:
        groups.add(db, team.org_id, member.group, user_id, now, 0)


def policy(gates: str) -> Policy:
    return parse_policy(policy_source(gates).encode()).policy


def seen(team: Team, gates: str, requester: str = "alice") -> dict[str, ApproverPerson]:
    """Return whom the engine sees for a requester, by name."""

    def query(db: Any) -> dict[str, ApproverPerson]:
        asked = requester_of(db, team.org_id, team.people[requester].user_id, NOW)
        return ApproverDirectory(db, team.org_id).people(policy(gates), TEMPLATE, asked)

    return {person.name: person for person in team.core.database.read(query).values()}


def test_many_are_judged_as_each_alone_is(team: Team) -> None:
    team.change("mallory", role="absent")
    roles_tried = ("approver", "auditor", "member", "reporter", "admin", "absent")
    add(
        team,
        *(
            Member(f"{role}-{group}-{number}", role, group, rules=rules)
            for role in roles_tried
            for group in ("", *GROUPS)
            for number, rules in enumerate(OWN_RULES)
        ),
        *(
            Member(f"{owner}-{role}", role, "sre" if role == "member" else "", owner)
            for owner in ("alice", "bob", "carol", "dave", "rita", "mallory")
            for role in roles_tried
        ),
    )

    def query(db: Any) -> dict[str, tuple[Rights, Rights]]:
        members = {row.user_id: row for row in memberships.list_members(db, team.org_id, "", -1)}
        joined = groups.list_joined(db, team.org_id, members)
        book = OrgRights(db, team.org_id)
        return {
            row.name: (
                book.rights(row.user_id, members, joined),
                rights_of(db, team.org_id, row.user_id),
            )
            for row in members.values()
        }

    judged = team.core.database.read(query)
    assert len(judged) == 6 + 6 * 4 * 3 + 6 * 6
    assert {
        name for name, (together, alone) in judged.items() if not is_same(together, alone)
    } == set()
    assert {alone.may(Action.APPROVALS_DECIDE) for _, alone in judged.values()} == {True, False}


def is_same(left: Rights, right: Rights) -> bool:
    """Return whether they are of the same rules, each of the same source, in whatever order."""
    layers = [[frozenset(layer) for layer in rights.layers] for rights in (left, right)]
    return layers[0] == layers[1] and left.is_admin == right.is_admin


def test_whoever_a_gate_can_name_is_seen_and_who_asked_and_nobody_else(team: Team) -> None:
    add(
        team,
        Member("sam", "member", "sre"),
        Member("audit", "auditor"),
        Member("plain", "member", "plain"),
        Member("robot", "approver", owner="alice"),
        Member("other-robot", "approver", owner="dave"),
    )
    team.core.person(team.core.org("globex"), "greta", BuiltInRole.APPROVER)

    assert set(seen(team, EVERY_WAY)) == {
        "alice",
        "robot",
        "bob",
        "rita",
        "carol",
        "sam",
        "audit",
    }
    assert set(seen(team, MANAGER)) == {"alice", "robot", "bob"}
    assert set(seen(team, MANAGER, "mallory")) == {"mallory"}


def test_whoever_may_not_see_the_template_does_not_decide_on_what_runs_it(team: Team) -> None:
    """Nor does it spill over to another template, or another version, in the same transaction."""
    sees = "allow view templates"
    add(
        team,
        Member("sam", "auditor", rules=(sees, "deny view templates/careful")),
        Member("robot", "auditor", owner="dave", rules=(sees,)),
    )
    other = msgspec.structs.replace(TEMPLATE, name="other")

    def query(db: Any) -> list[tuple[bool, bool]]:
        requester = requester_of(db, team.org_id, team.people["alice"].user_id, NOW)
        directory = ApproverDirectory(db, team.org_id)
        both = [
            directory.people(policy(EVERY_WAY), template, requester)
            for template in (TEMPLATE, other)
        ]
        by_name = [
            {person.name: person.may_decide for person in people.values()} for people in both
        ]
        return [(people["sam"], people["robot"]) for people in by_name]

    assert team.core.database.read(query) == [(False, True), (True, True)]
    dave = team.people["dave"].user_id
    team.tamper(
        "UPDATE memberships SET rules = :rules WHERE user_id = :id",
        rules='["deny view templates/careful"]',
        id=dave,
    )
    assert team.core.database.read(query) == [(False, False), (True, True)]


def test_disabled_people_and_accounts_of_theirs_are_not_seen(team: Team) -> None:
    add(team, Member("robot", "auditor", owner="dave"))
    assert seen(team, EVERY_WAY)["robot"].may_decide

    team.change("dave", role="absent")
    assert not seen(team, EVERY_WAY)["robot"].may_decide

    team.change("dave", is_disabled=True)
    assert "robot" not in seen(team, EVERY_WAY)

    team.change("rita", is_disabled=True)
    assert "rita" not in seen(team, EVERY_WAY)


def test_who_asked_is_told_so_though_no_gate_names_them(team: Team) -> None:
    team.policy(MANAGER)
    asked = team.ask()
    team.change("alice", role="approver")
    alice = team.people["alice"]
    rights = team.core.database.read(lambda db: rights_of(db, team.org_id, alice.user_id))
    team.people["alice"] = msgspec.structs.replace(alice, rights=rights)

    with pytest.raises(NotAllowed, match="you asked for this yourself"):
        team.approve("alice", asked)


def test_it_takes_as_many_statements_in_a_large_org_as_in_a_small_one(team: Team) -> None:
    team.policy(EVERY_WAY)
    approval_id = team.ask().approval_id or ""
    people, statements = counted(team, approval_id)
    newcomers = [
        Member(f"m{number}", "auditor" if number % 2 else "member", "plain")
        for number in range(300)
    ]

    add(team, *newcomers)

    assert counted(team, approval_id) == (people + 150, statements)


def counted(team: Team, approval_id: str) -> tuple[int, int]:
    """Return how many people an approval sees, and how many statements it takes to find them."""
    statements = []

    def query(db: Any) -> int:
        db.trace_v2(1, statements.append)  # SQLITE_TRACE_STMT
        try:
            return len(
                load(db, team.core.bindings, approvals.get(db, team.org_id, approval_id)).people
            )
        finally:
            db.trace_v2(0, None)

    return team.core.database.read(query), len(statements)


def test_several_approvals_of_one_transaction_share_what_they_have_in_common(
    team: Team,
) -> None:
    def query(db: Any) -> bool:
        directory = ApproverDirectory(db, team.org_id)
        requesters = [
            ApprovalRequester(user_id=team.people[name].user_id, asked_seq=NOW)
            for name in ("alice", "mallory")
        ]
        first, second = (
            directory.people(policy(EVERY_WAY), TEMPLATE, requester) for requester in requesters
        )
        common = first.keys() & second.keys()
        return len(common) == 2 and all(first[user_id] is second[user_id] for user_id in common)

    assert team.core.database.read(query)
