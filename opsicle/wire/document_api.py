"""What the messages about all kinds of documents share."""

from __future__ import annotations

import msgspec

from opsicle.domain.bounds import Description, Document
from opsicle.domain.calls import Call
from opsicle.domain.errors import Problem
from opsicle.domain.templates import Phase, Variable
from opsicle.wire.jobs import Int32


class SourceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A document as text."""

    source: Document


class PushRequest(SourceRequest, forbid_unknown_fields=True, omit_defaults=True):
    """A document to become a version, and why: nothing unless told."""

    message: Description = ""


class PushTemplateRequest(PushRequest, forbid_unknown_fields=True, omit_defaults=True):
    """A template to become a version.

    `expected_version` is the newest that whoever pushes knows of, 0 if none; None: whatever it is.
    """

    expected_version: Int32 | None = None


class DocumentPushed(msgspec.Struct, kw_only=True):
    """What a push did; `is_new` is false where the newest version already had this content."""

    name: str
    version: int
    digest: str
    is_new: bool
    warnings: list[Problem]


class Validation(msgspec.Struct, kw_only=True):
    """A document that is fine, with what it asks for and what it does.

    `unsupported` is always empty: earlier command lines ask for it.
    """

    name: str
    type: str
    digest: str
    warnings: list[Problem]
    variables: list[Variable] = []
    plan: list[Phase] = []
    phases: list[Phase] = []
    on_success: list[Call] = []
    on_failure: list[Call] = []
    unsupported: tuple[()] = ()


class TemplateDraft(msgspec.Struct, kw_only=True):
    """A template that is kept to be tried, not pushed: a run names it by its `id`."""

    id: str
    name: str
    digest: str
    warnings: list[Problem]


class TemplateDiff(msgspec.Struct, kw_only=True):
    """How two versions' documents differ, as a unified diff."""

    name: str
    from_version: int
    to_version: int
    diff: str
