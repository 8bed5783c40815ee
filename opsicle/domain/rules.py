"""Rules: what roles, groups and people are allowed or denied, as one line of text each.

    allow execute templates/restart-web     one template
    deny execute templates/env=prod         every template with this label
    deny execute targets/web1               one target, or those with a label
    allow update secrets/db-password        one secret
    allow view audit

The grammar is `(allow|deny) VERB RESOURCE[/SCOPE]`; only templates and targets have scopes, and
the updating of secrets. A name holds no `=`, so that a scope with one is a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Literal

import msgspec

from opsicle.domain.access import TABLE, Action, BuiltInRole, Resource, Verb, verbs_of
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.names import TEMPLATE_NAME, TEMPLATE_NAME_RULE, has_control_characters
from opsicle.domain.problems import did_you_mean, quoted
from opsicle.domain.secrets import SECRET_NAME, SECRET_NAME_RULE

MAX_RULES = 200
MAX_LABEL_CHARACTERS = 256
_FORM = "`allow` or `deny`, an action and a resource, as in `allow execute templates/restart-web`"


class NamedResource(msgspec.Struct, frozen=True):
    """The template, target or secret that something is to be done with."""

    name: str
    labels: Mapping[str, str] = {}


_ACTIONS = {
    (verb, resource): frozenset(
        action
        for action, permission in TABLE.items()
        if permission.resource is resource and verb in (permission.verb, Verb.MANAGE)
    )
    for verb, resource in product(Verb, Resource)
}
"""What a rule of this action and resource is about."""


class Rule(msgspec.Struct, frozen=True):
    """One rule.

    A `name`, or a `label` as `key=value`, narrow it down; with neither it holds for all there is.
    """

    effect: Literal["allow", "deny"]
    verb: Verb
    resource: Resource
    name: str = ""
    label: str = ""

    def __str__(self) -> str:
        return (
            f"{self.effect} {self.verb} {self.resource}{f'/{self.scope}' if self.is_scoped else ''}"
        )

    @property
    def scope(self) -> str:
        """What stands behind the `/`, "" if nothing does."""
        return self.name or self.label

    @property
    def is_scoped(self) -> bool:
        """Whether it is about some templates, or one secret, only."""
        return bool(self.scope)

    @property
    def actions(self) -> frozenset[Action]:
        """All that it is about."""
        return _ACTIONS[self.verb, self.resource]

    def covers(self, action: Action) -> bool:
        """Return whether it is about this action at all."""
        return action in self.actions

    def matches(self, target: NamedResource) -> bool:
        """Return whether this is one that the rule is about."""
        if self.name:
            return self.name == target.name
        key, _, value = self.label.partition("=")
        return not self.label or target.labels.get(key) == value


def parse_rule(text: str, path: str = "rules") -> Rule:
    """Read one rule. Raises InvalidInput, which names `path` and what would do."""
    words = text.split()
    if len(words) < 3 or words[0] not in ("allow", "deny"):
        raise _wrong(path, f"a rule is {_FORM}, not {quoted(text)}")

    effect, verb = words[0], _verb(words[1], path)
    resource, scope = _place(text.split(maxsplit=2)[2].strip(), path)

    if verb not in {*verbs_of(resource), Verb.MANAGE}:
        known = ", ".join(dict.fromkeys([*verbs_of(resource), Verb.MANAGE]))
        raise _wrong(path, f"nothing can be given or taken as {verb} {resource}: there is {known}")
    if resource is Resource.SECRETS and scope is not None and verb is not Verb.UPDATE:
        raise _wrong(
            path,
            f"one secret can only be updated by a rule of its own, not {verb}: "
            f"`update secrets/{scope}`",
        )

    name, label = _scope(resource, scope, path)
    return Rule("allow" if effect == "allow" else "deny", verb, resource, name, label)


def parse_rules(texts: Iterable[str], path: str = "rules") -> tuple[Rule, ...]:
    """Read rules; what stands there twice counts once.

    Raises InvalidInput for the first that is wrong.
    """
    rules = tuple(dict.fromkeys(parse_rule(text, f"{path}[{i}]") for i, text in enumerate(texts)))
    if len(rules) > MAX_RULES:
        raise _wrong(path, f"there are more than {MAX_RULES} rules")
    return rules


def parse_question(verb: str, resource: str) -> tuple[Verb, Resource, str]:
    """Read the action, the resource and the template's name of a question. Raises InvalidInput."""
    known_verb = _verb(verb, "action")
    known, scope = _place(resource, "resource")
    name, label = _scope(known, scope, "resource")
    if label:
        raise _wrong("resource", "ask about one template, target or secret by its name")
    return known_verb, known, name


def built_in_rules(role: BuiltInRole) -> tuple[Rule, ...]:
    """Return what the table gives a built-in role."""
    return tuple(
        Rule("allow", permission.verb, permission.resource)
        for permission in TABLE.values()
        if role in permission.roles
    )


def _verb(text: str, path: str) -> Verb:
    if text not in set(Verb):
        raise _wrong(path, f"there is no action {quoted(text)}{did_you_mean(text, list(Verb))}")
    return Verb(text)


def _place(text: str, path: str) -> tuple[Resource, str | None]:
    name, slash, scope = text.partition("/")
    if name not in set(Resource):
        raise _wrong(
            path, f"there is no resource {quoted(name)}{did_you_mean(name, list(Resource))}"
        )
    return Resource(name), scope if slash else None


def _scope(resource: Resource, scope: str | None, path: str) -> tuple[str, str]:
    """Return the name or the label of a scope."""
    if scope is None:
        return "", ""

    if resource is Resource.SECRETS:
        if not SECRET_NAME.fullmatch(scope):
            raise _wrong(path, f"a secret's name is {SECRET_NAME_RULE}")
        return scope, ""

    if resource not in {Resource.TEMPLATES, Resource.TARGETS}:
        raise _wrong(
            path,
            f"only templates, targets and secrets can be told one from another, not {resource}",
        )

    if "=" in scope:
        if (
            scope.startswith("=")
            or len(scope) > MAX_LABEL_CHARACTERS
            or has_control_characters(scope)
        ):
            raise _wrong(
                path,
                f"a label is KEY=VALUE in one line of at most {MAX_LABEL_CHARACTERS} characters",
            )
        return "", scope

    if not TEMPLATE_NAME.fullmatch(scope):
        what = "template" if resource is Resource.TEMPLATES else "target"
        raise _wrong(path, f"a {what}'s name is {TEMPLATE_NAME_RULE}; a label is KEY=VALUE")
    return scope, ""


def _wrong(path: str, message: str) -> InvalidInput:
    return InvalidInput(message, problems=(Problem(path, message),))


OWN_ROLE_RULES = tuple(parse_rule(f"allow {verb} account") for verb in verbs_of(Resource.ACCOUNT))
"""What every role of an org's own gives by itself: one's own account is everybody's."""
