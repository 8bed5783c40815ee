"""Files that an automation is given: what they may be called, and how each is named as a value.

The value of a variable of type `file` is a text that names the file by what is in it:
`sha256:HEX, 1234 bytes, report.csv`. So all that binds, compares and shows values does so for files
too, and the digest comes before whatever somebody has called the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from opsicle.domain.names import has_control_characters
from opsicle.domain.templates import Value, Variable, VariableType
from opsicle.domain.visible_text import visible

MAX_FILES = 20
"""Of one automation: they stand in everything that shows it."""

MAX_NAME_BYTES = 255
"""Of a file's name in UTF-8; Linux takes no longer ones."""

FOLDER = ".files"
"""Where in the workspace they lie: hidden, so that no `*` and no artifact means them."""

_TEXT = re.compile(r"sha256:([0-9a-f]{64}), (0|[1-9][0-9]{0,15}) bytes, (.+)", re.DOTALL)


class FileValue(NamedTuple):
    """A file as a value: what is in it, and what it is called."""

    sha256: str
    size: int
    name: str

    @property
    def text(self) -> str:
        """The value of a variable."""
        return f"sha256:{self.sha256}, {self.size} bytes, {self.name}"


class InputFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an automation is given, as its manifest binds it.

    `position` counts those of one variable, from 0.
    """

    variable: str
    position: int
    name: str
    size: int
    sha256: str


def read_file_value(text: object) -> FileValue | None:
    """Return the file that a value names; None if it names none."""
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if found is None or unusable_file_name(found[3]):
        return None
    return FileValue(found[1], int(found[2]), found[3])


def file_name_problem(name: str) -> str:
    """Return why nobody may bring a file of this name, "" if one may.

    People approve it as they see it. Which characters can be seen depends on the version of Unicode
    that a Python has, so whatever has been taken once is held to `unusable_file_name` alone.
    """
    if problem := unusable_file_name(name):
        return problem
    if "\\" in name:
        return "its name must be one without folders"
    if visible(name) != name or name != name.strip():
        return "its name holds characters that cannot be seen, or begins or ends with a blank"
    return ""


def unusable_file_name(name: str) -> str:
    """Return why no file of this name can lie in a folder of a worker, "" if one can."""
    if name in {"", ".", ".."}:
        return "a file must have a name"
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "its name is not UTF-8"
    if "/" in name:
        return "its name must be one without folders"
    if has_control_characters(name):
        return "its name holds characters that cannot be seen"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"its name is longer than {MAX_NAME_BYTES} bytes"
    return ""


def file_variables(variables: Iterable[Variable]) -> list[Variable]:
    """Return the variables that take files."""
    return [variable for variable in variables if variable.type is VariableType.FILE]


def input_files(
    variables: Iterable[Variable], values: Mapping[str, Value]
) -> tuple[InputFile, ...]:
    """Return the files among checked values, in the order of the variables.

    Raises ValueError for a value that names no file.
    """
    files: list[InputFile] = []
    for variable in file_variables(variables):
        for position, text in enumerate(items_of(values.get(variable.id))):
            value = read_file_value(text)
            if value is None:
                raise ValueError(f"the value of {variable.id} names no file")
            files.append(InputFile(variable=variable.id, position=position, **value._asdict()))
    return tuple(files)


def items_of(value: object) -> list[object]:
    """Return what a value holds: the items of a list, or itself; nothing if it is not given."""
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None or value == "" else [value]


def path_in_workspace(file: InputFile) -> tuple[str, ...]:
    """Return the folders, and the name, under which a file lies in the workspace."""
    return FOLDER, file.variable, str(file.position + 1), file.name
