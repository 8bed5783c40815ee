"""Messages about templates and their versions; see `user_api.py`."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.calls import Call
from opsicle.domain.errors import Problem
from opsicle.domain.fan_outs import FanOut
from opsicle.domain.templates import (
    DEFAULT_PRIORITY,
    Concurrency,
    Notify,
    Owner,
    Phase,
    Variable,
    VolumeMount,
)
from opsicle.wire.document_api import DocumentPushed
from opsicle.wire.user_api import Person


class Pushed(DocumentPushed, kw_only=True):
    """What pushing a template did. `unsupported` is always empty, as in `Validation`."""

    unsupported: tuple[()] = ()


class TemplateSummary(msgspec.Struct, kw_only=True):
    """A template in a list, in its newest version."""

    name: str
    version: int
    display_name: str
    description: str
    labels: dict[str, str]
    owners: list[Owner]
    needs_approval: bool
    updated_at: datetime
    created_at: datetime


class TemplateVersionSummary(msgspec.Struct, kw_only=True):
    """One version in a list. `message` is what whoever pushed it says of it."""

    version: int
    digest: str
    pushed_by: Person
    pushed_at: datetime
    message: str = ""


class TemplateVersion(msgspec.Struct, kw_only=True):
    """One version whole: `source` is the document as it was pushed.

    `runs_on_where` is an expression over labels, beside `runs_on`. `accepts_claimed`: a worker's
    word will do. `fan_out`: it runs on each of several machines.
    """

    name: str
    version: int
    latest_version: int
    digest: str
    display_name: str
    description: str
    labels: dict[str, str]
    owners: list[Owner]
    variables: list[Variable]
    phases: list[Phase]
    plan: list[Phase] = []
    runs_on: dict[str, str]
    runs_on_where: str = ""
    priority: int = DEFAULT_PRIORITY
    concurrency: Concurrency | None = None
    max_waiting: int | None = None
    keep_workspace: int | None = None
    accepts_claimed: bool
    timeout: int | None
    needs_approval: bool
    needs_mfa: bool
    notify: list[Notify]
    warnings: list[Problem]
    unsupported: tuple[()] = ()
    source: str
    pushed_by: Person
    pushed_at: datetime
    message: str = ""
    volume_mounts: list[VolumeMount] = []
    on_success: list[Call] = []
    on_failure: list[Call] = []
    fan_out: FanOut | None = None
