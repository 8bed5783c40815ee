"""Reading `appliesTo`: where a policy of the org applies by itself, if nothing names another."""

from __future__ import annotations

from opsicle.domain.documents import Fields
from opsicle.domain.gate_parser import MAX_APPROVERS, MAX_OPTIONS, check_roles, parse_emails
from opsicle.domain.names import (
    ID,
    ID_RULE,
    LABEL_KEY,
    LABEL_KEY_RULE,
    LABEL_VALUE,
    LABEL_VALUE_RULE,
)
from opsicle.domain.policies import Requesters, Scope
from opsicle.domain.problems import quoted
from opsicle.domain.yaml_documents import Kind

MAX_SCOPES = 20
MAX_LABELS = 20

_PARTS = ("everything", "labels", "runsOn", "requesters")


def parse_scopes(spec: Fields) -> tuple[Scope, ...]:
    """Return the lines under `appliesTo`; every mistake is noted, an empty list among them."""
    places = spec.items("appliesTo", MAX_SCOPES, is_required=spec.has("appliesTo"))
    return tuple(_scope(place.mapping()) for place in places)


def _scope(fields: Fields) -> Scope:
    asked = fields.mapping("requesters")
    scope = Scope(
        everything=fields.boolean("everything"),
        labels=_labels(fields, "labels", is_workers=False),
        runs_on=_labels(fields, "runsOn", is_workers=True),
        requesters=_requesters(asked) if asked else None,
    )
    if fields.place.node.kind is Kind.MAPPING and not any(fields.has(part) for part in _PARTS):
        fields.place.add(
            "says nothing: it needs `labels`, `runsOn`, `requesters` or `everything: true`"
        )
    if fields.has("everything") and (not scope.everything or len(fields.place.node.fields) > 1):
        fields.place.add("`everything: true` stands alone, and is left out where less is meant")
    fields.end()
    return scope


def _labels(fields: Fields, key: str, *, is_workers: bool) -> dict[str, tuple[str, ...]]:
    """Return labels, each with one value or a list of values."""
    labels: dict[str, tuple[str, ...]] = {}
    place = fields.find(key)
    if place and place.node.kind is Kind.MAPPING and not place.node.fields:
        place.add("is empty; it needs at least one label with its values")
    for name, value in fields.entries(key, MAX_LABELS):
        if not LABEL_KEY.fullmatch(name):
            value.add(f"{quoted(name)} is no label: {LABEL_KEY_RULE}")
        found = []
        for item in value.items() if value.node.kind is Kind.LIST else [value]:
            text = item.line_of_text(1_000)
            if text is not None and is_workers and not LABEL_VALUE.fullmatch(text):
                item.add(f"{quoted(text)} is no value of a label: {LABEL_VALUE_RULE}")
            elif text is not None and not text.strip():
                item.add("is empty")
            found.append(text or "")
        if not found or len(found) > MAX_OPTIONS:
            value.add(f"needs between 1 and {MAX_OPTIONS} values")
        labels[name] = tuple(found)
    return labels


def _requesters(fields: Fields) -> Requesters:
    requesters = Requesters(
        service_accounts=fields.boolean("serviceAccounts"),
        users=parse_emails(fields, "users"),
        groups=fields.names("groups", MAX_APPROVERS, ID, ID_RULE),
        roles=fields.names("roles", MAX_APPROVERS, ID, ID_RULE),
    )
    check_roles(fields, requesters.roles)
    if requesters == Requesters():
        fields.place.add(
            "names nobody: it needs `serviceAccounts: true`, `users`, `groups` or `roles`"
        )
    fields.end()
    return requesters
