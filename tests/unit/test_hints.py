"""What an error or a hint tells people to type can be typed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

import opsicle
from opsicle.cli.root import root
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.rule_sets import RuleSetKind

PACKAGE = Path(opsicle.__file__).parent
COMMAND = re.compile(r"`opsicle ([^`]+)`")
PLURAL = "<documents>"


def texts() -> Iterator[tuple[str, str]]:
    """Yield each string of the files that name a command, docstrings aside, and its place."""
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text()
        if "`opsicle" not in source:
            continue  # to parse all of it takes seconds
        tree = ast.parse(source)
        docstrings = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield _place(path, node), "".join(_part(part) for part in node.values)
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in docstrings
            ):
                yield _place(path, node), node.value
    for path in sorted((PACKAGE.parent / "assets").rglob("*.js")):
        yield path.name, path.read_text()


def _place(path: Path, node: ast.expr) -> str:
    return f"{path.relative_to(PACKAGE)}:{node.lineno}"


def _part(part: ast.expr) -> str:
    match part:
        case ast.Constant(value=value):
            return str(value)
        case ast.FormattedValue(value=ast.Attribute(attr="plural")):
            return PLURAL
    return ""


def _each_kind(text: str, place: str) -> list[str]:
    """Return a text for each kind of what the file is about, if it speaks of any kind."""
    if PLURAL not in text:
        return [text]
    kinds = RuleSetKind if "/rule_sets.py:" in place else DocumentKind
    return [text.replace(PLURAL, kind.plural) for kind in kinds]


def commands() -> list[tuple[str, str]]:
    """Return each command line that a text names, with its place.

    Asked for in a test only: every process of the tests imports this, and to parse the sources
    takes long.
    """
    found = {
        (command, place)
        for place, text in texts()
        for each in _each_kind(text, place)
        for command in COMMAND.findall(each)
        if not command.startswith("[")  # the form of all commands
    }
    return sorted(found)


def problem_of(command: str) -> str:
    """Return what is wrong with a command line, "" if there is such a command and its options."""
    words = [word for word in shlex.split(command) if word != "…"]
    current: click.Command = root
    while words and isinstance(current, click.Group):
        name = words.pop(0)
        if name in {"-o", "--profile"}:
            words.pop(0)
            continue
        found = current.get_command(click.Context(current), name)
        if found is None:
            return f"{name} is no command of {current.name}"
        current = found

    known = {"--help"} | {
        name
        for parameter in current.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    return "".join(
        f"{current.name} has no {word}"
        for word in words
        if word.startswith("--") and word not in known
    )


def test_each_command_in_a_hint_exists() -> None:
    found = commands()

    wrong = [
        f"{place}: `opsicle {command}`: {problem}"
        for command, place in found
        if (problem := problem_of(command))
    ]

    assert len(found) > 30
    assert wrong == []


def test_a_command_that_does_not_exist_is_found_out() -> None:
    assert problem_of("no-such-command FILE")
    assert problem_of("workers list --no-such-option")
