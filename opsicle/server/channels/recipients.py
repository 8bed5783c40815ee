"""Who is told how an automation ended because its template says so.

Posting is `channels/outbox.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.errors import Problem
from opsicle.domain.policies import Chat
from opsicle.domain.problems import quoted
from opsicle.domain.templates import Notify
from opsicle.server.store import channels, groups, memberships, rule_sets, templates
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.rule_sets import RuleSetKind


class _NotifyPart(msgspec.Struct):
    """The part of a template's JSON that this is about."""

    notify: tuple[Notify, ...] = ()


def named_by_template(
    db: Connection, row: AutomationRow
) -> tuple[tuple[str, ...], tuple[Chat, ...]]:
    """Return the members, by id, and the chats that the version wants told of its end.

    Whoever is named and is no member of the org is left out. A stored version that cannot be read
    any more names nobody, since an automation must be able to end all the same.
    """
    asked = [each for each in _notify_rules(db, row) if not each.states or row.state in each.states]
    people = [user_id for each in asked for user_id in _members(db, row.org_id, each)]
    return tuple(dict.fromkeys(people)), tuple(
        dict.fromkeys(chat for each in asked for chat in each.chats)
    )


def unknown_names(db: Connection, org_id: str, notify: tuple[Notify, ...]) -> list[Problem]:
    """Warnings of those who would not be told today.

    They may join later, so that this is no mistake.
    """
    kinds = {channel.kind for channel in channels.list_enabled(db, org_id)}
    found: list[Problem] = []
    for i, each in enumerate(notify):
        found += _unknown(db, org_id, each, f"spec.notify[{i}]")
        for kind in sorted({chat.channel for chat in each.chats} - kinds):
            found.append(
                Problem(
                    f"spec.notify[{i}].chats",
                    f"the org has no channel to {kind}; its rooms hear nothing",
                )
            )
    return found


def _notify_rules(db: Connection, row: AutomationRow) -> tuple[Notify, ...]:
    document = templates.get_document(db, row.template_id, row.version)
    return stored_json.read_or(document, _NotifyPart, _NotifyPart()).notify


def _unknown(db: Connection, org_id: str, notify: Notify, path: str) -> Iterator[Problem]:
    for i, email in enumerate(notify.users):
        if memberships.find(db, org_id, email) is None:
            yield Problem(
                f"{path}.users[{i}]",
                f"{quoted(email)} is no member of the org and will not be told",
            )
    for i, name in enumerate(notify.groups):
        if rule_sets.find(db, RuleSetKind.GROUP, org_id, name) is None:
            yield Problem(
                f"{path}.groups[{i}]",
                f"the org has no group {quoted(name)}; nobody of it will be told",
            )


def _members(db: Connection, org_id: str, notify: Notify) -> Iterator[str]:
    for email in notify.users:
        member = memberships.find(db, org_id, email)
        if member and member.is_enabled:
            yield member.user_id
    for name in notify.groups:
        yield from (member.user_id for member in groups.members(db, org_id, name))
