"""The sentences that the server's errors are made of, as they stand in its sources.

A message, a hint, and a mistake of a list are followed from where the error is made back to where
they are written: through names, helpers that return them, and parameters that hand them on. What is
put in at run time is a place, `{0}`; what may stand in it is a sentence too, if it is one.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import opsicle

PACKAGE = Path(opsicle.__file__).parent
HANDED_ON = frozenset(
    ["message", "hint", "problem", "reason", "text", "line", "removal", "wrong", "what", "why"]
)
"""What a parameter is called through which a text comes that ends in an error."""

_PLACE = "\0"
_DEEPEST = 6
_WORD = re.compile(r"(?<![\w`{/-])[A-Za-z][a-z']+(?![\w`}/-])")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False)
class Source:
    """A module of the package."""

    tree: ast.Module
    calls: list[ast.Call] = field(default_factory=list)
    around: dict[ast.AST, Function] = field(default_factory=dict)
    """The function that a node stands in."""


Defined = dict[str, list[tuple[Source, ast.AST]]]


class Sentences:
    """Those of all modules but some."""

    def __init__(self, left_out: tuple[str, ...]) -> None:
        """Take the modules to leave out by how their paths begin."""
        self._functions: Defined = defaultdict(list)
        self._constants: Defined = defaultdict(list)
        self._sources = [self._read(path) for path in _paths(left_out)]
        self._errors = {"OpsicleError", "Problem", "Undelivered", "WrongValue"} | _derived(
            self._sources
        )
        self._handed: dict[str, dict[int, str]] = defaultdict(dict)
        """By a function's name, which of its parameters end in an error."""
        self._returned: dict[ast.AST, list[str]] = {}

    def found(self) -> set[str]:
        """Return them all."""
        texts: set[str] = set()
        before = -1
        while before != (before := sum(map(len, self._handed.values()))):  # what hands on is found
            for source in self._sources:
                for call in source.calls:
                    for given in self._given(call):
                        texts.update(self._texts(given, source, source.around.get(call), 0))
        return {sentence for text in texts if is_sentence(sentence := _numbered(text))}

    def _read(self, path: Path) -> Source:
        source = Source(ast.parse(path.read_text()))
        classes = [each for each in source.tree.body if isinstance(each, ast.ClassDef)]
        for scope in (source.tree, *classes):
            for name, value in _assigned(scope.body):
                self._constants[name].append((source, value))
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                source.calls.append(node)
            elif isinstance(node, Function):
                self._functions[node.name].append((source, node))
                source.around |= dict.fromkeys(ast.walk(node), node)
        return source

    def _given(self, call: ast.Call) -> Iterator[ast.expr]:
        """Return of what a call makes an error, "" if it makes none."""
        name = _last(call.func)
        is_made_by_class = isinstance(call.func, ast.Attribute) and _last(call.func.value) in (
            self._errors
        )
        if name in self._errors or is_made_by_class:
            yield from call.args[1 if name == "Problem" else 0 :]
            yield from (each.value for each in call.keywords if each.arg in HANDED_ON)
        elif handed := self._handed.get(name):
            yield from (each for at, each in enumerate(call.args) if at in handed)
            yield from (each.value for each in call.keywords if each.arg in handed.values())

    def _texts(
        self, node: ast.AST, source: Source, within: Function | None, depth: int
    ) -> Iterator[str]:
        """Return what an expression may be, and what may be put into it."""
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=parts):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else _PLACE for part in parts
                )
        if depth < _DEEPEST:
            for part in _parts(node):
                yield from self._texts(
                    part, source, within, depth + isinstance(node, ast.JoinedStr)
                )
            yield from self._joined(node, source, within, depth)
            yield from self._looked_up(node, source, within, depth + 1)

    def _joined(
        self, node: ast.AST, source: Source, within: Function | None, depth: int
    ) -> Iterator[str]:
        """Return what a sum, or a call of `format`, may be."""
        match node:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                ends = [*self._texts(right, source, within, depth)] or [_PLACE]
                for begin in [*self._texts(left, source, within, depth)] or [_PLACE]:
                    yield from (begin + end for end in ends)
            case ast.Call(func=ast.Attribute(value=inner, attr="format")):
                for text in self._texts(inner, source, within, depth):
                    yield text.replace("{}", _PLACE)

    def _looked_up(
        self, node: ast.AST, source: Source, within: Function | None, depth: int
    ) -> Iterator[str]:
        """Return what a name may stand for, or a call may give back."""
        match node:
            case ast.Name(id=name):
                yield from self._named(name, source, within, depth)
            case ast.Attribute(attr=name) if name in HANDED_ON:
                for place, value in self._constants[name]:
                    yield from self._texts(value, place, None, depth)
            case ast.Call(func=called):
                for place, function in _nearest(self._functions, _last(called), source):
                    yield from self._returns(function, place, depth)

    def _returns(self, function: ast.AST, source: Source, depth: int) -> list[str]:
        """Return what a function may give back, which is looked for once."""
        if function not in self._returned:
            self._returned[function] = []  # while it is looked for: some call themselves
            self._returned[function] = [
                text
                for inner in ast.walk(function)
                if isinstance(inner, ast.Return) and inner.value
                for text in self._texts(inner.value, source, source.around.get(inner), depth)
            ]
        return self._returned[function]

    def _named(
        self, name: str, source: Source, within: Function | None, depth: int
    ) -> Iterator[str]:
        """Return what a name may stand for; one of a parameter is noted as handed on."""
        if within is not None:
            parameters = [each.arg for each in (*within.args.args, *within.args.kwonlyargs)]
            if name in parameters:
                if name in HANDED_ON:
                    is_method = parameters[0] in {"self", "cls"}
                    self._handed[within.name][parameters.index(name) - is_method] = name
                return
            values = [value for found, value in _assigned(ast.walk(within)) if found == name]
            for value in values:
                yield from self._texts(value, source, within, depth)
            if values:
                return
        for place, value in _nearest(self._constants, name, source):
            yield from self._texts(value, place, None, depth)


def _parts(node: ast.AST) -> list[ast.expr]:
    """Return what an expression may be one of, or has put into it."""
    match node:
        case ast.IfExp(body=one, orelse=other):
            return [one, other]
        case ast.BoolOp(values=values):
            return values
        case ast.JoinedStr(values=values):
            return [part.value for part in values if isinstance(part, ast.FormattedValue)]
    return []


def is_sentence(text: str) -> bool:
    """Return whether a text has two words at least; others are names, keys and formats."""
    return " " in text and len(_WORD.findall(text)) > 1


def _paths(left_out: tuple[str, ...]) -> list[Path]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [path for path in paths if not str(path.relative_to(PACKAGE)).startswith(left_out)]


def _assigned(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def _derived(sources: list[Source]) -> set[str]:
    """Return the names of all classes of errors."""
    classes = [
        each for source in sources for each in source.tree.body if isinstance(each, ast.ClassDef)
    ]
    kinds = {"OpsicleError", "Undelivered"}
    for _ in range(4):  # as deep as they are derived of each other
        kinds |= {each.name for each in classes if kinds & {_last(base) for base in each.bases}}
    return kinds


def _nearest(
    defined: Mapping[str, list[tuple[Source, ast.AST]]], name: str, source: Source
) -> list[tuple[Source, ast.AST]]:
    """Return what has a name in a module, or else anywhere."""
    found = defined.get(name, [])
    return [each for each in found if each[0] is source] or found


def _last(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _numbered(text: str) -> str:
    """Return a text with numbers for its places, without what joins it to another one."""
    first, *rest = text.split(_PLACE)
    return (first + "".join(f"{{{at}}}{part}" for at, part in enumerate(rest))).strip(" ;:")
