"""Leaves docstrings out of the server's and worker's modules, in the built file.

They are for whoever reads the source. Compiled, a process would keep them in memory for as long as
it runs, and nothing in it asks for them. Every statement stays on its line, so that a traceback
names the same lines as the source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = ("security", "server", "worker")
"""Packages that need none. Those of others are the help of commands and parts of the API's
description."""

DESCRIBED = re.compile(r"\bhttp\b|routes")
"""Modules of the server, or their folders, whose functions' docstrings describe the API."""


def is_read(path: Path) -> bool:
    """Return whether something reads the docstrings of a module; `path` is below the package."""
    return path.parts[0] not in LEFT_OUT or bool(DESCRIBED.search(path.as_posix()))


def without_docstrings(source: str) -> str:
    """Return a module's text with nothing where its docstrings were, or `pass` if need be."""
    lines = source.encode().splitlines(keepends=True)
    for node in _statements(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is None:
            continue

        docstring = node.body[0]
        is_all = len(node.body) == 1 and not isinstance(node, ast.Module)
        _blank(lines, docstring, b"pass" if is_all else b"")
    return b"".join(lines).decode()


def _statements(module: ast.Module) -> Iterator[ast.AST]:
    """Yield a module and all statements in it; their expressions are most of a syntax tree."""
    waiting: list[ast.AST] = [module]
    while waiting:
        node = waiting.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting.extend(getattr(node, part, ()))


def _blank(lines: list[bytes], statement: ast.stmt, instead: bytes) -> None:
    """Put something else in the place of a statement that has its lines for itself."""
    first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
    head, tail = lines[first][: statement.col_offset], lines[last][statement.end_col_offset :]
    if head.strip() or tail.strip():
        raise ValueError(f"line {statement.lineno} has more than a docstring")
    lines[first] = head + instead + b"\n" if instead else b"\n"
    for index in range(first + 1, last + 1):
        lines[index] = b"\n"
