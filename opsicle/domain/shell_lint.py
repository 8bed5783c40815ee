"""Warnings about commands that use the template's variables in a dangerous way.

The shell splits an unquoted value into words and expands its wildcards, and evaluates one inside
`$((…))`. This is no shell parser: it knows quotes, comments, substitutions and here-documents, and
where it is unsure it says nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from enum import Enum

import msgspec

from opsicle.domain.errors import Problem
from opsicle.domain.names import environment_name
from opsicle.domain.problems import did_you_mean
from opsicle.domain.templates import Template

_PREFIX = "OPSICLE_VAR_"
_PLACEHOLDER = re.compile(r"\{\{([^{}\n]{0,200})\}\}")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_VALUE_WORDS = frozenset(
    {"var", "vars", "variable", "variables", "value", "values", "input", "inputs", "params"}
)


MAX_WARNINGS = 100


def warnings(template: Template) -> list[Problem]:
    """Return what is risky in the template's commands, in their order, at most MAX_WARNINGS of it.

    None of it keeps the template from running.
    """
    return list(itertools.islice(_all_warnings(template), MAX_WARNINGS))


def _all_warnings(template: Template) -> Iterator[Problem]:
    asked = [each for phase in template.phases if phase.pause for each in phase.pause.variables]
    variables = (*template.variables, *asked)
    names = {environment_name(variable.id): variable.id for variable in variables}
    for root, phases in (("spec.plan", template.plan), ("spec.template.phases", template.phases)):
        for i, phase in enumerate(phases):
            for j, command in enumerate(phase.commands):
                path = f"{root}[{i}].commands[{j}]"
                yield from (Problem(path, message) for message in _command_warnings(command, names))


def _command_warnings(command: str, names: dict[str, str]) -> Iterator[str]:
    """Yield what is risky in one command, each message once."""
    seen = set()
    for message in itertools.chain(
        _use_warnings(command, names), _placeholder_warnings(command, names)
    ):
        if message not in seen:
            seen.add(message)
            yield message


def _use_warnings(command: str, names: dict[str, str]) -> Iterator[str]:
    for use in uses(command):
        if not use.name.startswith(_PREFIX):
            continue
        if use.name not in names:
            meant = did_you_mean(use.name, names)
            yield f"no variable of this template is called `{use.name}` in commands{meant}"
        if use.place is VariableUse.BARE:
            yield (
                f"`${use.name}` is not in double quotes: a value with spaces or `*` falls apart; "
                f'write "${use.name}"'
            )
        elif use.place is VariableUse.ARITHMETIC:
            yield (
                f"`${use.name}` stands inside `$((…))`, where the shell evaluates the value; "
                "see that it is a number"
            )


def _placeholder_warnings(command: str, names: dict[str, str]) -> Iterator[str]:
    """Yield a warning for each `{{ name }}` of our variables.

    Those of other tools (`docker inspect -f`) go unmentioned.
    """
    ids = {variable_id: name for name, variable_id in names.items()}
    for match in _PLACEHOLDER.finditer(command):
        words = _WORD.findall(match[1])
        meant = [word for word in words if word in ids]
        if meant or (words and words[0].lower() in _VALUE_WORDS):
            name = ids[meant[0]] if meant else environment_name(words[-1])
            yield (
                f"values are never pasted into commands: `{{{{{match[1]}}}}}` stays as it is; "
                f'write "${name}"'
            )


class VariableUse(Enum):
    """How the shell treats a variable at the place where it is used."""

    BARE = "bare"
    QUOTED = "quoted"
    ARITHMETIC = "arithmetic"


class Expansion(msgspec.Struct, frozen=True):
    """One expansion of a variable in a command."""

    name: str
    place: VariableUse


class _Context(msgspec.Struct, frozen=True):
    """Something open in the script.

    What closes it, and whether quotes and comments count inside (`has_words`).
    """

    closer: str
    place: VariableUse
    has_words: bool


_SCRIPT = _Context("", VariableUse.BARE, has_words=True)
_ARITHMETIC = _Context(")", VariableUse.ARITHMETIC, has_words=False)
_COMMANDS = _Context(")", VariableUse.BARE, has_words=True)
_OPENED: dict[str, tuple[_Context, ...]] = {
    '"': (_Context('"', VariableUse.QUOTED, has_words=False),),
    "`": (_Context("`", VariableUse.BARE, has_words=True),),
    "$(": (_COMMANDS,),
    "$((": (_ARITHMETIC, _ARITHMETIC),
}

# `${#X}` (a length) and `${X:+…}` (something else instead) do not let the value through.
_EXPANSIONS = r"""
      \\[\s\S]
    | \$\(\( | \$\(
    | \$\{(?:\#\w*|\w+:?\+|!?(?P<braced>\w*))
    | \$(?P<name>[A-Za-z_]\w*)
    | [`"()}]
"""
_INSIDE_QUOTES = re.compile(_EXPANSIONS, re.VERBOSE)
_BETWEEN_WORDS = re.compile(
    r"""
      \$'(?:[^'\\]|\\[\s\S])*'?
    | '[^']*'?
    | (?<![^\s;&|()])\#[^\n]*
    | <<<
    | <<(?P<dash>-?)[ \t]*(?P<delimiter>'[^'\n]*'|"[^"\n]*"|\\?[\w.+-]+)
    | \n
    |"""
    + _EXPANSIONS,
    re.VERBOSE,
)


def uses(script: str) -> Iterator[Expansion]:
    """Yield every expansion of a variable in a shell script, and how the shell treats it there."""
    return _Scanner(script).scan()


class _Scanner:
    """Goes through a script once; what is open is a stack, so that depth costs no recursion."""

    def __init__(self, script: str) -> None:
        self._script = script
        self._open = [_SCRIPT]
        self._here_documents: list[_HereDocument] = []

    def scan(self) -> Iterator[Expansion]:
        at = 0
        while match := self._tokens().search(self._script, at):
            at = match.end()
            name = match["name"] or match["braced"]
            if name:
                yield Expansion(name, self._open[-1].place)
            self._enter_or_leave(match)
            if match[0] == "\n":
                while self._here_documents:
                    start, at = at, self._here_documents[0].end(self._script, at)
                    yield from self._here_documents.pop(0).uses(self._script[start:at])

    def _tokens(self) -> re.Pattern[str]:
        return _BETWEEN_WORDS if self._open[-1].has_words else _INSIDE_QUOTES

    def _enter_or_leave(self, match: re.Match[str]) -> None:
        """Note what the token opens or closes."""
        token, inside = match[0], self._open[-1]
        if token == inside.closer:
            self._open.pop()
        elif token.startswith("${"):
            self._open.append(_Context("}", inside.place, has_words=inside.has_words))
        elif token == "(" and inside.place is not VariableUse.QUOTED:
            self._open.append(_Context(")", inside.place, has_words=inside.has_words))
        elif match.re is _BETWEEN_WORDS and match["delimiter"]:
            self._here_documents.append(
                _HereDocument(match["delimiter"], is_indented=bool(match["dash"]))
            )
        else:
            self._open.extend(_OPENED.get(token, ()))


class _HereDocument(msgspec.Struct, frozen=True):
    """Lines of input written out in the script.

    A delimiter with a quote or backslash keeps them as they are.
    """

    delimiter: str
    is_indented: bool

    def end(self, script: str, at: int) -> int:
        """Return where the line after the delimiter's begins, or where the script ends."""
        word = self.delimiter.strip("'\"\\")
        while at < len(script):
            start, at = at, script.find("\n", at) + 1 or len(script)
            line = script[start:at].removesuffix("\n")
            if (line.lstrip("\t") if self.is_indented else line) == word:
                break
        return at

    def uses(self, body: str) -> Iterator[Expansion]:
        """Yield the expansions in the lines, which the shell treats as if in double quotes."""
        if self.delimiter[0] in "'\"\\":
            return
        for match in re.finditer(r"\\[\s\S]|\$\{?(\w+)", body):
            if match[1]:
                yield Expansion(match[1], VariableUse.QUOTED)
