"""What the messages about all kinds of documents share."""

from __future__ import annotations

import msgspec

from opsicle.domain.errors import Problem


class DocumentPushed(msgspec.Struct, kw_only=True):
    """What a push did; `is_new` is false where the newest version already had this content."""

    name: str
    version: int
    digest: str
    is_new: bool
    warnings: list[Problem]
