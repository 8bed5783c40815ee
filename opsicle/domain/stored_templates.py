"""Templates as the store keeps them, those from before approvals could be asked among them."""

from __future__ import annotations

import json
from functools import lru_cache

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.documents import DocumentNode
from opsicle.domain.errors import Unreadable
from opsicle.domain.policies import PolicyUse
from opsicle.domain.policy_parser import policy_use
from opsicle.domain.problems import Problems
from opsicle.domain.templates import Template
from opsicle.domain.yaml_documents import load


class _ApprovalPart(msgspec.Struct):
    approval_policy: PolicyUse | None = None


_MOST_REMEMBERED, _LONGEST_REMEMBERED = 200, 64 * 1024
"""Documents, and characters of each: a trigger, a lease and an end read the same one again."""


def decode_template(document: str | bytes) -> Template:
    """Return the template that a stored document holds.

    A policy of an older document that cannot be read becomes one that nobody can satisfy, never
    none. Raises Unreadable.
    """
    return _cache(document) if len(document) <= _LONGEST_REMEMBERED else _decode(document)


def _decode(document: str | bytes) -> Template:
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


_cache = lru_cache(_MOST_REMEMBERED)(_decode)


def decode_approval(document: str | bytes) -> PolicyUse | None:
    """Return what a stored document, or its header alone, says of approvals.

    It is as careful as `decode_template`.
    """
    is_short = len(document) <= _LONGEST_REMEMBERED
    return _approval_cache(document) if is_short else _decode_approval(document)


def _decode_approval(document: str | bytes) -> PolicyUse | None:
    try:
        return msgspec.json.decode(document, type=_ApprovalPart).approval_policy
    except (ValueError, RecursionError):
        tree = stored_json.read(document, dict[str, object], "the template")
        return msgspec.convert(_use_in(tree.get("approval_policy")), PolicyUse)


_approval_cache = lru_cache(_MOST_REMEMBERED)(_decode_approval)


def _use_in(said: object) -> object:
    """Read `approvalPolicy` as it was kept: the document's own mapping."""
    problems = Problems()
    root = DocumentNode(load(json.dumps({"approvalPolicy": said}).encode(), problems), "", problems)
    use = policy_use(root.mapping())
    return msgspec.to_builtins(PolicyUse() if len(problems) or use is None else use)
