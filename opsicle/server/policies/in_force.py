"""Which approval policy an automation falls under, as things are now.

What its template names; else whatever policies of the org apply by themselves (`appliesTo`), all of
them together. It is asked when an automation is triggered, and again before it is handed out.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.bound_fan_outs import BoundMember
from opsicle.domain.errors import Conflict, NotFound
from opsicle.domain.places import places_of
from opsicle.domain.policies import Policy, PolicyUse, Scope
from opsicle.domain.scopes import PolicyRequester, TemplateScope, applies, combined
from opsicle.domain.stored_templates import decode_approval
from opsicle.domain.templates import Template
from opsicle.server.access.document_lookup import get_document
from opsicle.server.documents.record_of_pushes import require_as_pushed
from opsicle.server.store import groups, memberships, policies, templates
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow


class InForce(msgspec.Struct, frozen=True):
    """A policy that has to be satisfied.

    `policy_id` and `version` say which of the org's it is, if it is just one.

    `is_default`: nothing names it, it applies by itself.
    """

    policy: Policy
    policy_id: str = ""
    version: int = 0
    is_default: bool = False


def in_force(
    db: Connection,
    org_id: str,
    template: Template,
    requester_id: str,
    machines: Sequence[BoundMember],
) -> InForce | None:
    """Return what somebody who runs this version of a template has to pass now; None if nothing.

    `machines` are those on which it runs, if it runs on several and they are known.

    An older version falls under what the newest one names, so that naming it is no way around that.
    What only the older one names comes on top of what applies by itself; and that none is to apply
    counts only if both say so. Raises Conflict for a policy that is not there.
    """
    document = templates.find_newest(db, org_id, template.name)
    newest = decode_approval(document) if document is not None else None
    own = template.approval_policy
    if newest and not newest.is_waived:
        return named_policy(db, org_id, newest)

    is_new = document is None or newest == own
    if own and not own.is_waived:
        named = named_policy(db, org_id, own)
        return (
            named
            if is_new
            else _together([named, *_applying(db, org_id, template, requester_id, machines)])
        )
    if own and is_new:
        return None
    return _together(_applying(db, org_id, template, requester_id, machines))


def named_policy(db: Connection, org_id: str, use: PolicyUse) -> InForce:
    """Return the policy that a template names or has inline, as it is now.

    Raises Conflict if it is not there.
    """
    if use.policy is not None:
        return InForce(use.policy)
    if not use.policy_ref:
        raise Conflict(
            "this template's approval policy cannot be read", hint="Push the template again."
        )

    try:
        row = get_document(db, DocumentKind.POLICY, org_id, use.policy_ref)
    except NotFound as error:
        raise Conflict(
            f"this template needs the policy {use.policy_ref}, which the org does not have",
            hint="An admin makes it with `opsicle policies push FILE`.",
        ) from error

    require_as_pushed(db, DocumentKind.POLICY, org_id, row)
    return InForce(policy_of(row), row.document_id, row.version)


def policy_of(row: VersionRow) -> Policy:
    """Return what a version says. Raises Unreadable."""
    return stored_json.read(row.document, Policy, f"the policy {row.name}")


def readable_defaults(db: Connection, org_id: str) -> list[Policy]:
    """As `defaults`, for what is only shown.

    One that cannot be read applies to everything, as it may.
    """
    scope = (Scope(everything=True),)
    return [
        stored_json.read_or(row.document, Policy, Policy(name=row.name, gates=(), applies_to=scope))
        for row in policies.list_applying(db, org_id)
    ]


def defaults(db: Connection, org_id: str) -> list[InForce]:
    """Return an org's policies that apply by themselves, in their newest versions, by name."""
    return [_default(row) for row in policies.list_applying(db, org_id)]


def place_of(template: Template) -> TemplateScope:
    """Return a template as the scopes of policies see it before it is known where it runs."""
    return TemplateScope(template.labels, template.guaranteed_labels)


def _applying(
    db: Connection,
    org_id: str,
    template: Template,
    requester_id: str,
    machines: Sequence[BoundMember],
) -> list[InForce]:
    rows = policies.list_applying(db, org_id)
    if not rows:
        return []

    places = [TemplateScope(template.labels, labels) for labels in places_of(template, machines)]
    requester = _requester(db, org_id, requester_id)
    found = []
    for row in rows:
        each = _default(row)
        if any(applies(each.policy, place, requester) for place in places):
            require_as_pushed(db, DocumentKind.POLICY, org_id, row)
            found.append(each)
    return found


def _together(found: list[InForce]) -> InForce | None:
    if len(found) <= 1:
        return found[0] if found else None
    return InForce(
        combined([each.policy for each in found]), is_default=all(each.is_default for each in found)
    )


def _default(row: VersionRow) -> InForce:
    return InForce(policy_of(row), row.document_id, row.version, is_default=True)


def _requester(db: Connection, org_id: str, user_id: str) -> PolicyRequester:
    """Return who asks, with who answers for them. Who is not there any more is nobody."""
    member = memberships.find(db, org_id, user_id)
    owner = memberships.find(db, org_id, member.owner_id) if member and member.owner_id else None
    both = [each for each in (member, owner) if each]
    return PolicyRequester(
        is_service_account=bool(member and member.owner_id),
        emails=frozenset(each.email for each in both),
        roles=frozenset(each.role for each in both),
        groups=frozenset(
            group.name for each in both for group in groups.list_of_user(db, org_id, each.user_id)
        ),
    )
