"""Template and automation files on this machine.

Reading, checking, and their values from options and files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from opsicle.cli.input_files import read_start
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.policy_parser import POLICY_TYPE, REQUEST_TYPE, PolicyDocument, RequestDocument
from opsicle.domain.policy_parser import digest as policy_digest
from opsicle.domain.problems import Problems, did_you_mean, quoted
from opsicle.domain.schedule_parser import SCHEDULE_TYPE
from opsicle.domain.schedules import Schedule
from opsicle.domain.target_parser import TARGET_TYPE
from opsicle.domain.targets import Target
from opsicle.domain.template_parser import (
    AUTOMATION_TYPE,
    TEMPLATE_TYPE,
    Document,
    digest,
    parse_document,
)
from opsicle.domain.template_warnings import warnings
from opsicle.domain.templates import Phase, Template, Value, Variable, VariableType, default_limit
from opsicle.domain.trigger_parser import TRIGGER_TYPE
from opsicle.domain.triggers import Trigger
from opsicle.domain.variables import parse_text
from opsicle.domain.yaml_documents import MAX_BYTES, Kind, load, plain

MAX_VALUES_FILE_BYTES = MAX_BYTES


class FileCheck(msgspec.Struct, kw_only=True):
    """What there is to say of a file. `error` is None for one that is valid."""

    file: str
    name: str = ""
    type: str = ""
    digest: str = ""
    warnings: list[Problem] = []
    notes: list[str] = []
    error: InvalidInput | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Every mistake; none in a file that is valid, or that could not be read at all."""
        return self.error.problems if self.error else ()

    def document(self) -> dict[str, object]:
        """Return what `-o json` prints of it."""
        return {
            "file": self.file,
            "is_valid": self.error is None,
            "name": self.name,
            "type": self.type,
            "digest": self.digest,
            "errors": self.errors,
            "warnings": self.warnings,
            "notes": self.notes,
        }


def check_file(file: str) -> FileCheck:
    """Check one file; what is wrong with it stands in the result."""
    try:
        document = parse_document(_read(Path(file), MAX_BYTES))
    except InvalidInput as error:
        return FileCheck(file=file, error=error)

    match document:
        case Template():
            return _checked_template(file, document)
        case PolicyDocument(policy=policy, warnings=found):
            return FileCheck(
                file=file,
                name=policy.name,
                type=POLICY_TYPE,
                digest=policy_digest(policy),
                warnings=list(found),
            )
        case RequestDocument(warnings=found):
            return FileCheck(file=file, name=document.name, type=REQUEST_TYPE, warnings=list(found))
        case Schedule():
            return FileCheck(file=file, name=document.name, type=SCHEDULE_TYPE)
        case Trigger():
            return FileCheck(file=file, name=document.name, type=TRIGGER_TYPE)
        case Target():
            return FileCheck(file=file, name=document.name, type=TARGET_TYPE)
    return FileCheck(
        file=file, name=document.name, type=AUTOMATION_TYPE, notes=_limits(document.phases)
    )


def _checked_template(file: str, document: Template) -> FileCheck:
    return FileCheck(
        file=file,
        name=document.name,
        type=TEMPLATE_TYPE,
        digest=digest(document),
        warnings=warnings(document),
        notes=_limits(document.phases),
    )


def _limits(phases: Iterable[Phase]) -> list[str]:
    """Return which phases are ended by a time limit that nobody has written."""
    return [
        f"phase {phase.name}: at most {phase.timeout} s, {limit_text}"
        for phase in phases
        if not phase.is_waiting and (limit_text := default_limit(phase))
    ]


def read_source(path: Path) -> str:
    """Return a document's text, to be sent as it is. Raises InvalidInput."""
    try:
        return _read(path, MAX_BYTES).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text") from error


def refuse_wrong(sources: Iterable[tuple[str, str]]) -> None:
    """Raise InvalidInput with every mistake of every document, each with its file.

    Nothing if all are right.
    """
    problems: list[Problem] = []
    wrong: list[str] = []
    for file, source in sources:
        try:
            parse_document(source.encode())
        except InvalidInput as error:
            wrong.append(file)
            found = error.problems or (Problem("", error.message),)
            problems += [
                Problem(f"{file}: {problem.path}", problem.message, problem.line)
                for problem in found
            ]

    if wrong:
        raise InvalidInput(
            f"nothing was pushed: {', '.join(wrong)} cannot be", problems=tuple(problems)
        )


def read_document(path: Path) -> Document:
    """Return what a file holds. Raises InvalidInput with every mistake."""
    source = _read(path, MAX_BYTES)
    try:
        return parse_document(source)
    except InvalidInput as error:
        raise InvalidInput(
            f"{path}: {error.message}", hint=error.hint, problems=error.problems
        ) from error


def given_values(
    variables: Iterable[Variable],
    texts: Iterable[str],
    file: Path | None,
    owner: str,
) -> dict[str, Value]:
    """Return the values from `--var id=text` and a `--var-file`; `--var` wins.

    `owner` is what has these variables.

    Raises InvalidInput with every mistake.

    A secret one is refused as `--var`, and a file stays `@PATH` (see given_files.py). Whether they
    fit the variables' rules is for `check_values` or the server.
    """
    values = read_values_file(file) if file else {}
    known = {variable.id: variable for variable in variables}
    problems = Problems()

    for name, given in _by_id(texts).items():
        if name not in known:
            problems.add(
                f"values.{name[:64]}",
                f"{owner} has no variable {quoted(name)}{did_you_mean(name, known)}",
            )
        elif known[name].type is VariableType.SECRET:
            problems.add(
                f"values.{name}",
                "is secret, and every user of this machine can read what stands in a command line",
            )
        elif len(given) > 1 and not known[name].multiple:
            problems.add(f"values.{name}", "is given more than once")
        elif known[name].type is VariableType.FILE:
            values[name] = [*given] if known[name].multiple else given[0]
        else:
            _add_parsed(values, known[name], "\n".join(given), problems)

    problems.raise_if_any("these values")
    return values


def read_values_file(path: Path) -> dict[str, Value]:
    """Return the mapping in a YAML or JSON file; an empty value counts as not given.

    Raises InvalidInput.
    """
    problems = Problems()
    node = load(_read(path, MAX_VALUES_FILE_BYTES), problems)
    if node.kind is not Kind.MAPPING:
        problems.add("", "must be a mapping (lines of `id: value`)", node.line)

    values: dict[str, Value] = {}
    for name, given in node.fields.items():
        try:
            values[name] = msgspec.convert(plain(given), Value)
        except msgspec.ValidationError:
            if given.kind is not Kind.NULL:
                problems.add(
                    name, f"must be a value or a list of values, not {given.kind}", given.line
                )

    problems.raise_if_any(str(path))
    return values


def _add_parsed(
    values: dict[str, Value], variable: Variable, text: str, problems: Problems
) -> None:
    try:
        values[variable.id] = parse_text(variable, text)
    except InvalidInput as error:
        for problem in error.problems:
            problems.add(problem.path, problem.message)


def _by_id(texts: Iterable[str]) -> Mapping[str, list[str]]:
    given: dict[str, list[str]] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InvalidInput(f"--var takes id=value, not {quoted(text)}")
        given.setdefault(name, []).append(value)
    return given


def _read(path: Path, limit: int) -> bytes:
    """Return the file's bytes; one more than `limit` of them suffices to be refused."""
    try:
        return read_start(path, limit + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "that is no file name"
        raise InvalidInput(f"{path} cannot be read: {reason}") from error
