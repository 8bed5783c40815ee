"""Files that a command writes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from opsicle.domain.errors import InvalidInput


def write_whole(file: Path, pieces: Iterable[bytes]) -> None:
    """Put pieces into a file, readable for its owner alone: whole, or not at all.

    Raises InvalidInput if it cannot be written, and what the pieces raise.
    """
    draft = file.with_name(f".{file.name}.new")
    try:
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
        ) as target:
            target.writelines(pieces)
        draft.replace(file)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
