"""Every command of the operator's guides is run: by `tests/e2e/test_guides.py`, or as a table says.

What is run there is all of a page, in its order; so a new command is, too, or is in the table.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.guides import ELSEWHERE, PAGES, commands, elsewhere
from tests.product import CHECKOUT

TESTS = CHECKOUT / "tests"


def texts(path: Path, function: str) -> set[str]:
    """Return the texts that a file hands to a function, or names in a list of commands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(function):
            found |= {each.value for each in node.args if isinstance(each, ast.Constant)}
    return {each for each in found if isinstance(each, str)}


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))])
def test_a_page_is_followed_or_all_of_it_is_run_elsewhere(page: str) -> None:
    left = [command for command in commands(page) if not elsewhere(page, command)]

    assert not left or page in texts(TESTS / "e2e/test_guides.py", "follow")


@pytest.mark.parametrize(("page", "beginning"), ELSEWHERE)
def test_what_is_run_elsewhere_stands_in_its_page_and_in_that_test(
    page: str, beginning: str
) -> None:
    found = ELSEWHERE[page, beginning]

    assert [each for each in commands(page) if elsewhere(page, each) == found]
    assert beginning in (TESTS / found.test).read_text(), f"{found.test} does not run it"
