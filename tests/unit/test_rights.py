"""The permission table, rules, and that nobody hands out more than they have."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.cli import roles_reference
from opsicle.domain.access import (
    SERVER_ACTIONS,
    TABLE,
    Action,
    BuiltInRole,
    Resource,
    Verb,
    action_for,
    verbs_of,
)
from opsicle.domain.errors import InvalidInput
from opsicle.domain.rights import (
    NO_RIGHTS,
    Rights,
    change,
    grants_of,
    missing_rights,
    rights_of_role,
)
from opsicle.domain.rules import (
    MAX_RULES,
    NamedResource,
    Rule,
    built_in_rules,
    parse_question,
    parse_rule,
    parse_rules,
)
from tests.product import CHECKOUT
from tests.support import SCALE

TARGETS = [
    NamedResource(name, {"env": env} if env else {})
    for name, env in itertools.product(("restart-web", "dump-db", "other"), ("prod", "dev", ""))
]
SCOPES = ["", "/restart-web", "/dump-db", "/env=prod", "/env=dev"]


def rights(*texts: str, is_admin: bool = False) -> Rights:
    return Rights((grants_of(parse_rules(texts), "test"),), is_admin)


def may(role: BuiltInRole, action: Action) -> bool:
    """Return whether the table gives a built-in role the action."""
    return action in TABLE and role in TABLE[action].roles


def test_every_action_stands_in_the_table_once_and_can_be_spelled() -> None:
    assert set(TABLE) | SERVER_ACTIONS == set(Action)
    assert not set(TABLE) & SERVER_ACTIONS

    spelled = [(permission.verb, permission.resource) for permission in TABLE.values()]
    assert len(spelled) == len(set(spelled))
    assert {permission.resource for permission in TABLE.values()} == set(Resource)
    for action, permission in TABLE.items():
        assert action_for(permission.verb, permission.resource) is action
        assert permission.meaning


@pytest.mark.parametrize("role", BuiltInRole)
def test_the_rules_of_a_built_in_role_say_what_the_table_says(role: BuiltInRole) -> None:
    own = rights_of_role(role)
    for action in Action:
        assert own.may(action) is may(role, action)
        assert all(own.may(action, target) is may(role, action) for target in TARGETS)


def test_without_a_rule_nothing_is_allowed() -> None:
    assert NO_RIGHTS.actions == frozenset()
    assert NO_RIGHTS.decide(Action.AUDIT_VIEW).why == "no rule allows it"


@pytest.mark.parametrize("order", [1, -1])
def test_what_denies_wins_wherever_it_stands(order: int) -> None:
    own = rights(*["allow execute templates", "deny execute templates/env=prod"][::order])
    assert own.may(Action.AUTOMATIONS_CREATE, NamedResource("x", {"env": "dev"}))

    decision = own.decide(Action.AUTOMATIONS_CREATE, NamedResource("x", {"env": "prod"}))
    assert (decision.is_allowed, decision.why) == (
        False,
        "deny execute templates/env=prod, of the test",
    )


def test_to_manage_is_to_do_everything_with_it() -> None:
    assert rights("allow manage templates").actions == {
        Action.TEMPLATES_VIEW,
        Action.TEMPLATES_PUSH,
        Action.TEMPLATES_DELETE,
        Action.AUTOMATIONS_CREATE,
    }
    assert rights("allow view templates", "deny manage templates").actions == frozenset()


def test_one_template_allowed_opens_the_door_but_no_other_template() -> None:
    own = rights("allow execute templates/restart-web")

    assert own.may(Action.AUTOMATIONS_CREATE)
    assert own.may(Action.AUTOMATIONS_CREATE, NamedResource("restart-web"))
    assert not own.may(Action.AUTOMATIONS_CREATE, NamedResource("restart-web-2"))
    assert own.depends_on_resource(Action.AUTOMATIONS_CREATE)
    assert not own.depends_on_resource(Action.TEMPLATES_VIEW)


def test_every_layer_must_allow() -> None:
    both = rights("allow view audit", "allow view users").below(
        grants_of(parse_rules(["allow view users"]), "token")
    )

    assert both.actions == {Action.USERS_VIEW}
    assert both.decide(Action.AUDIT_VIEW).why == "no rule allows it"


@pytest.mark.parametrize(
    "text",
    [
        "allow execute templates/restart-web",
        "deny execute templates/env=prod",
        "allow view templates/team=web und so",
        "allow manage users",
        "deny view audit",
    ],
)
def test_a_rule_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_rule(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a rule is"),
        ("permit view audit", "a rule is"),
        ("allow view", "a rule is"),
        ("allow vew audit", "did you mean `view`"),
        ("allow view auditt", "did you mean `audit`"),
        ("allow execute secrets", "there is view, update, manage"),
        ("allow view secrets/db", "can only be updated"),
        ("allow update secrets/a=b", "a secret's name is"),
        ("allow view users/db", "only templates, targets and secrets"),
        ("allow view targets/Web", "a target's name is"),
        ("allow view templates/", "a template's name is"),
        ("allow view templates/Web", "a template's name is"),
        ("allow view templates/=x", "KEY=VALUE"),
        ("allow view templates/a=" + "x" * 300, "at most 256"),
        ("allow view templates/a=\x1b", "KEY=VALUE"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message.replace("(", r"\(")) as refusal:
        parse_rules(["allow view audit", text])
    assert refusal.value.problems[0].path == "rules[1]"


def test_there_are_not_too_many_rules() -> None:
    with pytest.raises(InvalidInput, match="more than"):
        parse_rules([f"allow execute templates/t{i}" for i in range(MAX_RULES + 1)])


def test_a_question_may_use_every_verb_that_managing_covers() -> None:
    assert parse_question("create", "users") == (Verb.CREATE, Resource.USERS, "")
    assert action_for(Verb.CREATE, Resource.USERS) is Action.USERS_MANAGE
    assert action_for(Verb.EXECUTE, Resource.AUDIT) is None
    assert Verb.EXECUTE in verbs_of(Resource.TEMPLATES)


def test_the_documented_table_is_the_programs() -> None:
    page = (CHECKOUT / "docs/roles.md").read_text(encoding="utf-8")
    assert page == roles_reference.current(page)


# Nobody grants more than they have


@pytest.mark.parametrize(("granter", "granted"), list(itertools.product(BuiltInRole, BuiltInRole)))
def test_a_role_hands_out_just_those_roles_that_may_no_more(
    granter: BuiltInRole, granted: BuiltInRole
) -> None:
    beyond = {action for action in Action if may(granted, action) and not may(granter, action)}
    is_allowed = missing_rights(rights_of_role(granter), rights_of_role(granted)) == ""

    assert is_allowed == (
        not beyond and (granted is not BuiltInRole.ADMIN or granter is BuiltInRole.ADMIN)
    )


def test_only_an_admin_makes_an_admin_whatever_else_one_may() -> None:
    everything = Rights((grants_of(built_in_rules(BuiltInRole.ADMIN), "test"),))
    assert missing_rights(everything, rights_of_role(BuiltInRole.ADMIN)) == "the rights of an admin"
    assert (
        missing_rights(rights_of_role(BuiltInRole.ADMIN), rights_of_role(BuiltInRole.ADMIN)) == ""
    )


@pytest.mark.parametrize(
    ("granter", "granted", "beyond"),
    [
        (
            ["allow execute templates", "deny execute templates/env=prod"],
            ["allow execute templates"],
            True,
        ),
        (
            ["allow execute templates", "deny execute templates/env=prod"],
            ["allow execute templates/a"],
            True,
        ),
        (
            ["allow execute templates", "deny execute templates/b"],
            ["allow execute templates/a"],
            False,
        ),
        (["allow execute templates", "deny manage templates"], ["allow execute templates/a"], True),
        (["allow execute templates/a"], ["allow execute templates"], True),
        (["allow execute templates/a"], ["allow execute templates/a"], False),
        (["allow execute templates"], ["allow manage templates/a"], True),
        (["allow manage templates"], ["allow execute templates/env=prod"], False),
        (["deny view audit"], ["allow view audit", "deny view audit"], False),
    ],
)
def test_denials_and_scopes_count_when_rights_are_handed_out(
    granter: list[str], granted: list[str], beyond: bool
) -> None:
    assert bool(missing_rights(rights(*granter), rights(*granted))) is beyond


def a_rule() -> st.SearchStrategy[str]:
    verbs = st.sampled_from(["view", "execute", "delete", "manage"])
    on_templates = st.builds("{} templates{}".format, verbs, st.sampled_from(SCOPES))
    others = st.sampled_from(["view audit", "manage users", "view users", "view secrets"])
    return st.builds("{} {}".format, st.sampled_from(["allow", "deny"]), on_templates | others)


SOME_RIGHTS = st.lists(st.lists(a_rule(), max_size=5), min_size=1, max_size=2).map(
    lambda layers: Rights(tuple(grants_of(parse_rules(layer), "test") for layer in layers))
)


@settings(max_examples=round(300 * SCALE))
@given(SOME_RIGHTS, SOME_RIGHTS)
def test_who_may_hand_out_rights_has_them_for_every_template(
    granter: Rights, granted: Rights
) -> None:
    if missing_rights(granter, granted):
        return
    for action, target in itertools.product(Action, TARGETS):
        assert not granted.may(action, target) or granter.may(action, target), (action, target)


@given(SOME_RIGHTS.filter(lambda rights: len(rights.layers) == 1))
def test_everybody_may_hand_out_what_they_have(own: Rights) -> None:
    assert missing_rights(own, own) == ""


RULES = st.lists(a_rule(), max_size=5).map(parse_rules)


@settings(max_examples=round(300 * SCALE))
@given(SOME_RIGHTS, RULES, RULES, RULES)
def test_a_change_gives_nobody_more_than_they_had_or_the_changer_has(
    changer: Rights, old: tuple[Rule, ...], new: tuple[Rule, ...], others: tuple[Rule, ...]
) -> None:
    """`others` are the rules that the person has from elsewhere.

    A denial that is lifted may let those through.
    """
    if missing_rights(changer, change(old, new)):
        return
    before, after = (Rights((grants_of((*rules, *others), "test"),)) for rules in (old, new))
    for action, target in itertools.product(Action, TARGETS):
        gained = after.may(action, target) and not before.may(action, target)
        assert not gained or changer.may(action, target), (action, target)
