"""Messages about targets."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.wire.document_api import PushRequest
from opsicle.wire.user_api import Person


class PushTargetRequest(PushRequest, kw_only=True, forbid_unknown_fields=True):
    """A document, and what it is to follow.

    `expected_version` 0: there is no such target yet; another one: that is the newest. Without it
    the document is the next version of whatever there is.
    """

    expected_version: int | msgspec.UnsetType = msgspec.UNSET


class TargetSummary(msgspec.Struct, kw_only=True):
    """A target in a list. `secret` names the secret that holds the private key.

    `runs_on` and `runs_on_where` say which workers reach it; both are empty if any does.
    """

    name: str
    version: int
    labels: dict[str, str]
    host: str
    port: int
    user: str
    secret: str
    runs_on: dict[str, str]
    runs_on_where: str
    description: str
    pushed_by: Person
    pushed_at: datetime
    message: str = ""


class TargetRun(msgspec.Struct, kw_only=True):
    """An automation that ran on a target, as a part of another one.

    `seconds` is how long it has run, null while it does or if it never did.
    """

    id: str
    template: str
    state: AutomationState
    created_at: datetime
    seconds: float | None


class LastRun(msgspec.Struct, kw_only=True):
    """How an automation ended on a target; its id is null once it has been removed."""

    automation_id: str | None
    version: int
    state: AutomationState
    ended_at: datetime


class TargetLastRun(msgspec.Struct, kw_only=True):
    """How a template last went on a target: `succeeded` is its last success there, if any.

    `last_run` is what ended there last, however it went. `is_behind`: what last succeeded is older
    than the template's newest version.
    """

    target: str
    template: str
    latest_version: int
    is_behind: bool
    succeeded: LastRun | None
    last_run: LastRun


class TargetLastRuns(msgspec.Struct, kw_only=True):
    """A target, and the templates that ran on it, by their names."""

    target: str
    templates: list[TargetLastRun]


class TargetHostKey(msgspec.Struct, kw_only=True):
    """A key by which the host may show itself; its fingerprint is as `ssh-keygen -l` writes it."""

    key: str
    fingerprint: str


class TargetVersion(TargetSummary, kw_only=True):
    """One version whole: `source` is the document as it was pushed."""

    latest_version: int
    digest: str
    host_keys: list[TargetHostKey]
    source: str
