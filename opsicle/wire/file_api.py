"""Messages about files that automations are given."""

from __future__ import annotations

from datetime import datetime

import msgspec


class UploadedFile(msgspec.Struct, kw_only=True):
    """A file that was uploaded. Its `id` is the value of a variable of type `file`.

    It counts for whoever uploaded it, until `expires_at`.
    """

    id: str
    name: str
    size: int
    sha256: str
    expires_at: datetime


class AutomationFile(msgspec.Struct, kw_only=True):
    """A file that an automation is given, as the value of a variable.

    `problem` says what has become of the server's copy since; "" if it is as it was.
    """

    id: str
    variable: str
    name: str
    size: int
    sha256: str
    problem: str = ""
