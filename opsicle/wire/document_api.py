"""What the messages about all kinds of documents share."""

from __future__ import annotations

import msgspec

from opsicle.domain.bounds import Description, Document
from opsicle.domain.errors import Problem


class SourceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A document as text."""

    source: Document


class PushRequest(SourceRequest, forbid_unknown_fields=True, omit_defaults=True):
    """A document to become a version, and why: nothing unless told."""

    message: Description = ""


class DocumentPushed(msgspec.Struct, kw_only=True):
    """What a push did; `is_new` is false where the newest version already had this content."""

    name: str
    version: int
    digest: str
    is_new: bool
    warnings: list[Problem]
