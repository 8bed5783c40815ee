"""The built file's server and worker are the source's, without docstrings."""

from __future__ import annotations

import ast
import re

import pytest

from building.docstrings import is_read, without_docstrings
from building.project import ROOT, source_files

PACKAGE = ROOT / "opsicle"


def test_nothing_but_docstrings_is_left_out_and_no_line_moves() -> None:
    stripped = 0
    for path in source_files(PACKAGE):
        if path.suffix == ".py" and not is_read(path.relative_to(PACKAGE)):
            source = path.read_text()

            shipped = without_docstrings(source)

            assert shipped.splitlines() == _without_literals(source), path
            stripped += len(source) - len(shipped)
    assert stripped > 100_000


def test_whatever_makes_a_route_keeps_its_docstrings_which_describe_the_api() -> None:
    sources = [path for path in source_files(PACKAGE) if path.suffix == ".py"]

    makes_routes = [path for path in sources if re.search(r"\bRoute\(endpoints", path.read_text())]

    assert makes_routes
    assert [path for path in makes_routes if not is_read(path.relative_to(PACKAGE))] == []


def test_a_line_with_more_than_a_docstring_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1 has more"):
        without_docstrings('"""What it is."""; import os\n')


def _without_literals(source: str) -> list[str]:
    """Return the lines of a module, empty ones in the place of lines that are docstrings alone.

    `pass` where a docstring is all that there is.
    """
    lines = source.splitlines()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, part, [])

        match node:
            case (
                ast.Module(body=[ast.Expr(value=ast.Constant(value=str())) as first, *rest])
                | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str())) as first, *rest])
                | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str())) as first, *rest])
            ):
                assert first.end_lineno
                place = slice(first.lineno - 1, first.end_lineno)
                text = "\n".join(lines[place])
                assert isinstance(ast.literal_eval(text.strip()), str)
                empty = [""] * (first.end_lineno - first.lineno + 1)
                if not rest and not isinstance(node, ast.Module):
                    empty[0] = f"{text[: first.col_offset]}pass"
                lines[place] = empty
    return lines
