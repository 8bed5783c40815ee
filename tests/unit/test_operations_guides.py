"""Every command of the operator's guides is run by a test that takes it from its page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.product import CHECKOUT

WHOLE = ("install",)
"""Pages of which `tests/packaging/test_real_systemd.py` runs every command, in their order."""

PAGES = sorted(
    path for path in (CHECKOUT / "docs/operations").glob("*.md") if path.stem not in WHOLE
)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMES_ONE = re.compile(r"opsicle \S+ \S.*|(?!opsicle )\S+ \S.*", re.DOTALL)
"""A beginning by which a test names a command: a shorter one would name too many."""


def commands(page: Path) -> Iterator[str]:
    """Yield a page's commands; what goes on after a backslash is one."""
    for block in BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", "").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line


@cache
def named_by_tests() -> tuple[str, ...]:
    """Return every text in the tests' sources that may be the beginning of a command."""
    found = set()
    for path in (CHECKOUT / "tests").rglob("*.py"):
        if path != Path(__file__):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return tuple(text for text in found if NAMES_ONE.fullmatch(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_test_runs_each_command(page: Path) -> None:
    """Where this is red, take the command from its page in a test, as `do_documented` does."""
    not_run = [line for line in commands(page) if not line.startswith(named_by_tests())]

    assert not_run == []
