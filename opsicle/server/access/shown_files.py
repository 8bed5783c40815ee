"""The files of an automation, as people see them."""

from __future__ import annotations

from collections.abc import Sequence

from opsicle.server.store.files import AutomationFileRow
from opsicle.wire.file_api import AutomationFile


def shown_files(rows: Sequence[AutomationFileRow]) -> list[AutomationFile]:
    """Return the files that an automation is given, as people see them."""
    return [
        AutomationFile(
            id=row.id,
            variable=row.variable,
            name=row.name,
            size=row.size,
            sha256=row.sha256,
            problem=row.problem,
        )
        for row in rows
    ]
