"""What a phase writes to the file that `OPSICLE_OUTPUT` names: values by name, for later phases.

A line is `name=value`; the value is all that follows. A value of several lines stands between
`name<<END` and a line `END`, where `END` is any word. Empty lines mean nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from opsicle.domain.names import upper_snake
from opsicle.domain.problems import listed

MAX_OUTPUT_BYTES = 32 * 1024
"""Of one value: the kernel takes an environment variable of 128 KiB, an artifact is for more."""

MAX_ALL_OUTPUTS_BYTES = 128 * 1024
"""Of all names and values of a job together."""

MAX_OUTPUT_FILE_BYTES = 1024 * 1024
"""Of the file, in which a value may stand that is written anew later."""

MAX_SUMMARY_BYTES = 64 * 1024
"""Of the summaries of all phases of a job together."""

SUMMARY_CUT = "\n\n*The summary is longer than 64 KiB; the rest is not shown.*\n"
"""Stands where the rest was cut off."""


class WrittenOutputs(NamedTuple):
    """What could be read of a phase's file, and what is wrong with the rest of it; "" if nothing.

    Only the first mistake is named.
    """

    values: dict[str, str]
    problem: str = ""


def output_environment_name(name: str) -> str:
    """Return the environment variable by which later phases read an output.

    >>> output_environment_name("backup-path")
    'OPSICLE_OUTPUT_BACKUP_PATH'
    """
    return "OPSICLE_OUTPUT_" + upper_snake(name)


def read_outputs(content: bytes, declared: Collection[str]) -> WrittenOutputs:
    """Read a phase's file; a name that is written twice has the last value.

    Of what is not right nothing is taken, and all that is right counts.
    """
    if len(content) > MAX_OUTPUT_FILE_BYTES:
        return WrittenOutputs(
            {}, f"OPSICLE_OUTPUT holds more than {MAX_OUTPUT_FILE_BYTES // 1024} KiB"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return WrittenOutputs({}, f"line {line} of OPSICLE_OUTPUT is not text in UTF-8")

    values: dict[str, str] = {}
    problem = ""
    names = frozenset(declared)
    for entry in _entries(text):
        if entry.name in names and fits(entry.value):
            values[entry.name] = entry.value
        elif not problem:
            problem = f"line {entry.line} of OPSICLE_OUTPUT {_mistake(entry, declared)}"
    return WrittenOutputs(values, problem)


class _Entry(NamedTuple):
    line: int
    name: str = ""
    value: str = ""
    mistake: str = ""


_NO_ENTRY = (
    "is not `name=value`; a value of several lines is written as `name<<END`, its lines, `END`"
)
_NO_END = "opens a value of several lines, and no line ends it"


def _entries(text: str) -> Iterator[_Entry]:
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        name, sign, rest = _split(lines[at])
        at += 1
        if sign == "=":
            yield _Entry(at, name, rest)
        elif sign:
            try:
                end = lines.index(rest, at)
            except ValueError:
                yield _Entry(at, mistake=_NO_END)
                return
            yield _Entry(at, name, "\n".join(lines[at:end]))
            at = end + 1
        elif lines[at - 1].strip():
            yield _Entry(at, mistake=_NO_ENTRY)


def _split(line: str) -> tuple[str, str, str]:
    """Split at `=` or `<<`, whichever comes first; the sign is "" where neither does."""
    name, sign, value = line.partition("=")
    before, opening, delimiter = line.partition("<<")
    if opening and delimiter and len(before) < len(name):
        return before, opening, delimiter
    return name, sign, value


def fits(value: str) -> bool:
    """Return whether an output may have this value."""
    return "\0" not in value and len(value.encode()) <= MAX_OUTPUT_BYTES


def _mistake(entry: _Entry, declared: Collection[str]) -> str:
    """Return what is wrong with an entry, as the rest of a sentence.

    Nothing undeclared is quoted: it may be half a secret, which nobody would mask.
    """
    if entry.mistake:
        return entry.mistake
    if entry.name not in declared:
        known = f"which are {listed(declared)}" if declared else "of which it declares none"
        return f"sets a name that is not among the phase's `outputs`, {known}"
    if "\0" in entry.value:
        return f"sets `{entry.name}` to a value with a NUL byte, which no variable can hold"
    return (
        f"sets `{entry.name}` to more than {MAX_OUTPUT_BYTES // 1024} KiB; "
        "keep what is large in a file"
    )
