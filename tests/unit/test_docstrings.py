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

            assert _statements(shipped) == _statements(source), path
            assert shipped.count("\n") == source.count("\n"), path
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


def _statements(source: str) -> tuple[list[int], str]:
    """Return what a module says, and on which lines its statements begin, docstrings aside."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            is_described = ast.get_docstring(node, clean=False) is not None
            if is_described or (node.body and isinstance(node.body[0], ast.Pass)):
                del node.body[0]
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    return lines, ast.dump(tree)
