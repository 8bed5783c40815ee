"""Triggers: which webhooks start a template, with which values of what they bring."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from opsicle.domain.values import Scalar, Value

MOST_TRIGGERS = 500
"""Of one org."""

KEPT_CALLS = 50
"""Of each trigger, of those that knew its secret; the newest."""

KEPT_REFUSALS = 10
"""Of each trigger, of those that did not: apart, so that a stranger cannot push out the others."""

MAX_BODY_BYTES = 1024 * 1024
MAX_BODY_DEPTH = 64
"""Objects and lists within each other."""


class VerifyMethod(StrEnum):
    """How a sender shows that it knows a trigger's secret."""

    HMAC = "hmac-sha256"
    BEARER = "bearer"
    GITHUB = "github"
    GITLAB = "gitlab"
    GRAFANA = "grafana"
    ALERTMANAGER = "alertmanager"


class CallOutcome(StrEnum):
    """What became of a call.

    `LIMITED` stands for all calls of a minute that came too fast; `UNVERIFIED` ones did not know
    the secret.
    """

    STARTED = "started"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    LIMITED = "limited"
    INVALID = "invalid"
    REFUSED = "refused"
    UNVERIFIED = "unverified"


class BodyField(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a value stands in the body, and what to take where nothing does."""

    pointer: str
    default: Value | None = None


class BodyCondition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a body must fulfil to start anything.

    What `pointer` leads to is one of `one_of`, if there are any, and none of `none_of`; `exists`
    says whether it is there at all, if that matters.
    """

    pointer: str
    one_of: tuple[Scalar, ...] = ()
    none_of: tuple[Scalar, ...] = ()
    exists: bool | None = None


class Deduplication(msgspec.Struct, frozen=True):
    """For how many seconds what `pointer` leads to starts nothing again."""

    pointer: str
    window: int


class CallRate(msgspec.Struct, frozen=True):
    """So many calls in so many seconds."""

    count: int = 60
    seconds: int = 60


class Trigger(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A template, and how a webhook starts it.

    `values` stand as they are, `fields` are taken from the body. `principal_id` is whose rights it
    runs with: of whoever pushed it, or of `run_as`.
    """

    name: str
    template: str
    verify: VerifyMethod = VerifyMethod.HMAC
    values: dict[str, Value] = {}
    fields: dict[str, BodyField] = {}
    conditions: tuple[BodyCondition, ...] = ()
    dedupe: Deduplication | None = None
    rate: CallRate = CallRate()
    run_as: str = ""
    principal_id: str = ""


def digest(trigger: Trigger) -> str:
    """Return `sha256:…` over what the trigger says, and whose rights it runs with."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(trigger, order="sorted")).hexdigest()
