"""Messages about artifacts: files that jobs left behind."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Artifact(msgspec.Struct, kw_only=True):
    """A file that a job left behind, by its path in the workspace.

    `phase` is the name of the one that left it. `problem` says what has become of the file since;
    "" if it is as it was.
    """

    id: str
    path: str
    size: int
    sha256: str
    phase: str
    problem: str = ""
    created_at: datetime


class MissingArtifact(msgspec.Struct):
    """A file that should have been kept, and why nothing of it is."""

    path: str
    phase: str
    problem: str
