"""Reading `notify`: who is told how an automation ended, beside the one who asked for it."""

from __future__ import annotations

from opsicle.domain.automations import FINAL, AutomationState
from opsicle.domain.documents import Fields
from opsicle.domain.gate_parser import MAX_APPROVERS, parse_chats, parse_emails
from opsicle.domain.names import ID, ID_RULE
from opsicle.domain.problems import did_you_mean, listed, quoted
from opsicle.domain.templates import Notify
from opsicle.domain.yaml_documents import Kind

MAX_NOTIFY = 20

_NAMING = ("users", "groups", "chats")
ENDS = [str(state) for state in AutomationState if state in FINAL]


def parse_notify(spec: Fields) -> tuple[Notify, ...]:
    """Return the entries under `notify`; every mistake is noted."""
    return tuple(_entry(place.mapping()) for place in spec.items("notify", MAX_NOTIFY))


def _entry(fields: Fields) -> Notify:
    notify = Notify(
        states=_states(fields),
        users=parse_emails(fields, "users"),
        groups=fields.names("groups", MAX_APPROVERS, ID, ID_RULE),
        chats=parse_chats(fields, "chats"),
    )

    if fields.place.node.kind is Kind.MAPPING and not any(
        _is_something(fields, key) for key in _NAMING
    ):
        fields.place.add("names nobody: it needs `users`, `groups` or `chats`")

    fields.end()
    return notify


def _is_something(fields: Fields, key: str) -> bool:
    """Return whether a field stands there that is no empty list.

    What is wrong about it has been noted.
    """
    place = fields.find(key)
    return place is not None and not (place.node.kind is Kind.LIST and not place.node.items)


def _states(fields: Fields) -> tuple[AutomationState, ...]:
    """Return the ends that are told.

    An empty list is a mistake, since nothing at all means all of them.
    """
    states: list[AutomationState] = []
    for place in fields.items("states", len(AutomationState), is_required=fields.has("states")):
        word = place.text()
        if word is None:
            continue

        if word not in ENDS:
            place.add(
                f"{quoted(word)} is not how an automation ends{did_you_mean(word, ENDS)}; "
                f"it must be {listed(ENDS)}"
            )
        elif word in states:
            place.add(f"{quoted(word)} stands twice")
        else:
            states.append(AutomationState(word))

    return tuple(states)
