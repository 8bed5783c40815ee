"""Messages about what those who run the server tell its people; see `user_api.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from opsicle.domain.bounds import Moment, Word

MAX_ANNOUNCEMENT_CHARACTERS = 500

Severity = Literal["info", "warning"]


class Announcement(msgspec.Struct, kw_only=True):
    """A line of plain text for people, until `ends_at`; without, until it is deleted."""

    id: str
    severity: Severity
    text: str
    starts_at: datetime
    ends_at: datetime | None = None


class PostedAnnouncement(Announcement, kw_only=True):
    """An announcement as those see it who run the server. `org` "": it is for all orgs."""

    org: str
    created_by: str
    created_at: datetime


class CreateAnnouncementRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Announces something from `starts_at`, now unless told, to all orgs or to one, by its code."""

    text: Annotated[str, msgspec.Meta(max_length=MAX_ANNOUNCEMENT_CHARACTERS)]
    severity: Severity = "info"
    org: Word = ""
    starts_at: Moment | None = None
    ends_at: Moment | None = None
