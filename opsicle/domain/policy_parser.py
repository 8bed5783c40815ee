"""Documents → approval policies: ours with its gates, and the older `telegram:` and `slack:` forms.

    type: ApprovalPolicy     a policy of the org, named by templates
    type: ApprovalRequest    an older form, which asked by file; read so that
                             people learn what takes its place

An older document may hold the seeds of people's authenticator apps. They are secrets: no seed is
kept, logged or repeated in a message, and `without_seeds` takes them out of a document that is kept
as it was written.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from opsicle.domain.chat_services import CHAT_SERVICES
from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.errors import Problem
from opsicle.domain.gate_parser import MAX_APPROVERS, chat_id, parse_gates
from opsicle.domain.names import ID, ID_RULE
from opsicle.domain.policies import Approvers, Chat, Gate, GateOrder, Policy, PolicyUse
from opsicle.domain.problems import Problems, listed, quoted
from opsicle.domain.scope_parser import parse_scopes
from opsicle.domain.yaml_documents import Kind, Node, load

POLICY_TYPE = "ApprovalPolicy"
REQUEST_TYPE = "ApprovalRequest"

WAIVED = "none"
"""What a template writes as its `approvalPolicy` so that not even a policy that applies by itself
is asked."""

REMOVED_SEED = "removed"
"""What stands in the place of a seed in a document that is kept; read as "there was one"."""

_SEED = re.compile(r"[A-Za-z2-7]{16,128}=*")
_SEED_KEY = "mfaSeed"
_ROOMS = {"telegram": "chatIds", "slack": "channelNames"}
"""The chat services that the older form knows, and what it calls their rooms; there are no new
ones."""

SEED_WARNING = (
    "the seed of an authenticator app is a secret and is not kept: "
    "everybody named here enrols an app of their own (`opsicle totp enrol`); "
    "the gate asks for a fresh code of it. Take the seed out of the file"
)
_DEFAULT_WARNING = (
    "the policy applies by itself, to templates whose variables mean what their authors say: "
    "a gate that nobody is to get around has no condition, or one on a `label` of workers"
)
_REQUEST_WARNING = (
    "nobody is asked by a file any more: running a template that has an `approvalPolicy` asks. "
    f"Make this an `{POLICY_TYPE}` (its `spec` is the `telegram` or `slack` part of this one) "
    "and name it in a template"
)


class PolicyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A file of `type: ApprovalPolicy`."""

    policy: Policy
    warnings: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """What templates call it."""
        return self.policy.name


class RequestDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the older `type: ApprovalRequest`: who asked whom."""

    name: str
    id: str
    requester_id: str
    requester_name: str
    message: str
    policy: Policy
    warnings: tuple[Problem, ...] = ()


def digest(policy: Policy) -> str:
    """Return `sha256:…` over what the policy says.

    So comments and layout make no new version.
    """
    return "sha256:" + hashlib.sha256(msgspec.json.encode(policy, order="sorted")).hexdigest()


def read_policy(name: str, _labels: dict[str, str], spec: Fields) -> PolicyDocument:
    """Return the policy in a document's `spec`."""
    policy = _policy(name, spec)
    return PolicyDocument(
        policy=policy, warnings=(*seed_warnings(spec.place), *_condition_warnings(policy))
    )


def _condition_warnings(policy: Policy) -> tuple[Problem, ...]:
    """Warn of conditions on variables where whoever pushes a template decides what is in them."""
    if not policy.applies_to:
        return ()
    return tuple(
        Problem(f"spec.gates[{i}].when[{j}]", _DEFAULT_WARNING)
        for i, gate in enumerate(policy.gates)
        for j, line in enumerate(gate.when)
        if line.variable
    )


def read_request(name: str, _labels: dict[str, str], spec: Fields) -> RequestDocument:
    """Return the older request in a document's `spec`."""
    channel = spec.find("type", is_required=True)
    word = channel.text() if channel else None
    if channel and word is not None and word not in CHAT_SERVICES:
        channel.add(f"{quoted(word)} is not allowed; it must be {listed(CHAT_SERVICES)}")

    request = RequestDocument(
        name=name,
        id=spec.line("id", 200),
        requester_id=spec.line("requesterId", 254),
        requester_name=spec.line("requesterName", 200),
        message=spec.text("message", 10_000),
        policy=Policy(gates=_older_gates(spec), order=GateOrder.PARALLEL),
        warnings=(Problem("type", _REQUEST_WARNING), *seed_warnings(spec.place)),
    )

    spec.end()
    return request


def policy_use(spec: Fields) -> PolicyUse | None:
    """Return what a template's `approvalPolicy` says.

    An empty one is a mistake, never "no approval asked".
    """
    place = spec.find("approvalPolicy", is_required=spec.has("approvalPolicy"))
    if place is None:
        return None
    if place.node.kind is Kind.TEXT and place.node.text == WAIVED:
        return PolicyUse(is_waived=True)

    fields = place.mapping()
    policy_ref = fields.name("policyRef", ID, ID_RULE, is_required=False)
    inline = fields.mapping("spec")

    if place.node.kind is Kind.MAPPING and not fields.has("policyRef") and inline is None:
        place.add("names no policy: it needs `policyRef` or `spec`")
    if fields.has("policyRef") and inline is not None:
        place.add("has both `policyRef` and `spec`; one of them says who must agree")
    fields.end()

    if inline and inline.has("appliesTo"):
        inline.place.add("has `appliesTo`: only a policy of the org applies by itself")
        inline.find("appliesTo")
    return PolicyUse(policy_ref=policy_ref, policy=_policy("", inline) if inline else None)


def without_seeds(source: str) -> str:
    """Return a checked document with `removed` in the place of every seed.

    Raises InvalidInput for a seed that is written so that it cannot be found again.
    """
    problems = Problems()
    for line, seed in _seeds(load(source.encode(), problems)):
        if seed not in source:
            problems.add(
                _SEED_KEY, "is written with escapes; write it plainly, or take it out", line
            )
        source = source.replace(seed, REMOVED_SEED)
    problems.raise_if_any("the document")
    return source


def seed_warnings(place: DocumentNode) -> tuple[Problem, ...]:
    """Return a warning for the first seed in this branch of a document."""
    for line, _ in _seeds(place.node):
        return (Problem(_SEED_KEY, SEED_WARNING, line),)
    return ()


def _seeds(root: Node) -> list[tuple[int, str]]:
    """Return every seed with its line."""
    found, nodes = [], [root]
    while nodes:
        node = nodes.pop()
        for key, child in node.fields.items():
            if key == _SEED_KEY and child.kind is Kind.TEXT and child.text != REMOVED_SEED:
                found.append((child.line, child.text))
            nodes.append(child)
        nodes += node.items
    return found


def _policy(name: str, spec: Fields) -> Policy:
    older = [channel for channel in _ROOMS if spec.has(channel)]
    applies_to = parse_scopes(spec) if name else ()

    if not older:
        order = spec.choice("order", GateOrder.SEQUENTIAL)
        policy = Policy(name=name, order=order, gates=parse_gates(spec), applies_to=applies_to)
    else:
        for key in ("gates", "order"):
            if spec.has(key):
                spec.place.add(
                    f"has both `{key}` and the older `{older[0]}`; write everything as `gates`"
                )
                spec.find(key)
        policy = Policy(
            name=name, order=GateOrder.PARALLEL, gates=_older_gates(spec), applies_to=applies_to
        )

    spec.end()
    return policy


def _older_gates(spec: Fields) -> tuple[Gate, ...]:
    """Return one gate for each chat service that is named; all of them must agree."""
    gates = [_older_gate(channel, place) for channel in _ROOMS if (place := spec.find(channel))]
    if not gates and spec.place.node.kind is Kind.MAPPING:
        spec.place.add(f"names nobody who could agree: it needs {listed(_ROOMS)}")
    return tuple(gates)


def _older_gate(channel: str, place: DocumentNode) -> Gate:
    responders: list[str] = []
    rooms: list[str] = []
    has_seed = False

    for part in place.items() if place.node.kind is Kind.LIST else [place]:
        fields = part.mapping()
        for person in fields.items("authorizedResponders", MAX_APPROVERS):
            user_id, has_own_seed = _responder(person)
            responders.append(user_id)
            has_seed = has_seed or has_own_seed
        rooms += [chat_id(room) for room in fields.items(_ROOMS[channel], MAX_APPROVERS)]
        fields.end()

    if not responders and channel == "telegram" and all(map(_is_private_chat, rooms)):
        responders = rooms
    if not responders:
        place.add(
            "names nobody who may agree, so that everybody in the chat could; list who may: "
            "`authorizedResponders: [{userId: …}]`"
        )

    return Gate(
        name=channel,
        approvers=Approvers(
            chat_users=tuple(Chat(channel, name) for name in dict.fromkeys(responders))
        ),
        require_mfa=has_seed,
        chats=tuple(Chat(channel, name) for name in dict.fromkeys(rooms)),
    )


def _is_private_chat(room: str) -> bool:
    """Return whether a chat of Telegram is with one person alone, whose id is the chat's then."""
    return room.isascii() and room.isdigit()


def _responder(place: DocumentNode) -> tuple[str, bool]:
    """Return a chat user's id, and whether the document demands a code of them."""
    fields = place.mapping()
    user = fields.find("userId", is_required=True)
    seed = fields.find(_SEED_KEY)
    fields.end()
    if seed and not _is_seed(seed.node):
        seed.add(
            "is no seed of an authenticator app (base32); "
            "take it out, or write `removed` to ask for a code"
        )
    return (chat_id(user) if user else ""), seed is not None


def _is_seed(node: Node) -> bool:
    return node.kind is Kind.TEXT and (
        node.text == REMOVED_SEED or _SEED.fullmatch(node.text) is not None
    )
