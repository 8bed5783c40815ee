"""Files that come with a command, by `--var id=@PATH`: uploaded, or taken as they are here."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsicle.cli.terminal import StatusLine
from opsicle.domain.errors import InvalidInput
from opsicle.domain.files import (
    FileValue,
    InputFile,
    file_name_problem,
    file_variables,
    items_of,
)
from opsicle.domain.problems import Problems, quoted
from opsicle.domain.templates import Value, Variable

if TYPE_CHECKING:  # its imports take long
    from opsicle.client.api import Api

_SHOW_AFTER_SECONDS = 1.0
_PIECE_BYTES = 256 * 1024
_MARK = "@"


def with_files(
    variables: Sequence[Variable], values: Mapping[str, Value], take: Callable[[Path], str]
) -> dict[str, Value]:
    """Return values with what `take` makes of each file in the place of its `@PATH`.

    Raises InvalidInput, with every mistake, before any is taken.
    """
    problems = Problems()
    for variable in file_variables(variables):
        for item in items_of(values.get(variable.id)):
            if problem := _problem_of(item):
                problems.add(f"values.{variable.id}", problem)
    problems.raise_if_any("these values")

    taken = dict(values)
    for variable in file_variables(variables):
        value = values.get(variable.id)
        texts = [take(_path(item)) for item in items_of(value)]
        if texts:
            taken[variable.id] = [*texts] if isinstance(value, list) else texts[0]
    return taken


def _path(item: object) -> Path:
    return Path(str(item).removeprefix(_MARK))


def _problem_of(item: object) -> str:
    if not isinstance(item, str) or not item.startswith(_MARK):
        return "is a file: give it as `@PATH`"
    path = _path(item)
    try:
        is_plain = stat.S_ISREG(path.stat().st_mode) and os.access(path, os.R_OK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"{quoted(str(path))} cannot be read: {reason}"
    if not is_plain:
        return f"{quoted(str(path))} is no plain file that you may read"
    if problem := file_name_problem(path.name):
        return f"{quoted(str(path))} cannot be sent: {problem}"
    return ""


def upload_id(api: Api, path: Path) -> str:
    """Upload a file, and return its id; what takes over a second is shown on a terminal."""
    from opsicle.client.files import upload

    began, line = time.monotonic(), StatusLine()

    def show(sent: int, size: int) -> None:
        if time.monotonic() - began >= _SHOW_AFTER_SECONDS:
            line.show(f"uploading {path.name} … {sent * 100 // max(1, size)} % of {size} bytes")

    try:
        return upload(api, path, show).id
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        line.clear()


class LocalFiles:
    """The files of a run without a server, as they were when they were looked at."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}

    def take(self, path: Path) -> str:
        """Look at a file, and return it as the value of a variable. Raises InvalidInput."""
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
                    size += len(piece)
        except OSError as error:
            raise _unreadable(path, error) from error
        self._paths[digest.hexdigest()] = path
        return FileValue(digest.hexdigest(), size, path.name).text

    def read(self, file: InputFile, offset: int) -> bytes:
        """Return bytes of a file from an offset on. Raises InvalidInput."""
        path = self._paths[file.sha256]
        try:
            with path.open("rb") as source:
                source.seek(offset)
                return source.read(_PIECE_BYTES)
        except OSError as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path} cannot be read: {error.strerror or error}")
