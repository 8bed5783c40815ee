"""Reading gates: who must agree, how many of them, how long they have."""

from __future__ import annotations

import re

import msgspec

from opsicle.domain.access import BuiltInRole
from opsicle.domain.chat_services import CHAT_SERVICES
from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.names import (
    ID,
    ID_RULE,
    LABEL_KEY,
    LABEL_KEY_RULE,
    LABEL_VALUE,
    LABEL_VALUE_RULE,
)
from opsicle.domain.policies import (
    DEFAULT_EXPIRES_AFTER_SECONDS,
    Approvers,
    Chat,
    Condition,
    Escalation,
    Gate,
)
from opsicle.domain.problems import listed, quoted
from opsicle.domain.values import Scalar
from opsicle.domain.yaml_documents import Kind

MAX_GATES = 20
MAX_APPROVERS = 200
MAX_ESCALATIONS = 10
MAX_CONDITIONS = 20
MAX_OPTIONS = 200
MAX_SECONDS = 90 * 86_400
"""Longer than anybody remembers why something was asked."""

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}")
_EMAIL_RULE = "an e-mail address, as in ada@example.com"


def parse_gates(spec: Fields) -> tuple[Gate, ...]:
    """Return the gates under `gates`; every mistake is noted, names that stand twice among them."""
    gates: list[Gate] = []
    for place in spec.items("gates", MAX_GATES, is_required=True):
        gate = _gate(place.mapping())
        if gate.name and gate.name in [other.name for other in gates]:
            place.add(
                f"a gate {quoted(gate.name)} stands further up already; names tell gates apart"
            )
        gates.append(gate)
    return tuple(gates)


def chat_id(place: DocumentNode) -> str:
    """Return the id of somebody or some room of a chat service, a number or text.

    Otherwise note a mistake, and return "".
    """
    if place.node.kind is Kind.INTEGER and place.node.text.lstrip("-").isdigit():
        return place.node.text
    return place.line_of_text(200) or ""


def parse_emails(fields: Fields, key: str) -> tuple[str, ...]:
    """Return the e-mail addresses under `key`, in small letters."""
    return tuple(email.lower() for email in fields.names(key, MAX_APPROVERS, _EMAIL, _EMAIL_RULE))


def parse_chats(fields: Fields, key: str) -> tuple[Chat, ...]:
    """Return the people or rooms of chat services under `key`."""
    chats: list[Chat] = []
    for place in fields.items(key, MAX_APPROVERS):
        inner = place.mapping()
        channel = inner.find("channel", is_required=True)
        name = inner.find("id", is_required=True)
        word = channel.text() if channel else None

        if channel and word is not None and word not in CHAT_SERVICES:
            channel.add(f"{quoted(word)} is not allowed; it must be {listed(CHAT_SERVICES)}")

        inner.end()
        chats.append(Chat(word or "", chat_id(name) if name else ""))

    return tuple(chats)


def _gate(fields: Fields) -> Gate:
    gate = read_gate(fields, fields.name("name", ID, ID_RULE))
    gate = msgspec.structs.replace(gate, when=_conditions(fields))
    fields.end()
    return gate


def read_gate(fields: Fields, name: str) -> Gate:
    """Return the gate that these fields are about, among others; whoever calls ends them."""
    asked = fields.mapping("approvers", is_required=True)
    expires_after = fields.integer("expiresAfter", DEFAULT_EXPIRES_AFTER_SECONDS, 1, MAX_SECONDS)

    return Gate(
        name=name,
        approvers=_approvers(asked) if asked else Approvers(),
        required=fields.integer("required", 1, 1, MAX_APPROVERS),
        rejections_to_end=fields.integer("rejectionsToEnd", 1, 1, MAX_APPROVERS),
        require_reason=fields.boolean("requireReason"),
        require_mfa=fields.boolean("requireMfa"),
        allow_requester=fields.boolean("allowRequester"),
        expires_after=expires_after,
        remind_after=_before_expiry(fields, "remindAfter", expires_after),
        escalate=_escalations(fields, expires_after),
        chats=parse_chats(fields, "chats"),
    )


def _before_expiry(fields: Fields, key: str, expires_after: int) -> int | None:
    """Return a time after which something happens to a gate that is still open."""
    seconds = fields.integer(key, 0, 1, MAX_SECONDS)
    place = fields.find(key)
    if place and seconds >= expires_after:
        place.add(
            f"is {seconds:,} seconds, and the gate expires after {expires_after:,}: "
            "it would never come"
        )
    return seconds or None


def _approvers(fields: Fields) -> Approvers:
    approvers = Approvers(
        manager=fields.boolean("manager"),
        users=parse_emails(fields, "users"),
        groups=fields.names("groups", MAX_APPROVERS, ID, ID_RULE),
        roles=fields.names("roles", MAX_APPROVERS, ID, ID_RULE),
        chat_users=parse_chats(fields, "chatUsers"),
    )

    check_roles(fields, approvers.roles)
    if approvers == Approvers() and not fields.place.node.fields:
        fields.place.add(
            "names nobody: it needs `manager: true`, `users`, `groups`, `roles` or `chatUsers`"
        )

    fields.end()
    return approvers


def check_roles(fields: Fields, roles: tuple[str, ...]) -> None:
    """Note a built-in role that is written in another case.

    An org may have roles of its own, so no other can be told to be wrong.

    So only the case of a built-in one can be told to be wrong.
    """
    place = fields.find("roles")
    for role in roles:
        if place and role not in list(BuiltInRole) and role.lower() in list(BuiltInRole):
            place.add(f"there is no role {quoted(role)}; write {listed([role.lower()])}")


def _escalations(fields: Fields, expires_after: int) -> tuple[Escalation, ...]:
    escalations = []
    for place in fields.items("escalate", MAX_ESCALATIONS):
        inner = place.mapping()
        inner.find("after", is_required=True)
        after = _before_expiry(inner, "after", expires_after)
        to = inner.mapping("to", is_required=True)
        escalations.append(Escalation(after or 1, _approvers(to) if to else Approvers()))
        inner.end()
    return tuple(escalations)


def _conditions(fields: Fields) -> tuple[Condition, ...]:
    conditions = []
    for place in fields.items("when", MAX_CONDITIONS):
        inner = place.mapping()
        label = inner.name("label", LABEL_KEY, LABEL_KEY_RULE, is_required=False)
        condition = Condition(
            variable=inner.name("variable", ID, ID_RULE, is_required=False),
            label=label,
            any_of=_options(inner, "in", is_label=bool(label)),
            none_of=_options(inner, "notIn", is_label=bool(label)),
        )

        if inner.has("variable") == inner.has("label"):
            place.add("needs either `variable` or `label`, the name of what is compared")
        if inner.has("in") == inner.has("notIn"):
            place.add("needs either `in` or `notIn`, the values that it is compared with")

        inner.end()
        conditions.append(condition)

    return tuple(conditions)


def _options(fields: Fields, key: str, *, is_label: bool) -> tuple[Scalar, ...]:
    """Return the values of a condition.

    An empty one is a mistake, because what is empty is asked in any case.
    """
    options: list[Scalar] = []
    for place in fields.items(key, MAX_OPTIONS, is_required=fields.has(key)):
        content = place.node.content
        if place.node.kind in {Kind.BOOLEAN, Kind.INTEGER, Kind.FLOAT} and isinstance(
            content, bool | int | float
        ):
            options.append(content)
            continue

        text = place.line_of_text(1_000)
        if text is not None and not text.strip():
            place.add(
                "is empty; an empty value counts as not known, and the gate is asked then anyway"
            )
        elif text and is_label and not LABEL_VALUE.fullmatch(text):
            place.add(f"{quoted(text)} is no value of a label: {LABEL_VALUE_RULE}")
        options.append(text or "")

    return tuple(options)
