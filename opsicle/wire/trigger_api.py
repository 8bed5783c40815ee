"""Messages about triggers, and what a webhook is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.domain.bounds import Document
from opsicle.domain.errors import Problem
from opsicle.domain.templates import Value
from opsicle.domain.triggers import (
    BodyCondition,
    BodyField,
    CallOutcome,
    CallRate,
    Deduplication,
    VerifyMethod,
)
from opsicle.wire.document_api import DocumentPushed
from opsicle.wire.user_api import Person


class HookReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a call.

    The automation that it has started, and its page; or why it has started nothing. A repetition
    has both.
    """

    automation: str = ""
    url: str = ""
    skipped: str = ""


class TriggerPushed(DocumentPushed, kw_only=True):
    """What a push did.

    `url` is where to send webhooks. `secret` is there where one was made, and never again: at the
    first push, and where it runs with another's rights now.
    """

    url: str
    secret: str


class TriggerSecret(msgspec.Struct, kw_only=True):
    """A new secret, shown once; the old one works no longer."""

    name: str
    url: str
    secret: str


class TriggerCall(msgspec.Struct, kw_only=True):
    """A call and what became of it.

    `values` are those that it gave to the template, with secrets masked. Of its body only size and
    digest are kept. `automation_state` is None where there is none, or it is pruned.
    """

    id: str
    at: datetime
    outcome: CallOutcome
    reason: str
    automation_id: str | None
    automation_state: AutomationState | None
    values: dict[str, Value]
    body_bytes: int
    body_sha256: str
    address: str


class SampleCall(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A body as a sender would send it; it starts something only if it `is_real`."""

    body: Document
    is_real: bool = False


class SampleOutcome(msgspec.Struct, kw_only=True):
    """What became of a sample call, or would become of it where `is_real` is false.

    `headers` are the names of those by which it was signed as its sender does. `template`,
    `version` and `values`, with secrets masked, are what it starts. `reason` says why it starts
    nothing, or why not again.
    """

    outcome: CallOutcome
    is_real: bool
    reason: str = ""
    problems: list[Problem] = []
    headers: list[str] = []
    template: str = ""
    version: int | None = None
    values: dict[str, Value] = {}
    automation_id: str | None = None


class TriggerSummary(msgspec.Struct, kw_only=True):
    """A trigger in a list.

    `last_call` is the newest that knew its secret. `runs_as` is whose rights it has. It is failing
    while what that call was to start was refused.
    """

    name: str
    version: int
    template: str
    state: Literal["active", "paused", "failing"]
    verify: VerifyMethod
    url: str
    last_call: TriggerCall | None
    runs_as: Person
    pushed_by: Person
    pushed_at: datetime
    message: str = ""


class TriggerVersion(TriggerSummary, kw_only=True):
    """One version whole: `source` is the document as it was pushed.

    `values` stand as they are, `fields` are taken from the body.
    """

    latest_version: int
    digest: str
    values: dict[str, Value]
    fields: dict[str, BodyField]
    conditions: tuple[BodyCondition, ...]
    dedupe: Deduplication | None
    rate: CallRate
    secret_made_at: datetime | None
    source: str
