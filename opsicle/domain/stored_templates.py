"""Templates as the store keeps them, those from before approvals could be asked among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.documents import DocumentNode
from opsicle.domain.errors import Unreadable
from opsicle.domain.policies import PolicyUse
from opsicle.domain.policy_parser import policy_use
from opsicle.domain.problems import Problems
from opsicle.domain.templates import Template
from opsicle.domain.yaml_documents import load

T = TypeVar("T")


class _ApprovalPart(msgspec.Struct):
    approval_policy: PolicyUse | None = None


_MOST_REMEMBERED, _LONGEST_REMEMBERED = 200, 64 * 1024
"""Documents, and characters of each: a trigger, a lease and an end read the same one again."""


def _remembering(decode: Callable[[str | bytes], T]) -> Callable[[str | bytes], T]:
    """Have a function remember what short documents hold."""
    remembered = lru_cache(_MOST_REMEMBERED)(decode)

    @wraps(decode)
    def decoded(document: str | bytes) -> T:
        is_short = len(document) <= _LONGEST_REMEMBERED
        return remembered(document) if is_short else decode(document)

    return decoded


@_remembering
def decode_template(document: str | bytes) -> Template:
    """Return the template that a stored document holds.

    A policy of an older document that cannot be read becomes one that nobody can satisfy, never
    none. Raises Unreadable.
    """
    try:
        return msgspec.json.decode(document, type=Template)
    except msgspec.ValidationError:
        tree = stored_json.read(document, dict[str, object], "the template")
    except (ValueError, RecursionError) as error:
        raise Unreadable.of("the template") from error
    try:
        tree["approval_policy"] = _use_in(tree.get("approval_policy"))
        return msgspec.convert(tree, Template)
    except (ValueError, RecursionError) as error:
        raise Unreadable.of("the template") from error


@_remembering
def decode_approval(document: str | bytes) -> PolicyUse | None:
    """Return what a stored document, or its header alone, says of approvals.

    It is as careful as `decode_template`.
    """
    try:
        return msgspec.json.decode(document, type=_ApprovalPart).approval_policy
    except (ValueError, RecursionError):
        tree = stored_json.read(document, dict[str, object], "the template")
        return msgspec.convert(_use_in(tree.get("approval_policy")), PolicyUse)


def _use_in(said: object) -> object:
    """Read `approvalPolicy` as it was kept: the document's own mapping."""
    problems = Problems()
    root = DocumentNode(load(json.dumps({"approvalPolicy": said}).encode(), problems), "", problems)
    use = policy_use(root.mapping())
    return msgspec.to_builtins(PolicyUse() if len(problems) or use is None else use)
